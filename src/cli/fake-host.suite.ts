/** A small real host for tests: it keeps to the contract where the command line depends on it, and fails on request. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { countStatuses, isBatchFinal } from '../core/batch.ts'
import { AppError, type ErrorCode, errorTable } from '../core/errors.ts'
import { type FinalStatus, isFinal, type Status } from '../core/task.ts'
import { LogViews } from '../platform/log-views.ts'
import { checkFilePrefix, type LogStream, logHeaders } from '../protocol/routes.ts'
import type {
  ClusterEvent,
  HostCheck,
  NodeView,
  PreviewResult,
  RerunOutcome,
  SubmitBody,
  SubmitResult,
  TaskDetail,
  TaskUsage,
} from '../protocol/schemas.ts'
import { FakePeople } from './fake-people.suite.ts'

interface RerunResult {
  batchId: string | null
  items: RerunOutcome[]
}

/** Answered without a token. */
const publicPaths = ['/healthz', '/readyz', '/api/v1/login']
const submittedAt = '2026-11-23T10:00:00.000Z'

/** A task that runs, but for what is given. */
export function taskOf(given: Partial<TaskDetail> & { id: string }): TaskDetail {
  return {
    batchId: '900',
    owner: 'admin',
    mayTouch: true,
    status: 'running',
    name: null,
    command: 'echo',
    arguments: ['hello'],
    env: {},
    secretNames: [],
    cwd: null,
    cores: 1,
    memoryBytes: null,
    timeoutMs: null,
    privateNetwork: false,
    privatePids: false,
    requeue: 0,
    rerunOf: null,
    target: 'any',
    node: 'node1',
    numaId: null,
    attempt: 1,
    submittedAt,
    startedAt: submittedAt,
    endedAt: null,
    unreachableSince: null,
    stuck: null,
    exitCode: null,
    signal: null,
    reason: null,
    cpuTimeMs: null,
    peakMemoryBytes: null,
    ...given,
  }
}

/** A node that is online, but for what is given. */
export function nodeOf(given: Partial<NodeView> & { name: string }): NodeView {
  return {
    status: 'online',
    problem: null,
    isDrained: false,
    lastSeenAt: submittedAt,
    cores: 8,
    coresAllocated: 1,
    coresFree: 7,
    memoryBytes: 16 * 1024 ** 3,
    memoryAllocatedBytes: 0,
    memoryFreeBytes: 16 * 1024 ** 3,
    cpuPercent: 12.5,
    memoryUsedBytes: 1024 ** 3,
    numaNodes: [],
    executor: {
      name: 'systemd',
      why: 'the runner is root',
      enforcesLimits: true,
      features: { privateNetwork: true, privatePids: true, numa: false },
    },
    runnerVersion: '0.1.0',
    tasksRunning: 1,
    tasksHeld: 1,
    unknownTasks: [],
    ...given,
  }
}

/** How a task ends. */
export interface End {
  status: FinalStatus
  exitCode?: number | null
  signal?: string | null
  reason?: string | null
}

export interface Seen {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: unknown
}

interface Follower {
  taskId: string
  stream: LogStream
  at: number
  response: ServerResponse
}

/** Takes a request in the place of the host; true: it is dealt with. */
type Intercept = (request: Seen, response: ServerResponse, socket: Socket) => boolean

export class FakeHost {
  url = ''
  readonly tasks = new Map<string, TaskDetail>()
  /** What tasks use; of others nothing can be asked, as of an older host. */
  readonly usages = new Map<string, TaskUsage>()
  readonly nodes: NodeView[] = []
  readonly people = new FakePeople()
  readonly seen: Seen[] = []
  /** Submits by their id, as the host remembers them. */
  readonly submits = new Map<string, SubmitResult>()
  /** What a submit answers, where it is not one new task per spec and target. */
  submitResult: SubmitResult | null = null
  /** What a preview answers, where it is not that all would start. */
  previewResult: PreviewResult | null = null
  private readonly reruns = new Map<string, RerunResult>()
  intercept: Intercept | null = null
  token: string | null = null
  /** How far its clock is ahead of the true one. */
  clockMs = 0
  version = '0.0.0-source'
  /** What it says a token is for. */
  tokenKind: HostCheck['token'] = 'join'
  /** Where it looks for files of checks. */
  sharedDir: string | null = null
  private readonly logs = new Map<string, Buffer>()
  private readonly logViews = new LogViews({ mostLogs: 4, mostScans: 2, mostSearches: 2 })
  private readonly events: ClusterEvent[] = []
  private readonly listeners = new Set<ServerResponse>()
  private readonly followers = new Set<Follower>()
  private readonly sockets = new Set<Socket>()
  private nextId = 1000
  private server: Server | null = null

  /** Listens; again at the same port after a `stop`. */
  async start(): Promise<this> {
    const server = createServer((request, response) => void this.answer(request, response))
    server.on('connection', (socket) => {
      this.sockets.add(socket)
      socket.once('close', () => this.sockets.delete(socket))
    })
    const port = this.url === '' ? 0 : Number(new URL(this.url).port)
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    this.server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return this
  }

  /** Goes away as a crash does: every connection breaks off. */
  async stop(): Promise<void> {
    const { server } = this
    this.server = null
    this.cut()
    if (server !== null) await new Promise((resolve) => server.close(resolve))
  }

  /** Breaks every connection off. */
  cut(): void {
    this.listeners.clear()
    this.followers.clear()
    for (const socket of this.sockets) socket.resetAndDestroy()
  }

  add(given: Partial<TaskDetail> & { id: string }): TaskDetail {
    const task = taskOf(given)
    this.tasks.set(task.id, task)
    return task
  }

  /** Ends a task; `isTold` false: its event is lost to whoever listens now. */
  end(id: string, end: End, isTold = true): void {
    const task = this.tasks.get(id)
    if (task === undefined) throw new Error(`there is no task ${id}`)
    Object.assign(task, {
      exitCode: null,
      signal: null,
      reason: null,
      ...end,
      endedAt: '2026-11-23T10:00:05.000Z',
    })
    this.tell(task, end.status, isTold)
    for (const follower of this.followers) {
      if (follower.taskId !== id) continue
      this.pump(follower)
      follower.response.end()
    }
  }

  /** Lets a task run that waited. */
  begin(id: string): void {
    const task = this.tasks.get(id)
    if (task === undefined) throw new Error(`there is no task ${id}`)
    Object.assign(task, { status: 'running', startedAt: submittedAt })
    this.tell(task, 'running', true)
  }

  write(id: string, stream: LogStream, text: string | Uint8Array): void {
    const key = `${id}/${stream}`
    this.logs.set(key, Buffer.concat([this.log(id, stream), Buffer.from(text)]))
    for (const follower of this.followers) this.pump(follower)
  }

  /** Who follows a log, or the events, now. */
  count(what: 'followers' | 'listeners'): number {
    return this[what].size
  }

  submitBodies(): SubmitBody[] {
    return this.seen.flatMap(({ path, body }) =>
      path === '/api/v1/batches' && body !== undefined ? [body as SubmitBody] : [],
    )
  }

  private log(id: string, stream: string): Buffer {
    return this.logs.get(`${id}/${stream}`) ?? Buffer.alloc(0)
  }

  private pump(follower: Follower): void {
    const log = this.log(follower.taskId, follower.stream)
    if (follower.at < log.length) follower.response.write(log.subarray(follower.at))
    follower.at = Math.max(follower.at, log.length)
  }

  private tell(task: TaskDetail, status: Status, isTold: boolean): void {
    const event: ClusterEvent = {
      id: this.events.length + 1,
      at: submittedAt,
      kind: 'task',
      type: 'exited',
      taskId: task.id,
      batchId: task.batchId,
      node: task.node,
      status,
      attempt: 1,
      exitCode: task.exitCode,
      reason: null,
    }
    this.events.push(event)
    if (isTold) for (const listener of this.listeners) listener.write(sse(event))
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const url = new URL(request.url ?? '/', this.url)
    const seen: Seen = {
      method: request.method ?? '',
      path: url.pathname,
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    }
    this.seen.push(seen)
    if (this.intercept?.(seen, response, request.socket)) return
    if (
      !publicPaths.includes(seen.path) &&
      this.token !== null &&
      request.headers.authorization !== `Bearer ${this.token}`
    ) {
      return refuse(response, 'unauthenticated', 'the token is not valid')
    }
    try {
      const { method, path, body } = seen
      const told = this.people.answer(method, { path, query: url.searchParams, body, url: this.url })
      if (told === undefined) this.route(seen, url.searchParams, response)
      else json(response, method === 'POST' ? 201 : 200, told)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      refuse(response, error.code, error.message)
    }
  }

  private route(
    { method, path, headers, body }: Seen,
    query: URLSearchParams,
    response: ServerResponse,
  ): void {
    const [kind = '', id = '', what, stream] = path.replace('/api/v1/', '').split('/').map(decodeURIComponent)
    if (path === '/readyz' || path === '/healthz') return json(response, 200, { ok: true })
    if (kind === 'events')
      return this.listen(
        Number(headers['last-event-id'] ?? query.get('after') ?? this.events.length),
        response,
      )
    if (kind === 'nodes' && id === '') return json(response, 200, { items: this.nodes })
    if (kind === 'nodes') {
      const node = this.nodes.find(({ name }) => name === id)
      return node === undefined
        ? refuse(response, 'not_found', `there is no node ${id}`)
        : json(response, 200, node)
    }
    if (kind === 'login-links') {
      const url = `http://${headers.host}/login#code=abc`
      return json(response, 201, { url, expiresAt: '2026-11-23T10:05:00.000Z' })
    }
    if (kind === 'checks') return this.check(id, query.get('node'), body, response)
    if (kind === 'batches') return this.batches(method, id, what, body as SubmitBody, response)
    if (kind !== 'tasks') return refuse(response, 'not_found', `there is no ${path}`)
    if (id === '') return this.list(query, response)
    if (id === 'rerun')
      return json(response, 201, this.rerun(body as { ids: string[]; submissionId?: string }))
    const task = this.tasks.get(id)
    if (task === undefined) return refuse(response, 'not_found', `there is no task ${id}`)
    if (what === undefined) return json(response, 200, task)
    if (what === 'events')
      return json(response, 200, { items: this.events.filter((event) => event.taskId === id) })
    const usage = this.usages.get(id)
    if (what === 'usage')
      return usage === undefined
        ? refuse(response, 'not_found', `there is no ${path}`)
        : json(response, 200, usage)
    if (what === 'logs' && path.endsWith('/search')) return this.search(id, stream, query, response)
    if (what === 'logs') return this.sendLog(task, stream === 'stderr' ? 'stderr' : 'stdout', query, response)
    if (isFinal(task.status)) return refuse(response, 'conflict', `cannot kill task ${id}: it has ended`)
    task.status = 'killing'
    json(response, 202, task)
  }

  private check(what: string, nodeName: string | null, body: unknown, response: ServerResponse): void {
    if (what === 'host') {
      const time = new Date(Date.now() + this.clockMs).toISOString()
      const node = this.nodes.find(({ name }) => name === nodeName) ?? null
      return json(response, 200, { version: this.version, time, token: this.tokenKind, node })
    }
    const { name } = body as { name: string }
    const answer = { directory: this.sharedDir, size: null, sha256: null }
    if (this.sharedDir === null) return json(response, 200, { ...answer, state: 'no_directory' })
    const path = join(this.sharedDir, checkFilePrefix + name)
    if (!existsSync(path)) return json(response, 200, { ...answer, state: 'absent' })
    const content = readFileSync(path)
    const sha256 = createHash('sha256').update(content).digest('hex')
    json(response, 200, { ...answer, state: 'found', size: content.length, sha256 })
  }

  private list(query: URLSearchParams, response: ServerResponse): void {
    const statuses = query.getAll('status')
    const all = [...this.tasks.values()].reverse()
    const found = all.filter(
      (task) =>
        (statuses.length === 0 || statuses.includes(task.status)) &&
        (!query.has('q') || [task.command, ...task.arguments].join(' ').includes(query.get('q') ?? '')) &&
        (!query.has('owner') || task.owner === query.get('owner')) &&
        (!query.has('node') || task.node === query.get('node')) &&
        (!query.has('batchId') || task.batchId === query.get('batchId')),
    )
    const from = Number(query.get('cursor') ?? 0)
    const to = from + Number(query.get('limit') ?? 100)
    json(response, 200, {
      items: found.slice(from, to),
      total: query.has('q') ? null : found.length,
      next: to < found.length ? String(to) : null,
    })
  }

  private batches(
    method: string,
    id: string,
    what: string | undefined,
    body: SubmitBody,
    response: ServerResponse,
  ): void {
    if (id === 'preview') return json(response, 200, this.preview(body))
    if (method === 'POST' && id === '') return json(response, 201, this.submit(body))
    const own = [...this.tasks.values()].filter((task) => task.batchId === (id || '900'))
    if (what === 'kill') {
      const alreadyEnded = own.filter((task) => isFinal(task.status)).map((task) => task.id)
      const open = own.filter((task) => !isFinal(task.status))
      for (const task of open) task.status = 'killing'
      return json(response, 202, { killed: open.map((task) => task.id), alreadyEnded })
    }
    const counts = countStatuses(own)
    const view = {
      id: id || '900',
      owner: own[0]?.owner ?? 'admin',
      name: null,
      submittedAt,
      total: own.length,
      counts,
      isFinal: isBatchFinal(counts),
    }
    json(response, 200, id === '' ? { items: [view], total: 1, next: null } : view)
  }

  /** All would start on node1. */
  private preview(body: SubmitBody): PreviewResult {
    const targets = body.targets ?? ['any']
    const items = body.specs.flatMap((_, specIndex) =>
      targets.map((target) => ({
        target,
        specIndex,
        outcome: 'starts' as const,
        node: 'node1',
        numaId: null,
        reason: null,
      })),
    )
    const total = items.length
    const told = { total, looked: total, starts: total, waits: 0, refused: 0, items, firstRefused: null }
    return this.previewResult ?? told
  }

  /** Makes the tasks of a submit, once for each submission id. */
  submit(body: SubmitBody): SubmitResult {
    const known = this.submits.get(body.submissionId ?? '')
    if (known !== undefined) return known
    const made = this.submitResult ?? {
      batchId: '900',
      tasks: body.specs.flatMap(({ command, arguments: rest = [], name = null }, specIndex) =>
        (body.targets ?? ['any']).map((target) => {
          this.nextId += 1
          this.add({ id: String(this.nextId), target, command, arguments: rest, name })
          return { target, specIndex, taskId: String(this.nextId), error: null }
        }),
      ),
    }
    if (body.submissionId !== undefined) this.submits.set(body.submissionId, made)
    return made
  }

  /** Runs again what has ended. */
  rerun({ ids, submissionId = '' }: { ids: string[]; submissionId?: string }): RerunResult {
    const known = this.reruns.get(submissionId)
    if (known !== undefined) return known
    const items = ids.map((id) => {
      const task = this.tasks.get(id)
      if (task === undefined)
        return { id, taskId: null, error: { code: 'not_found', message: `there is no task ${id}` } }
      if (!isFinal(task.status))
        return {
          id,
          taskId: null,
          error: { code: 'conflict', message: `cannot run task ${id} again: it has not ended` },
        }
      this.nextId += 1
      const { command, arguments: rest, name } = task
      const taskId = String(this.nextId)
      this.add({ id: taskId, batchId: '901', command, arguments: rest, name, rerunOf: id })
      return { id, taskId, error: null }
    })
    const result = { batchId: items.some(({ taskId }) => taskId !== null) ? '901' : null, items }
    this.reruns.set(submissionId, result)
    return result
  }

  private listen(after: number, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(': hello\n\n')
    for (const event of this.events.slice(after)) response.write(sse(event))
    this.listeners.add(response)
    response.once('close', () => this.listeners.delete(response))
  }

  private search(
    id: string,
    stream: string | undefined,
    query: URLSearchParams,
    response: ServerResponse,
  ): void {
    const makeReader = () => async (offset: number, limit: number) => {
      const log = this.log(id, stream === 'stderr' ? 'stderr' : 'stdout')
      const data = log.subarray(offset, offset + limit)
      return { offset, size: log.length, data, isFinal: false, missing: 0, file: '1' }
    }
    const wanted = {
      q: query.get('q') ?? '',
      matchCase: query.get('matchCase') === 'true',
      offset: Number(query.get('offset') ?? 0),
      limit: Number(query.get('limit') ?? 100),
    }
    const { signal } = new AbortController()
    this.logViews.search(`${id} ${stream}`, makeReader, wanted, signal).then(
      (found) => json(response, 200, found),
      (error: unknown) => refuse(response, 'invalid_request', String(error)),
    )
  }

  private sendLog(
    task: TaskDetail,
    stream: LogStream,
    query: URLSearchParams,
    response: ServerResponse,
  ): void {
    const log = this.log(task.id, stream)
    const asked = Number(query.get('offset') ?? 0)
    const offset = asked < 0 ? Math.max(0, log.length + asked) : asked
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      [logHeaders.offset]: offset,
      [logHeaders.size]: log.length,
      [logHeaders.ended]: String(isFinal(task.status)),
    })
    response.flushHeaders()
    if (query.get('follow') !== 'true') {
      response.end(log.subarray(offset, offset + Number(query.get('limit') ?? log.length)))
      return
    }
    const follower = { taskId: task.id, stream, at: offset, response }
    this.pump(follower)
    if (isFinal(task.status)) response.end()
    else {
      this.followers.add(follower)
      response.once('close', () => this.followers.delete(follower))
    }
  }
}

/** Answers as the host does when it refuses. */
export function refuse(
  response: ServerResponse,
  code: ErrorCode,
  message: string,
  details: Record<string, unknown> = {},
): void {
  json(response, errorTable[code].http, { code, message, details, requestId: 'req-1' })
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function sse(event: ClusterEvent): string {
  return `id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`
}
