/** A hakuriver whose host and runner are small stand-ins: they keep to what `up` relies on. */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { onTestFinished } from 'vitest'
import { temporaryDir } from '../cli.suite.ts'
import { readUpState } from './state.ts'

const host = `
const { createServer } = require('node:http')
const { writeFileSync } = require('node:fs')
const { join } = require('node:path')
const { parseArgs } = require('node:util')
const flags = parseArgs({ options: { 'state-dir': { type: 'string' }, port: { type: 'string' } } }).values
if (process.env.FAKE_HOST_FAILS) { console.log('{"msg":"Made a token"}'); console.error('hakuriver host: something else listens on the port'); process.exit(1) }
const home = flags['state-dir']
let joined = null
const server = createServer((request, response) => {
  const answer = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  if (request.url.startsWith('/join/')) { joined = request.url.slice(6); return answer(200, {}) }
  if (request.url === '/readyz') return answer(200, { ok: true })
  if (request.headers.authorization !== 'Bearer the-token') return answer(401, { code: 'unauthenticated', message: 'no', requestId: '1' })
  if (request.url === '/api/v1/login-links') return answer(201, { url: 'http://this/login#code=abc', expiresAt: new Date().toISOString() })
  if (joined === null) return answer(404, { code: 'not_found', message: 'no such node', requestId: '1' })
  const executor = { name: 'process', why: 'systemd does not run here', enforcesLimits: false, features: {} }
  answer(200, { name: joined, status: 'online', lastSeenAt: new Date().toISOString(), cores: 4, memoryBytes: 2 ** 33, executor })
})
const write = (name, text) => writeFileSync(join(home, name), text, { mode: 0o600 })
server.listen(Number(flags.port ?? 0), '127.0.0.1', () => {
  write('admin-token', 'the-token\\n')
  write('join-token', 'join\\n')
  write('host.json', JSON.stringify({ url: 'http://127.0.0.1:' + server.address().port, pid: process.pid }))
})
process.on('SIGTERM', () => process.exit(0))
`

const runner = `
const { parseArgs } = require('node:util')
const { readFileSync } = require('node:fs')
const text = { type: 'string' }
const flags = parseArgs({ options: { host: text, 'join-token-file': text, 'state-dir': text, 'task-user': text } }).values
// as a real one, it runs nothing as root
if (process.getuid() === 0 && flags['task-user'] !== 'nobody') process.exit(1)
if (readFileSync(flags['join-token-file'], 'utf8') !== 'join\\n') process.exit(1)
const join = () => fetch(flags.host + '/join/' + process.env.HAKURIVER_NODE_NAME).catch(() => {})
join()
setInterval(join, 20)
process.on('SIGTERM', () => process.exit(0))
`

export interface Programs {
  home: string
  /** The file that is hakuriver itself. */
  ownFile: string
  env: Record<string, string>
  /** Runs it as a process of its own. */
  run(words: string[], env?: Record<string, string>): Process
}

export interface Process {
  pid: number
  ended: Promise<{ code: number | null; out: string; err: string }>
  out(): string
  err(): string
  kill(signal: NodeJS.Signals): void
}

/** Makes the programs; whatever they have started ends with the test. */
export function makePrograms(): Programs {
  const dir = temporaryDir()
  const home = temporaryDir()
  const ownFile = join(dir, 'hakuriver.cjs')
  const main = pathToFileURL(join(import.meta.dirname, '../main.ts'))
  writeFileSync(ownFile, `import(${JSON.stringify(main.href)})\n`)
  writeFileSync(join(dir, 'host.cjs'), host)
  writeFileSync(join(dir, 'runner.cjs'), runner)
  const env = {
    PATH: process.env.PATH ?? '',
    HAKURIVER_HOME: home,
    HAKURIVER_NODE_NAME: 'node1',
    NO_COLOR: '1',
  }
  onTestFinished(async () => {
    const state = await readUpState(home)
    for (const { pid } of state === null ? [] : [state.up, ...state.children]) kill(pid)
  })
  return {
    home,
    ownFile,
    env,
    run: (words, more = {}) => startProcess([ownFile, ...words], { ...env, ...more }),
  }
}

function startProcess(words: string[], env: Record<string, string>): Process {
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let out = ''
  let err = ''
  child.stdout.on('data', (data) => {
    out += data
  })
  child.stderr.on('data', (data) => {
    err += data
  })
  return {
    pid: child.pid ?? 0,
    ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err }))),
    out: () => out,
    err: () => err,
    kill: (signal) => void child.kill(signal),
  }
}

function kill(pid: number): void {
  // The number is that of a stand-in that a test just started; this process itself is in the state of some tests.
  if (pid === process.pid) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone.
  }
}

/** What the host has said of itself. */
export function hostJson(home: string): { url: string; pid: number } {
  return JSON.parse(readFileSync(join(home, 'host.json'), 'utf8'))
}
