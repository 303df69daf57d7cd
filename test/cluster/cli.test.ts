/** The command line against a real host and a real runner, as a user types it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'
import { bundle, Program, temporaryDir } from '../support/program.ts'

describe('hakuriver on the command line', () => {
  let cluster: LocalCluster
  beforeAll(async () => {
    cluster = await LocalCluster.start({ nodes: ['n1', 'n2'] })
  })
  afterAll(() => cluster.close())

  const run = async (...words: string[]) => {
    const program = cluster.cli(...words)
    const { code } = await program.ended
    return { code, stdout: program.stdout, stderr: program.stderr }
  }
  const submit = async (...words: string[]) => (await run('submit', ...words)).stdout.trim()

  it('submit prints ids and nothing else on standard output', async () => {
    const { code, stdout } = await run('submit', '-t', 'n1', '-t', 'n2', '--', 'true')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\d+\n\d+\n$/)
  })

  it.each([
    ['its own', ['--', 'sh', '-c', 'exit 7'], 7],
    ['128 + n of a signal', ['--', 'sh', '-c', 'kill -USR1 $$'], 138],
    ['124 where it took too long', ['--timeout', '200ms', '--', 'sleep', '60'], 124],
    ['127 where there is no such program', ['--', 'no-such-program'], 127],
  ])('submit --wait ends with the code of the task: %s', async (_, words, wanted) => {
    expect(await run('submit', '--wait', ...words)).toMatchObject({ code: wanted })
  })

  it('wait and kill: 137, and a sentence for what has ended', async () => {
    const id = await submit('--', 'sleep', '60')
    const waiting = cluster.cli('wait', id)
    expect(await run('kill', id)).toMatchObject({ code: 0 })
    expect(await waiting.ended).toMatchObject({ code: 137 })
    const again = await run('kill', id)
    expect(again.stdout + again.stderr).toMatch(/ended|killed/)
  })

  it('carries environment, directory and every argument as they were typed', async () => {
    const cwd = join(cluster.dir, 'a directory')
    mkdirSync(cwd)
    const file = join(cluster.dir, 'job.env')
    writeFileSync(file, '# for the job\nFROM_FILE=a "b" $c\n')
    const script = 'pwd; printf "%s\\n" "$FROM_FILE" "$ONE" "$@"'
    const words = [
      '--env-file',
      file,
      '-e',
      'ONE=1=1',
      '--cwd',
      cwd,
      '--',
      'sh',
      '-c',
      script,
      'sh',
      '--',
      '-x',
      '',
      "it's $HOME\nnew",
    ]
    const id = await submit(...words)
    expect(await run('wait', id)).toMatchObject({ code: 0 })
    expect((await run('logs', id)).stdout).toBe(`${cwd}\na "b" $c\n1=1\n--\n-x\n\nit's $HOME\nnew\n`)
  })

  it('logs -f begins before the task does, and goes on over a host that was killed, without losing a byte', async () => {
    const holder = await submit('-t', 'n1', '--cores', '2', '--', 'sleep', '60')
    const lines = 30
    const count = `i=0; while [ $i -lt ${lines} ]; do echo line $i; i=$((i+1)); sleep 0.05; done`
    const id = await submit('-t', 'n1', '--', 'sh', '-c', count)
    const following = cluster.cli('logs', '-f', id)
    await waitFor('it is known to wait', async () => (await cluster.api.task(id)).status === 'pending')
    await run('kill', holder)
    await waitFor('the first lines', () => following.stdout.includes('line 3\n'))
    await cluster.restartHost('SIGKILL')
    expect(await following.ended).toMatchObject({ code: 0 })
    expect(following.stdout).toBe(Array.from({ length: lines }, (_, i) => `line ${i}\n`).join(''))
  })

  it('logs -f of what was killed before it began ends', async () => {
    const id = await submit('--cores', '99999', '--', 'true')
    const following = cluster.cli('logs', '-f', id)
    await run('kill', id)
    await following.ended
    expect(following.stdout).toBe('')
  })

  it('keeps the two outputs apart', async () => {
    const id = await submit('--', 'sh', '-c', 'echo out; echo err >&2')
    await run('wait', id)
    const both = await run('logs', id)
    expect([both.stdout, both.stderr]).toEqual(['out\n', 'err\n'])
    expect((await run('logs', '--stderr', id)).stderr).toBe('err\n')
  })

  it('prints JSON that a program can read, everywhere', async () => {
    const id = await submit('--name', 'for json', '--', 'true')
    await run('wait', id)
    const json = async (command: string, ...words: string[]) =>
      JSON.parse((await run(command, '--json', ...words)).stdout) as Record<string, unknown>
    expect(await json('show', id)).toMatchObject({ task: { id, name: 'for json', status: 'completed' } })
    expect(await json('nodes')).toMatchObject({ items: [{ name: 'n1' }, { name: 'n2' }] })
    expect(await json('node', 'n1')).toMatchObject({ name: 'n1', status: 'online' })
    expect(await json('ps')).toMatchObject({ items: expect.any(Array), total: expect.any(Number) })
    expect(await json('submit', '--', 'true')).toMatchObject({ tasks: [{ target: 'any', error: null }] })
  })

  it('tells why a task waits, and makes its name harmless', async () => {
    const id = await submit('--name', 'red \u001b[31m\u0007', '--cores', '4000', '--', 'true')
    const { stdout } = await run('ps')
    expect(stdout).toContain('no node has 4000 cores')
    expect(stdout).not.toContain('\u001b')
    expect(stdout).not.toContain('\u0007')
    await run('kill', id)
  })

  it('has an exit code and a sentence for each failure', async () => {
    expect(await run('show', '123')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('there is no task 123'),
    })
    expect(await run('submit', '-t', 'n9', '--', 'true')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('n9'),
    })
    expect(await run('submit', '--private-network', '-t', 'n1', '--', 'true')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('private network'),
    })
    expect(await run('nodes', '--host', 'http://127.0.0.1:1')).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/127\.0\.0\.1:1.*--host/s),
    })
    const token = join(cluster.dir, 'wrong-token')
    writeFileSync(token, 'hakuriver_admin_wrong\n', { mode: 0o600 })
    expect(await run('nodes', '--token-file', token)).toMatchObject({ code: 4 })
    expect(await run('nodse')).toMatchObject({ code: 2, stderr: expect.stringContaining('nodes') })
  })
})

describe('hakuriver up', () => {
  it('makes a cluster in one command, keeps it alive, and takes it down', async () => {
    const dir = temporaryDir('hakuriver-up')
    const home = join(dir.path, 'home')
    const cli = (...words: string[]) =>
      new Program(process.execPath, [bundle('hakuriver'), ...words], {
        HAKURIVER_HOME: home,
        HAKURIVER_HOST_URL: '',
        HAKURIVER_TOKEN: '',
        HAKURIVER_LOCAL_TEMP_DIR: join(dir.path, 'temp'),
      })
    const run = async (...words: string[]) => {
      const program = cli(...words)
      return { ...(await program.ended), stdout: program.stdout, stderr: program.stderr }
    }
    const up = cli('up', '--port', '0')
    try {
      await waitFor('it is up', () => up.stdout.includes('hakuriver submit'), { deadlineMs: 30_000 })
      expect(await run('submit', '--wait', '--', 'true')).toMatchObject({ code: 0 })
      const { pid } = JSON.parse(readFileSync(join(home, 'host.json'), 'utf8')) as { pid: number }
      process.kill(pid, 'SIGKILL')
      await waitFor(
        'another host',
        () => {
          const known = JSON.parse(readFileSync(join(home, 'host.json'), 'utf8')) as { pid: number }
          return known.pid !== pid
        },
        { deadlineMs: 20_000 },
      )
      expect(await run('submit', '--wait', '--', 'true')).toMatchObject({ code: 0 })
      expect(await run('down')).toMatchObject({ code: 0 })
      expect(await up.ended).toMatchObject({ code: 0 })
      expect((await run('nodes')).code).toBe(5)
    } finally {
      if (up.child.exitCode === null) await up.stop()
      dir.remove()
    }
  })
})
