import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { spec } from '../core/builders.suite.ts'
import type { TaskSpec } from '../core/task.ts'
import { silentLog } from '../platform/log.ts'
import { waitFor } from '../platform/wait.ts'
import type { FromRunner } from '../protocol/link.ts'
import { createRunner, folderProblem, type Runner } from './app.ts'
import type { RunnerConfig } from './config.ts'

let root = ''
let host: WebSocketServer
/** The link that is up now, and all that came over all links. */
let socket: WebSocket | null = null
let told: FromRunner[] = []
const runners: Runner[] = []

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'hakuriver-runner-'))
  socket = null
  told = []
  host = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  host.on('connection', (opened) => {
    socket = opened
    opened.on('message', (data) => told.push(JSON.parse(String(data)) as FromRunner))
    opened.send(JSON.stringify({ type: 'welcome', version: 1, heartbeatMs: 20 }))
  })
  await new Promise((resolve) => host.once('listening', resolve))
})
afterEach(async () => {
  for (const runner of runners.splice(0)) await runner.close()
  for (const client of host.clients) client.terminate()
  await new Promise((resolve) => host.close(resolve))
  rmSync(root, { recursive: true, force: true })
})

async function boot(overrides: Partial<RunnerConfig> = {}): Promise<Runner> {
  const config: RunnerConfig = {
    hostUrl: `http://127.0.0.1:${(host.address() as AddressInfo).port}`,
    joinToken: null,
    joinTokenFile: null,
    nodeName: 'n1',
    stateDir: join(root, 'state'),
    sharedDir: null,
    localTempDir: join(root, 'temp'),
    numactlPath: '/no/such/numactl',
    taskUser: null,
    users: null,
    privateTmp: true,
    tasksMax: 8192,
    executor: 'fake',
    useSudo: false,
    logLimitBytes: null,
    logLevel: 'silent',
    logFile: null,
    ...overrides,
  }
  const runner = await createRunner({ config, log: silentLog })
  runners.push(runner)
  await waitFor('the link', () => runner.isLinked())
  return runner
}

function send(message: object): void {
  socket?.send(JSON.stringify(message))
}

function start(taskId: string, wanted: Partial<TaskSpec>): void {
  send({ type: 'start', taskId, attempt: 1, batchId: '1', spec: spec(wanted), numaId: null })
}

function ofType<T extends FromRunner['type']>(type: T): Extract<FromRunner, { type: T }>[] {
  return told.filter((message): message is Extract<FromRunner, { type: T }> => message.type === type)
}

const held = () =>
  ofType('heartbeat')
    .at(-1)
    ?.attempts.map(({ taskId, phase }) => `${taskId} ${phase}`)

test('a runner runs what it is told to, and lets go of it when that is known', async () => {
  await boot()
  start('7', { command: 'exit', arguments: ['3'] })
  const [first, second] = await waitFor('the reports', () => ofType('report').length >= 2 && ofType('report'))
  expect(first).toMatchObject({ seq: 1, taskId: '7', event: { type: 'started' } })
  expect(second).toMatchObject({ seq: 2, event: { type: 'exited', exit: { cause: 'exited', exitCode: 3 } } })
  await waitFor('a heartbeat with it', () => held()?.join() === '7 ended')
  send({ type: 'ack', seq: 2 })
  await waitFor('a heartbeat without it', () => held()?.join() === '')
})

test('the next runner of a state directory is the same runner', async () => {
  const first = await boot()
  start('7', { command: 'true' })
  await waitFor('the reports', () => ofType('report').length >= 2)
  await first.close()
  told = []
  await boot()
  await waitFor('the reports again', () => ofType('report').length >= 2)
  const [hello] = ofType('hello')
  expect(hello?.attempts).toMatchObject([{ taskId: '7', phase: 'ended' }])
  expect(hello?.runnerId).toBe(readFileSync(join(root, 'state', 'runner-id'), 'utf8').trim())
})

test('lines of a log are read and searched here, and waited for while the task runs', async () => {
  await boot()
  start('7', { command: 'sleep', arguments: ['600'] })
  await waitFor('the start', () => ofType('report').length > 0)
  const path = join(root, 'state', 'task_outputs', '7.out')
  const wanted = { taskId: '7', attempt: 1, stream: 'stdout' }
  const view = (requestId: number) =>
    waitFor(`view ${requestId}`, () => ofType('log_view').find((one) => one.requestId === requestId))
  send({ type: 'log_lines', requestId: 1, ...wanted, query: { offset: 0, waitMs: 20_000 } })
  appendFileSync(path, 'one\n')
  expect((await view(1)).lines).toMatchObject({ items: [{ text: 'one' }], firstLine: 1, isEnded: false })
  appendFileSync(path, 'two\nthree\n')
  send({ type: 'log_lines', requestId: 2, ...wanted, query: { from: 2, count: 1 } })
  expect((await view(2)).lines).toMatchObject({
    items: [{ text: 'two' }],
    firstLine: 2,
    lineCount: 3,
    size: 14,
  })
  send({ type: 'log_search', requestId: 3, ...wanted, query: { q: 'THREE' } })
  expect((await view(3)).search).toMatchObject({ items: [{ line: 3, text: 'three' }], next: null })
  send({ type: 'log_lines', requestId: 4, ...wanted, query: { offset: 14, seen: 14, waitMs: 20_000 } })
  send({ type: 'kill', taskId: '7', attempt: 1 })
  expect((await view(4)).lines).toMatchObject({ items: [], isEnded: true })
  send({ type: 'log_lines', requestId: 5, ...wanted, query: { from: 1, tail: true } })
  expect((await view(5)).error).toMatchObject({ code: 'invalid_request' })
})

test('a state directory has one runner at a time', async () => {
  await boot()
  await expect(boot()).rejects.toThrow(/runner/)
})

test('a kill of what was never seen is reported', async () => {
  await boot()
  send({ type: 'kill', taskId: '9', attempt: 1 })
  const [report] = await waitFor('the report', () => ofType('report').length > 0 && ofType('report'))
  expect(report).toMatchObject({ taskId: '9', event: { exit: { cause: 'killed' } } })
})

test('a log is read from where it is asked, and waited for while the task runs', async () => {
  await boot()
  start('7', { command: 'sleep', arguments: ['600'] })
  await waitFor('the start', () => ofType('report').length > 0)
  const path = join(root, 'state', 'task_outputs', '7.out')
  const read = { type: 'log_read', taskId: '7', attempt: 1, stream: 'stdout', limit: 100 }
  send({ ...read, requestId: 1, offset: 0, waitMs: 20_000 })
  writeFileSync(path, 'hello')
  const chunk = (requestId: number) =>
    waitFor(`chunk ${requestId}`, () => ofType('log_chunk').find((one) => one.requestId === requestId))
  const text = async (requestId: number) => Buffer.from((await chunk(requestId)).data, 'base64').toString()
  // what is read may be the beginning of what is written
  expect('hello'.startsWith(await text(1))).toBe(true)
  send({ ...read, requestId: 2, offset: 3, waitMs: 0 })
  expect(await text(2)).toBe('lo')
  send({ ...read, requestId: 3, offset: 5, waitMs: 0 })
  expect(await chunk(3)).toMatchObject({ size: 5, data: '', ended: false, error: null })
  send({ type: 'kill', taskId: '7', attempt: 1 })
  await waitFor('the end', () => ofType('report').length > 1)
  send({ ...read, requestId: 4, offset: 5, waitMs: 20_000 })
  expect(await chunk(4)).toMatchObject({ data: '', ended: true })
})

test('a shared directory in which tasks could put something else in the place of logs is told of', () => {
  const of = (mode: number, isShared = false) => folderProblem(mode, '/shared/task_outputs', isShared)
  expect([of(0o040755), of(0o040700), of(0o041777, true), of(0o040755, true), of(0o120777, true)]).toEqual(
    Array.from({ length: 5 }, () => null),
  )
  expect(of(0o040775)).toContain('type chmod 755 /shared/task_outputs')
  expect(of(0o041777)).toContain('type chmod 755')
  expect(of(0o040777, true)).toContain('type chmod +t')
  expect(of(0o120777)).toContain('no directory of its own')
  expect(of(0o100644)).toContain('no directory of its own')
})
