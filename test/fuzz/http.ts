/** Every route of the contract with what fits it and what nearly does, against a real host with a real store. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { TestHost } from '../../src/host/host.suite.ts'
import { logPath } from '../../src/platform/log-paths.ts'
import { type EndpointName, hostApi } from '../../src/protocol/host-api.ts'
import { ErrorBody } from '../../src/protocol/schemas.ts'
import { fitting, nastyTexts, textsAround } from './schema.ts'
import type { FuzzTarget } from './target.ts'

interface Call {
  name: EndpointName
  method: string
  path: string
  body: string | null
}

const isErrorBody = Compile(ErrorBody)
const results = new Map(
  Object.entries(hostApi).map(([name, { result }]) => [name, Compile(result as TSchema)]),
)

export const httpTarget: FuzzTarget = {
  name: 'every route of the contract',
  runs: 500,
  async open() {
    const { host, known } = await startHost()
    const { tokenId: own } = await host.client.whoAmI({})
    const agent = new Agent({ keepAlive: true, maxSockets: 4 })
    const database = new DatabaseSync(join(host.dir, 'cluster.db'), { readOnly: true })
    const rows = rowCounter(database)
    const calls = fc
      .oneof(...(Object.keys(hostApi) as EndpointName[]).map((name) => callOf(name, known)))
      // whoever revokes his own token is answered 401 from then on, and nothing else is tried
      .filter(({ path }) => !path.includes(`/tokens/${own}/`))
    const property = fc.asyncProperty(calls, async (call) => {
      const before = rows()
      const { status, type, text } = await send(agent, host, call)
      if (status === 500) throw new Error(`500: ${text}`)
      if (!type.startsWith('application/json'))
        throw new Error(`an answer that is no JSON: ${status} ${type}`)
      const answer: unknown = JSON.parse(text)
      if (status < 400) {
        if (!results.get(call.name)?.Check(answer)) throw new Error(`not what the contract says: ${text}`)
        return
      }
      if (!isErrorBody.Check(answer)) throw new Error(`not the shape of errors: ${text}`)
      if (rows() !== before) throw new Error(`a refused call has left something: ${status} ${text}`)
    })
    return {
      property: property as unknown as fc.IRawProperty<unknown>,
      close: async () => {
        database.close()
        agent.destroy()
        // it lives: nothing has become of its prototypes either
        const { items } = await host.client.listTasks({ query: { limit: 1 } })
        if (items.length !== 1 || 'admin' in {}) throw new Error('the host is not what it was')
        await host.close()
      },
    }
  },
}

/** A host with tasks, a node, and a log, and the ids of those. */
async function startHost() {
  // a try at a wrong token is one of the things that are tried
  const host = await TestHost.start()
  const sharedDir = join(host.dir, 'shared')
  await host.restart('--shared-dir', sharedDir)
  const runner = await host.link()
  const body = { specs: [{ command: 'true' }, { command: 'sleep', cores: 4 }] }
  const { batchId, tasks } = await host.client.submitBatch({ body })
  const ids = tasks.flatMap(({ taskId }) => taskId ?? [])
  await runner.heard('start')
  const path = logPath(sharedDir, 'stdout', Number(ids[0]))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, 'one\ntwo\nthree\n')
  runner.exited(ids[0] ?? '')
  await runner.heard('ack')
  const known = [...ids, batchId ?? '', 'n1', 'n1:0', 'any', 'true', 'o']
  return { host, known }
}

/** Rows of all tables that a call may fill, in one number; that it was refused stands in the log of who did what. */
function rowCounter(database: DatabaseSync): () => number {
  const tables = database
    .prepare("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'")
    .all()
    .filter(({ name }) => name !== 'audit')
    .map(({ name }) => `(select count(*) from "${String(name)}")`)
  const statement = database.prepare(`select ${tables.join(' + ')} as count`)
  return () => Number(statement.get()?.count)
}

function callOf(name: EndpointName, known: readonly string[]): fc.Arbitrary<Call> {
  const endpoint: { method: string; path: string; params?: TSchema; query?: TSchema; body?: TSchema } =
    hostApi[name]
  const { method, path, params, query, body } = endpoint
  return fc.record({
    name: fc.constant(name),
    method: fc.constant(method),
    path: fc.tuple(pathOf(path, params, known), queryOf(query, known)).map((parts) => parts.join('')),
    body: body === undefined ? fc.constant(null) : textsAround(body, known),
  })
}

const anyText = fc.oneof(fc.constantFrom(...nastyTexts), fc.string({ unit: 'binary', maxLength: 20 }))

/** The path with its parameters filled in: two of three fit. */
function pathOf(path: string, params: TSchema | undefined, known: readonly string[]): fc.Arbitrary<string> {
  if (params === undefined) return fc.constant(path)
  const value = fc.oneof(
    { weight: 2, arbitrary: fitting(params, known) as fc.Arbitrary<Record<string, unknown>> },
    fc.dictionary(fc.constantFrom('id', 'name', 'stream'), anyText),
  )
  return value.map((values) =>
    path.replace(/:(\w+)/g, (_, key: string) => encoded(String(values[key] ?? '1'))),
  )
}

function queryOf(schema: TSchema | undefined, known: readonly string[]): fc.Arbitrary<string> {
  if (schema === undefined) return fc.constant('')
  const pair = fc.tuple(
    fc.oneof(fc.constantFrom('limit', 'cursor', 'q', 'status', 'ids', '__proto__', 'offset'), anyText),
    anyText,
  )
  return fc
    .tuple(fitting(schema, known) as fc.Arbitrary<Record<string, unknown>>, fc.option(pair))
    .map(([values, more]) => {
      const pairs = Object.entries(values).flatMap(([key, value]) =>
        [value].flat().map((each) => [key, key === 'waitMs' ? '5' : String(each)]),
      )
      const all = more === null ? pairs : [...pairs, more]
      return `?${all.map(([key = '', value = '']) => `${encoded(key)}=${encoded(value)}`).join('&')}`
    })
}

/** Short enough for the line of a request; halves of surrogate pairs as they would be sent. */
function encoded(text: string): string {
  return encodeURIComponent(text.slice(0, 400).toWellFormed())
}

function send(agent: Agent, host: TestHost, { method, path, body }: Call) {
  const headers = { authorization: `Bearer ${host.token('admin')}`, 'content-type': 'application/json' }
  return new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
    const sending = request(
      `${host.host.url}${path}`,
      { agent, method, headers, timeout: 20_000 },
      (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            type: String(answer.headers['content-type']),
            text: Buffer.concat(chunks).toString(),
          }),
        )
      },
    )
    sending.on('timeout', () => sending.destroy(new Error('no answer within 20 s')))
    sending.on('error', reject)
    sending.end(body ?? undefined)
  })
}
