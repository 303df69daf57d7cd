/**
 * The HTTP routes of the original HakuRiver, for its own Python client and Vue frontend: at the paths where they
 * were, and below `/api`. They decide nothing: each calls what the native API calls, and translates.
 */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errorTable } from '../../core/errors.ts'
import { parseId } from '../../core/id.ts'
import { taskCan } from '../../core/task.ts'
import type { Log } from '../../platform/log.ts'
import type { Access, Handlers } from '../../protocol/host-api.ts'
import { limits } from '../../protocol/limits.ts'
import type { LogStream } from '../../protocol/routes.ts'
import type { SubmitBody, TaskDetail } from '../../protocol/schemas.ts'
import type { Admit } from '../admission.ts'
import type { Audit } from '../audit.ts'
import type { AuditedAs } from '../audit-rules.ts'
import { type Caller, nobody, refuseOthers } from '../caller.ts'
import type { Cluster } from '../cluster.ts'
import { addRefusalHeaders } from '../http.ts'
import { asAppError } from '../http-error.ts'
import type { Store } from '../store/store.ts'
import { type LogDeps, TaskLog } from '../task-log.ts'
import { taskDetail } from '../views.ts'
import { LaxError, wholeNumber } from './lax-body.ts'
import { allFailedDetail, failedTargets, outcomesOf, readSubmit, submitAnswer } from './submit.ts'
import { seedHealth, seedNode, seedTask } from './views.ts'

export interface SeedDeps {
  handlers: Handlers<Caller>
  cluster: Cluster
  store: Store
  logs: LogDeps
  admit: Admit
  audit: Audit
  log: Log
}

interface SeedRoute {
  method: 'GET' | 'POST'
  path: string
  access: Access
  /** How it stands in the log of who did what; left out: it only reads, and what everybody may see. */
  audited?: AuditedAs
  handle: (request: SeedRequest, reply: FastifyReply) => Promise<unknown>
}

type SeedRequest = Pick<FastifyRequest, 'params' | 'query' | 'body' | 'headers'> & {
  caller: Caller
  whole: FastifyRequest
}

/** The answer where the original has no more to say than one text. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number, detail: string) {
    super(detail)
    this.status = status
  }
}

/** Adds the routes, in a scope of their own: errors there have the original's shape. */
export async function addSeedRoutes(app: FastifyInstance, deps: SeedDeps): Promise<void> {
  const routes = seedRoutes(deps)
  for (const prefix of ['', '/api']) {
    await app.register(
      async (scope) => {
        scope.setErrorHandler((error, request, reply) => tellError(error, request, reply, deps.log))
        // bodies are read by hand: one that cannot be read is told of in the original's shape
        scope.removeAllContentTypeParsers()
        scope.addContentTypeParser('*', { parseAs: 'string' }, (_, body, done) => done(null, body))
        for (const route of routes) addRoute(scope, route, deps)
      },
      { prefix },
    )
  }
}

function addRoute(
  scope: FastifyInstance,
  { method, path, access, audited = {}, handle }: SeedRoute,
  deps: SeedDeps,
): void {
  const callers = new WeakMap<FastifyRequest, Caller>()
  scope.route({
    method,
    url: path,
    exposeHeadRoute: false,
    config: audited,
    onRequest: async (request, reply) => void callers.set(request, deps.admit(access, request, reply)),
    handler: async (request, reply) => {
      const caller = callers.get(request) ?? nobody
      if (caller.signal?.aborted) throw new Refusal(401, 'The token has ended meanwhile.')
      const { params, query, body, headers } = request
      return handle({ params, query, body, headers, caller, whole: request }, reply)
    },
  })
  scope.route({
    method: method,
    url: `${path}/`,
    exposeHeadRoute: false,
    config: { audit: null },
    handler: async (request, reply) => reply.redirect(request.url.replace(/\/(?=$|\?)/, ''), 307),
  })
  const others = (['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const).filter(
    (other) => other !== method,
  )
  scope.route({
    method: others,
    url: path,
    config: { audit: null },
    handler: async (_, reply) => {
      reply.header('allow', method)
      throw new Refusal(405, 'Method Not Allowed')
    },
  })
}

function seedRoutes({ handlers, cluster, store, logs, audit }: SeedDeps): SeedRoute[] {
  const nodesOf = async ({ caller }: SeedRequest) =>
    (await handlers.listNodes({ params: undefined, query: undefined, body: undefined }, caller)).items
  const taskOf = async (request: SeedRequest, notFound: string): Promise<TaskDetail> => {
    const id = idOf(request)
    const task = id === null ? null : await store.task(id)
    if (task === null) throw new Refusal(404, notFound)
    return taskDetail(task, cluster, request.caller)
  }
  const viewOf = (task: TaskDetail) => {
    const node = task.node === null ? undefined : cluster.nodes.get(task.node)?.record
    const unitsOf = node?.executor.name.startsWith('systemd') ? node.runnerId : null
    return seedTask(task, logs.sharedDir, unitsOf)
  }

  const log = (stream: LogStream, name: string): SeedRoute => ({
    method: 'GET',
    path: `/task/:task_id/${stream}`,
    access: 'submit',
    audited: { auditRead: 'readLog' },
    handle: async (request, reply) => {
      const task = await taskOf(request, 'Task not found')
      refuseOthers(request.caller, task.owner, `read the output of task ${task.id}`)
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort())
      const reader = new TaskLog(logs, Number(task.id), stream, gone.signal)
      const first = await reader.read(0, limits.logReadBytes, 0)
      if (first.size === 0 && task.startedAt === null)
        throw new Refusal(404, `${name} file not found (might not be generated yet).`)
      reply.header('content-type', 'text/plain; charset=utf-8').header('x-content-type-options', 'nosniff')
      return reply.send(Readable.from(textOf(reader, first)))
    },
  })

  return [
    {
      method: 'GET',
      path: '/nodes',
      access: 'view',
      handle: async (request) => (await nodesOf(request)).map(seedNode),
    },
    {
      method: 'GET',
      path: '/health',
      access: 'view',
      handle: async (request) => {
        const { hostname } = request.query as { hostname?: string | string[] }
        const wanted = Array.isArray(hostname) ? hostname.at(-1) : hostname
        const nodes = (await nodesOf(request)).filter(({ name }) => !wanted || name === wanted)
        if (wanted && nodes.length === 0)
          throw new Refusal(404, `No health data found for hostname: ${wanted}`)
        return nodes.map(seedHealth)
      },
    },
    {
      method: 'POST',
      path: '/submit',
      access: 'submit',
      audited: { audit: 'seedSubmit' },
      handle: async (request, reply) => {
        const { body, spec, failed } = readSubmit(jsonBody(request))
        const submit = (wanted: SubmitBody) => {
          const input = { params: undefined, query: undefined, body: wanted }
          return audit.call(request.whole, 'submitBatch', input, request.caller, (caller) =>
            handlers.submitBatch(input, caller),
          )
        }
        const outcomes = body === null ? [] : await outcomesOf(submit(body))
        const ids = outcomes.flatMap(({ taskId }) => taskId ?? [])
        failed.unshift(...failedTargets(outcomes, spec, cluster.ledger))
        if (ids.length === 0) throw new Refusal(503, allFailedDetail(failed))
        reply.code(202)
        return submitAnswer(ids, failed)
      },
    },
    {
      method: 'GET',
      path: '/status/:task_id',
      access: 'view',
      audited: { auditRead: 'readEnvironment' },
      handle: async (request) => viewOf(await taskOf(request, 'Task not found')),
    },
    {
      method: 'GET',
      path: '/tasks',
      access: 'view',
      audited: { auditRead: 'readEnvironment' },
      handle: async (request, reply) => {
        const { limit, cursor } = pageOf(request)
        const after = cursor === null ? null : { key: cursor, id: cursor }
        const { items, next } = await store.tasks({ sort: 'submitted', order: 'desc', after, limit })
        if (next !== null) reply.header('x-next-cursor', next.id)
        return items.map((task) => viewOf(taskDetail(task, cluster, request.caller)))
      },
    },
    log('stdout', 'Standard output'),
    log('stderr', 'Standard error'),
    {
      method: 'POST',
      path: '/kill/:task_id',
      access: 'submit',
      audited: { audit: 'seedKill' },
      handle: async (request, reply) => {
        const { id, status, owner } = await taskOf(request, 'Task not found.')
        refuseOthers(request.caller, owner, `kill task ${id}`)
        if (!taskCan('kill', status)) throw new Refusal(409, `Task cannot be killed (state: ${status})`)
        const input = { params: { id }, query: undefined, body: {} }
        await audit.call(request.whole, 'killTask', input, request.caller, (caller) =>
          handlers.killTask(input, caller),
        )
        reply.code(202)
        return { message: `Kill requested for task ${id}. It is killed once nothing of it is left.` }
      },
    },
  ]
}

/** null: a number that no task has. @throws LaxError where it is no whole number */
function idOf(request: SeedRequest): number | null {
  const { task_id: text } = request.params as { task_id: string } // of the route's path
  if (/^[+-]?\d+$/.test(text.trim())) return parseId(text.trim())
  const msg = 'Input should be a valid integer, unable to parse string as an integer'
  throw new LaxError([{ type: 'int_parsing', loc: ['path', 'task_id'], msg, input: text }])
}

function pageOf(request: SeedRequest): { limit: number; cursor: number | null } {
  const { limit = String(limits.pageSize), cursor } = request.query as { limit?: unknown; cursor?: unknown }
  const number = wholeNumber(limit)
  if (number === null || number < 1 || number > limits.pageSize) {
    const msg = `Input should be an integer from 1 to ${limits.pageSize}`
    throw new LaxError([{ type: 'int_parsing', loc: ['query', 'limit'], msg, input: limit }])
  }
  const after = cursor === undefined ? null : parseId(String(cursor))
  if (cursor !== undefined && after === null) {
    const msg = 'Input should be a value of x-next-cursor'
    throw new LaxError([{ type: 'value_error', loc: ['query', 'cursor'], msg, input: cursor }])
  }
  return { limit: number, cursor: after }
}

/**
 * The body where it is said to be JSON, as the original had it: a page of another site cannot send that without
 * asking first (Fetch Standard, CORS-preflight), and nobody answers there.
 * @throws LaxError
 */
function jsonBody({ body, headers }: SeedRequest): string {
  const text = typeof body === 'string' ? body : ''
  if (text === '' || /^application\/([\w.-]+\+)?json\b/i.test(headers['content-type'] ?? '')) return text
  const msg = 'Input should be a valid dictionary or object to extract fields from'
  throw new LaxError([{ type: 'model_attributes_type', loc: ['body'], msg, input: text }])
}

/** What the log holds now, as text: what is no UTF-8 is replaced. */
async function* textOf(log: TaskLog, first: Awaited<ReturnType<TaskLog['read']>>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  const end = first.size
  let part = first
  for (;;) {
    yield decoder.decode(part.data, { stream: true })
    const at = part.offset + part.data.length
    if (at >= end || part.data.length === 0) break
    part = await log.read(at, Math.min(limits.logReadBytes, end - at), 0)
  }
  yield decoder.decode()
}

function tellError(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): void {
  if (error instanceof LaxError) return void reply.code(422).send({ detail: error.issues })
  if (error instanceof Refusal) return void reply.code(error.status).send({ detail: error.message })
  const refusal = asAppError(error)
  const { code, message, cause } = refusal
  if (code === 'internal')
    log.error({ requestId: request.id, error: String(cause ?? error) }, 'A request failed')
  addRefusalHeaders(refusal, reply)
  reply.code(errorTable[code].http).send({ detail: message })
}
