import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { BrokenPipeError } from '../platform/io.ts'
import { run, runAlone, startHost, testIo } from './cli.suite.ts'
import { refuse } from './fake-host.suite.ts'

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

it('says that the host cannot be reached, where its address comes from, and what to do', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  const byFlag = await runAlone(['ps', '--host', url], testIo())
  expect(byFlag).toEqual({
    code: 5,
    out: '',
    err: [
      `hakuriver: cannot reach the host at ${url}: connection refused`,
      '  Start one with `hakuriver up`, or name another by --host or HAKURIVER_HOST_URL (this address: --host).',
      '',
    ].join('\n'),
  })
  const byEnv = await runAlone(['ps'], testIo({ env: { HAKURIVER_HOST_URL: url } }))
  expect(byEnv.err).toContain('(this address: HAKURIVER_HOST_URL)')
  const test = testIo()
  writeFileSync(join(test.home, 'host.json'), JSON.stringify({ url, pid: 1 }))
  const byFile = await runAlone(['ps'], test)
  expect(byFile.err).toContain(`(this address: ${join(test.home, 'host.json')})`)
})

it.each([
  ['submit', '--', 'true'],
  ['show', '1'],
  ['logs', '-f', '1'],
  ['wait', '1'],
  ['nodes'],
  ['kill', '1'],
  ['rerun', '1'],
])('%s ends with 5 where no host answers', async (...words) => {
  const url = `http://127.0.0.1:${await freePort()}`
  const { code, out, err } = await runAlone(words, testIo({ env: { HAKURIVER_HOST_URL: url } }))
  expect({ code, out }).toEqual({ code: 5, out: '' })
  expect(err).toContain('cannot reach the host')
})

it('finds the host by config.toml, and tells where the file is wrong', async () => {
  const host = await startHost()
  const test = testIo()
  const path = join(test.home, 'config.toml')
  writeFileSync(
    path,
    `[network]\nhost_reachable_address = "127.0.0.1"\nhost_port = ${new URL(host.url).port}\n`,
  )
  expect((await runAlone(['ps'], test)).code).toBe(0)
  writeFileSync(path, '[network\n')
  const wrong = await runAlone(['ps'], test)
  expect(wrong.code).toBe(2)
  expect(wrong.err).toContain(`hakuriver: ${path}, line 1, column `)
})

it('takes a named configuration before the host of this machine, and shows it no token of that one', async () => {
  const host = await startHost()
  host.token = 'secret'
  const test = testIo()
  writeFileSync(join(test.home, 'host.json'), JSON.stringify({ url: 'http://127.0.0.1:1', pid: 1 }))
  writeFileSync(join(test.home, 'admin-token'), 'of this machine')
  const path = join(test.home, 'other.toml')
  const port = new URL(host.url).port
  writeFileSync(path, `[network]\nhost_reachable_address = "127.0.0.1"\nhost_port = ${port}\n`)
  const ran = await runAlone(['ps', '--config', path], test)
  expect(ran).toMatchObject({ code: 4, err: expect.stringContaining("is for this machine's own host") })
  const env = { HAKURIVER_TOKEN: 'secret', HAKURIVER_HOST_REACHABLE_ADDRESS: '127.0.0.1' }
  const byFile = testIo({ env: { ...env, HAKURIVER_CONFIG: path } })
  expect((await runAlone(['ps'], byFile)).code).toBe(0)
  const byEnv = testIo({ env: { ...env, HAKURIVER_HOST_PORT: port } })
  expect((await runAlone(['ps'], byEnv)).code).toBe(0)
})

it('checks the whole configuration, and says where it names the host', async () => {
  const test = testIo()
  const path = join(test.home, 'config.toml')
  writeFileSync(path, '[network]\nhost_port = 1\n')
  const ran = await runAlone(['ps'], test)
  expect(ran.err).toContain('cannot reach the host at http://127.0.0.1:1')
  expect(ran.err).toContain(`(this address: ${path}, line 2)`)
  writeFileSync(path, '[timing]\nheartbeat_interval = "5"\n')
  const wrong = await runAlone(['ps'], testIo({ env: { HAKURIVER_HOME: test.home } }))
  expect(wrong).toMatchObject({
    code: 2,
    err: expect.stringContaining('line 2: timing.heartbeat_interval is "5"'),
  })
})

it.each([
  ['unauthenticated', 4],
  ['not_permitted', 4],
  ['not_found', 3],
  ['conflict', 1],
  ['unavailable', 5],
  ['internal', 1],
] as const)('%s of the host ends with %i', async (code, exit) => {
  const host = await startHost()
  host.intercept = (_, response) => {
    refuse(response, code, 'this is why')
    return true
  }
  const ran = await run(host, ['ps'])
  expect(ran.code).toBe(exit)
  expect(ran.err).toContain('hakuriver: this is why\n')
})

it('says what is missing where there is no token', async () => {
  const host = await startHost()
  host.token = 'secret'
  expect((await run(host, ['ps'])).code).toBe(0)
  const { code, err } = await run(host, ['ps'], { env: { HAKURIVER_TOKEN: '' } })
  expect(code).toBe(4)
  expect(err).toContain('HAKURIVER_TOKEN or --token-file')
  expect(err).toContain('admin-token')
})

it('knows what is no HakuRiver host', async () => {
  const host = await startHost()
  host.intercept = (_, response) => {
    response.writeHead(200).end('<html>a router</html>')
    return true
  }
  const { code, err } = await run(host, ['ps'])
  expect(code).toBe(5)
  expect(err).toContain('is not a HakuRiver host')
})

it.each([
  [['frobnicate'], "unknown command 'frobnicate'"],
  [['frobnicate'], 'See hakuriver --help'],
  [['batch', 'frobnicate'], 'See hakuriver batch --help'],
  [['task', 'show'], 'See hakuriver task show --help'],
  [['task'], 'See hakuriver task --help'],
  [['submt', '--', 'true'], 'Did you mean submit?'],
  [['ps', '--staus', 'lost'], 'Did you mean --status?'],
  [['ps', '--status', 'gone'], 'Write one of pending'],
  [['show'], "missing required argument 'task'"],
  [['ps', '--host', 'ftp://x'], 'is not the URL of a host'],
])('%j is a mistake of usage', async (words, sentence) => {
  const { code, out, err } = await runAlone(words, testIo())
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain(sentence)
})

it.each([[[]], [['--help']], [['submit', '--help']], [['up', '-h']], [['--version']]])(
  '%j is help',
  async (words) => {
    const { code, out, err } = await runAlone(words, testIo())
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/hakuriver/)
  },
)

it('ends quietly when its reader goes away', async () => {
  const host = await startHost()
  host.add({ id: '5' })
  const write = () => Promise.reject(new BrokenPipeError('broken pipe'))
  const stdout = { isTty: false, size: () => ({ columns: 80, rows: 24 }), write }
  expect(await run(host, ['ps'], { stdout })).toMatchObject({ code: 141, err: '' })
})

it('ends quietly as a process whose pipe is closed', async () => {
  const host = await startHost()
  for (let id = 1; id < 2000; id += 1)
    host.add({ id: String(id), name: 'a name that fills the pipe'.repeat(5) })
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), 'ps', '--all'], {
    env: { HAKURIVER_HOST_URL: host.url, HAKURIVER_HOME: testIo().home, HAKURIVER_TOKEN: 'x' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  child.stderr.on('data', (data) => {
    said += data
  })
  child.stdout.once('data', () => child.stdout.destroy())
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(said).toBe('')
  expect(code).toBe(141)
})
