/** The command line against a real host and real runners, as a user types it. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { isFinal } from '../../src/core/task.ts'
import { waitFor, withDeadline } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'
import { bundle, Program, root, temporaryDir } from '../support/program.ts'

const commandDeadlineMs = 20_000
const hasTerminal = spawnSync('script', ['--version']).status === 0

let cluster: LocalCluster
/** Cores of each node. */
let cores = 0

beforeAll(async () => {
  // what the terminal of the person who tests asks for is not for the commands
  for (const name of ['FORCE_COLOR', 'NO_COLOR']) vi.stubEnv(name, '')
  cluster = await LocalCluster.start({ nodes: ['n1', 'n2'] })
  cores = (await cluster.api.client.getNode({ params: { name: 'n1' } })).cores
})
afterAll(async () => {
  await cluster.close()
  vi.unstubAllEnvs()
})
afterEach(async () => {
  const { items } = await cluster.api.client.listTasks({ query: { limit: 200 } })
  for (const { id } of items.filter(({ status }) => !isFinal(status))) {
    await cluster.api.client.killTask({ params: { id }, body: {} }).catch(() => {})
    await cluster.api.ended(id)
  }
})

interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

async function endOf(program: Program): Promise<Ran> {
  const { code } = await withDeadline(program.ended, commandDeadlineMs, program.child.spawnargs.join(' '))
  return { code, stdout: program.stdout, stderr: program.stderr }
}

const run = (...words: string[]) => endOf(cluster.cli(...words))

/** The command line somewhere else: with another environment. */
const runIn = (env: Record<string, string>, ...words: string[]) => {
  const own = { HAKURIVER_HOME: cluster.home, HAKURIVER_HOST_URL: '', HAKURIVER_TOKEN: '' }
  return endOf(new Program(process.execPath, [bundle('hakuriver'), ...words], { ...own, ...env }))
}

/** Runs a line of the shell in which `$0 $1` is the command line. */
const runShell = (script: string, ...more: string[]) =>
  endOf(
    new Program('sh', ['-c', script, process.execPath, bundle('hakuriver'), ...more], {
      HAKURIVER_HOME: cluster.home,
      HAKURIVER_HOST_URL: '',
      HAKURIVER_TOKEN: '',
      TERM: 'xterm-256color',
    }),
  )

/** Submits one command and gives its id. */
async function submit(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('submit', ...words)
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^\d+\n$/)
  return stdout.trim()
}

/** The same, once it has ended. */
async function submitToEnd(...words: string[]): Promise<string> {
  const id = await submit(...words)
  await cluster.api.ended(id)
  return id
}

async function json(...words: string[]): Promise<unknown> {
  const { stdout } = await run('--json', ...words)
  return JSON.parse(stdout)
}

/** Takes all of n1 until it is killed. */
async function takeNode(): Promise<string> {
  const id = await submit('-t', 'n1', '--cores', String(cores), '--', 'sleep', '600')
  await cluster.api.reached(id, 'running')
  return id
}

/** A task that says on both of its outputs what is written to a pipe, line by line, until that is closed. */
class Parrot {
  static readonly script = 'while read -r line; do echo "$line"; echo "$line" >&2; done < "$1"'
  readonly path: string
  private pipe: FileHandle | null = null

  constructor(name: string) {
    this.path = join(cluster.dir, name)
    expect(spawnSync('mkfifo', ['-m', '666', this.path]).status).toBe(0)
  }

  get words(): string[] {
    return ['sh', '-c', Parrot.script, 'sh', this.path]
  }

  async say(...lines: string[]): Promise<void> {
    this.pipe ??= await withDeadline(open(this.path, 'w'), commandDeadlineMs, 'the start of the task')
    await this.pipe.write(lines.map((line) => `${line}\n`).join(''))
  }

  async end(): Promise<void> {
    await this.pipe?.close()
  }
}

describe('submit', () => {
  it('prints the id on standard output, and nothing else anywhere', async () => {
    const id = await submitToEnd('--', 'echo', 'hello')
    expect(await cluster.api.task(id)).toMatchObject({ command: 'echo', arguments: ['hello'], target: 'any' })
  })

  it('takes several targets, and prints an id a line in their order', async () => {
    const { code, stdout, stderr } = await run('submit', '--target', 'n2', '-t', 'n1', '--', 'true')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^\d+\n\d+\n$/)
    const tasks = await Promise.all(
      stdout
        .trim()
        .split('\n')
        .map((id) => cluster.api.ended(id)),
    )
    expect(tasks.map(({ node }) => node)).toEqual(['n2', 'n1'])
  })

  it('makes the tasks of good targets, says which target was refused and why, and exits with 1', async () => {
    const words = ['-t', 'n1', '-t', 'n9', '-t', 'n2:77', '--', 'true']
    const { code, stdout, stderr } = await run('submit', ...words)
    expect(code).toBe(1)
    expect(stdout).toMatch(/^\d+\n$/)
    expect(stderr.split('\n')).toEqual([
      'hakuriver: n9 was refused: there is no node n9: the cluster has n1 and n2',
      expect.stringMatching(/^hakuriver: n2:77 was refused: .*77/),
      '',
    ])
    const waited = await run('submit', '--wait', ...words)
    expect([waited.code, waited.stdout]).toEqual([1, expect.stringMatching(/^\d+\n$/)])
    expect(waited.stderr).toMatch(/n9 was refused(?:.*\n)+\d+ {2}completed/)
  })

  it('makes none where none can be, and says so', async () => {
    const noNode = await run('submit', '-t', 'n9', '--', 'true')
    expect(noNode).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('no node n9') })
    const tooLarge = await run('submit', '-t', 'n1', '-c', '5000', '--', 'true')
    expect(tooLarge).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('5000 cores') })
    const noPrivate = await run('submit', '-t', 'n1', '--private-network', '--', 'true')
    expect(noPrivate).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('private network'),
    })
    const noPlace = await run('submit', '--no-queue', '-c', '5000', '--', 'true')
    expect(noPlace).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('5000 cores') })
  })

  it('hands every option on', async () => {
    const cwd = join(cluster.dir, 'a directory')
    mkdirSync(cwd, { mode: 0o755 })
    const file = join(cluster.dir, 'job.env')
    writeFileSync(file, '# for the job\n\nFROM_FILE=a "b" $c\nTWICE=file\n')
    const script = 'pwd; printf "%s\\n" "$FROM_FILE" "$ONE" "$TWICE" "$OWN" "$@"'
    const given = ["it's $HOME\nnew", '', '--', '-x', '--json', '--help']
    const limits = ['--cores', '1', '--memory', '512M', '--timeout', '1m30s', '--name', 'my job']
    const place = ['--cwd', cwd, '--env-file', file, '--env', 'ONE=1=1', '--env', 'TWICE=flag', '-e', 'OWN']
    const words = ['submit', '-t', 'n2', ...limits, ...place, '--', 'sh', '-c', script, 'sh', ...given]
    const { stdout } = await runIn({ OWN: 'from here' }, ...words)
    const id = stdout.trim()
    expect(await cluster.api.ended(id)).toMatchObject({
      status: 'completed',
      node: 'n2',
      cores: 1,
      memoryBytes: 512 * 1024 * 1024,
      timeoutMs: 90_000,
      name: 'my job',
      cwd,
      env: { FROM_FILE: 'a "b" $c', ONE: '1=1', TWICE: 'flag', OWN: 'from here' },
    })
    const log = [cwd, 'a "b" $c', '1=1', 'flag', 'from here', ...given, ''].join('\n')
    expect(await run('logs', id)).toMatchObject({ code: 0, stdout: log, stderr: '' })
  })

  it('needs no --, and leaves the options of the command alone', async () => {
    const id = await submitToEnd('--name', 'x', 'printf', '%s ', '--name', '-f', '--json')
    expect((await run('logs', id)).stdout).toBe('--name -f --json ')
  })

  it.each([
    ['no command', ['submit'], 'no command to run'],
    ['a size of words', ['submit', '-m', 'lots', '--', 'true'], '"lots"'],
    ['no core', ['submit', '-c', '0', '--', 'true'], 'from 1 on'],
    ['a time of words', ['submit', '--timeout', 'soon', '--', 'true'], '"soon"'],
    ['a variable without a name', ['submit', '-e', '1=2', '--', 'true'], 'environment variable'],
    ['a variable that is not set', ['submit', '-e', 'NOT_SET_HERE', '--', 'true'], 'NOT_SET_HERE'],
    ['a batch where a task is wanted', ['show', 'batch:last'], 'hakuriver ps --batch last'],
    ['several to follow', ['submit', '-f', '-t', 'n1', '-t', 'n2', '--', 'true'], 'cannot follow several'],
    ['an unknown option', ['submit', '--corse', '4', '--', 'true'], '--cores'],
    ['an unknown command', ['nodse'], 'nodes'],
    ['an unknown status', ['ps', '--status', 'done'], 'completed'],
  ])('refuses %s with exit code 2 and a sentence', async (_, words, wanted) => {
    const { code, stdout, stderr } = await run(...words)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^hakuriver: /)
    expect(stderr).toContain(wanted)
    expect(stderr).not.toMatch(/\n {4}at /)
  })

  // Node itself takes --env-file also behind the name of a script, unless there is a -- before that:
  // bin/hakuriver and the first line of the bundle have none, so it is Node that fails, with 9.
  it.fails('refuses an environment file that is not there with exit code 2 and a sentence', async () => {
    const words = ['submit', '--env-file', '/no/such', '--', 'true']
    const { code, stderr } = await endOf(new Program(join(root, 'bin', 'hakuriver'), words))
    expect([code, stderr]).toEqual([2, expect.stringContaining('cannot read the environment file /no/such')])
  })
})

describe('the exit code of a task', () => {
  it.each([
    ['0', ['--', 'true'], 0],
    ['its own', ['--', 'sh', '-c', 'exit 7'], 7],
    ['128 + n of a signal', ['--', 'sh', '-c', 'kill -USR1 $$'], 138],
    ['137 of SIGKILL', ['--', 'sh', '-c', 'kill -KILL $$'], 137],
    ['124 where it took too long', ['--timeout', '1s', '--', 'sleep', '60'], 124],
    ['127 where there is no such program', ['--', 'no-such-program'], 127],
    ['1 where it could not start', ['--cwd', '/no/such', '--', 'true'], 1],
  ])('comes through submit --wait and wait: %s', async (_, words, wanted) => {
    const { code, stdout, stderr } = await run('submit', '--wait', ...words)
    const id = stdout.trim()
    expect([code, stdout]).toEqual([wanted, `${id}\n`])
    expect(stderr).toMatch(new RegExp(`^${id}  [a-z_]+.*\n$`))
    expect(await run('wait', '--quiet', id)).toEqual({ code: wanted, stdout: '', stderr: '' })
  })

  it('is 137 for one that was killed while it was waited for, and 0 where nobody wants to know', async () => {
    const waiting = cluster.cli('submit', '--wait', '--', 'sleep', '600')
    await waitFor('the id', () => waiting.stdout.endsWith('\n'))
    const id = waiting.stdout.trim()
    await cluster.api.reached(id, 'running')
    const killed = await run('kill', '--wait', '--reason', 'not needed', id)
    expect(killed).toMatchObject({ code: 0, stdout: `${id}  killed  not needed\n` })
    expect(await endOf(waiting)).toMatchObject({
      code: 137,
      stdout: `${id}\n`,
      stderr: `${id}  killed  not needed\n`,
    })
    expect(await run('wait', '--exit-status', 'never', id)).toMatchObject({ code: 0 })
  })

  it('is that of the task with --follow too, whose output is all there is on standard output', async () => {
    const { code, stdout, stderr } = await run('submit', '-f', '--', 'sh', '-c', 'echo a; echo b >&2; exit 3')
    expect([code, stdout]).toEqual([3, 'a\n'])
    expect(stderr).toMatch(/^task \d+\n(.*\n)*b\n$/)
  })

  it('of several is 0 where all went well, else 1; waiting has a limit of its own', async () => {
    const good = [await submit('--', 'true'), await submit('--', 'true')]
    const bad = await submit('--', 'sh', '-c', 'exit 7')
    expect(await run('wait', ...good)).toMatchObject({ code: 0 })
    const { code, stdout } = await run('wait', ...good, bad)
    expect(code).toBe(1)
    expect(stdout.trim().split('\n').sort()).toEqual(
      [...good.map((id) => `${id}  completed`), `${bad}  failed  exit 7`].sort(),
    )
    const long = await submit('--', 'sleep', '600')
    const late = await run('wait', '--timeout', '200ms', long)
    expect(late).toMatchObject({ code: 6, stdout: '', stderr: expect.stringContaining(`task ${long}`) })
    expect(await cluster.api.task(long)).toMatchObject({ endedAt: null })
  })
})

describe('logs', () => {
  it('gives the bytes as they are, the two outputs apart', async () => {
    const script = "printf 'a\\000\\377\\r\\n\\033[31m\\342\\202'; printf 'err' >&2"
    const id = await submitToEnd('--', 'sh', '-c', script)
    const reading = cluster.cli('logs', id)
    const chunks: Buffer[] = []
    reading.child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
    expect(await endOf(reading)).toMatchObject({ code: 0, stderr: 'err' })
    expect(Buffer.concat(chunks).toString('latin1')).toBe('a\u0000\u00ff\r\n\u001b[31m\u00e2\u0082')
  })

  it('gives one output alone, a part, or the last lines', async () => {
    const id = await submitToEnd('--', 'sh', '-c', 'seq 1 20; seq 31 35 >&2')
    const cases: [string[], string, string][] = [
      [['--stdout', '-n', '2'], '19\n20\n', ''],
      [['--stderr'], '', '31\n32\n33\n34\n35\n'],
      [['-n', '1'], '20\n', '35\n'],
      [['--both', '--lines', '2'], '19\n20\n', '34\n35\n'],
      [['-n', '0'], '', ''],
      [['--stdout', '--offset', '45'], '19\n20\n', ''],
      [['--stdout', '--offset', '9999'], '', ''],
      [['-f', '--stdout', '-n', '1'], '20\n', ''],
    ]
    const got = await Promise.all(cases.map(([words]) => run('logs', id, ...words)))
    expect(got).toEqual(cases.map(([, stdout, stderr]) => ({ code: 0, stdout, stderr })))
    expect(await run('logs', id, '-n', '1', '--offset', '2')).toMatchObject({ code: 2, stdout: '' })
    expect(await run('logs', id, '--json')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('show --json'),
    })
  })

  it('-f begins before the task does, shows each line at once, and ends with it', async () => {
    const holder = await takeNode()
    const parrot = new Parrot('at-once')
    const id = await submit('-t', 'n1', '--', ...parrot.words)
    const following = cluster.cli('logs', '-f', '--stdout', id)
    // a later command that is through: the earlier one has found the host by now
    expect(await run('logs', id)).toEqual({ code: 0, stdout: '', stderr: '' })
    expect((await cluster.api.task(id)).status).toBe('pending')
    await cluster.api.client.killTask({ params: { id: holder }, body: {} })

    const took: number[] = []
    for (const line of ['first', 'second', 'third', 'fourth', 'fifth']) {
      await parrot.say(line)
      const saidAt = performance.now()
      await waitFor(`"${line}" is shown`, () => following.stdout.endsWith(`${line}\n`), { everyMs: 5 })
      took.push(performance.now() - saidAt)
    }
    expect(took.toSorted((a, b) => a - b)[2]).toBeLessThan(500)
    expect(following.child.exitCode).toBeNull()
    await parrot.end()
    expect(await endOf(following)).toEqual({
      code: 0,
      stdout: 'first\nsecond\nthird\nfourth\nfifth\n',
      stderr: '',
    })
  })

  it('-f goes on over a host that was killed, and loses and doubles no byte', async () => {
    const parrot = new Parrot('over-restart')
    const id = await submit('-t', 'n1', '--', ...parrot.words)
    const following = cluster.cli('logs', '-f', id)
    const lines = Array.from({ length: 300 }, (_, index) => `line ${index}`)
    await parrot.say(...lines.slice(0, 100))
    await waitFor('the first lines', () => following.stdout.includes('line 50\n'))
    const restart = cluster.restartHost('SIGKILL')
    await parrot.say(...lines.slice(100, 200))
    await restart
    await parrot.say(...lines.slice(200))
    await parrot.end()
    const { code, stdout, stderr } = await endOf(following)
    const wanted = lines.map((line) => `${line}\n`).join('')
    expect([code, stdout]).toEqual([0, wanted])
    const notes = stderr.match(/hakuriver: .*\n/g) ?? []
    expect(notes).toEqual(['hakuriver: lost the host; trying again …\n', 'hakuriver: the host is back\n'])
    expect(stderr.replaceAll(/hakuriver: .*\n/g, '')).toBe(wanted)
    await cluster.allOnline()
  })

  it('-f of a task that was killed before it began ends', async () => {
    const id = await submit('--cores', '5000', '--', 'true')
    const following = cluster.cli('logs', '-f', id)
    expect(await run('logs', id)).toMatchObject({ code: 0 })
    expect(following.child.exitCode).toBeNull()
    expect(await run('kill', id)).toMatchObject({ code: 0, stdout: `${id}  killed\n` })
    expect(await endOf(following)).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await run('logs', '-f', id)).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('-f lets go of the task on Ctrl-C, and says that it goes on', async () => {
    const id = await submit('--', 'sh', '-c', 'echo here; exec sleep 600')
    const following = cluster.cli('logs', '-f', id)
    await waitFor('its output', () => following.stdout === 'here\n')
    following.child.kill('SIGINT')
    expect(await endOf(following)).toMatchObject({
      code: 130,
      stderr: expect.stringContaining(`hakuriver logs -f ${id}`),
    })
    expect(await cluster.api.task(id)).toMatchObject({ status: 'running' })
  })

  it('ends without a word when its reader goes away', async () => {
    const id = await submitToEnd('--', 'sh', '-c', 'yes line | head -c 2000000')
    const file = join(cluster.dir, 'code')
    const script = '{ "$0" "$1" logs "$2"; echo $? > "$3"; } | head -1'
    expect(await runShell(script, id, file)).toEqual({ code: 0, stdout: 'line\n', stderr: '' })
    expect(readFileSync(file, 'utf8')).toBe('141\n')
    const ps = await runShell('"$0" "$1" ps --all | head -1')
    expect(ps).toEqual({ code: 0, stdout: expect.stringMatching(/^ID +STATUS/), stderr: '' })
  })
})

describe('ps, show and kill', () => {
  it('filters by status, node and batch', async () => {
    const marks = {
      good: await submit('-t', 'n1', '--', 'true'),
      bad: await submit('-t', 'n2', '--', 'false'),
    }
    await Promise.all([cluster.api.ended(marks.good), cluster.api.ended(marks.bad)])
    const open = await submit('-t', 'n1', '--cores', String(cores), '--', 'sleep', '600')
    const ids = async (...words: string[]) => (await run('ps', '-q', ...words)).stdout.trim().split('\n')
    const { batchId } = await cluster.api.task(marks.bad)

    const failed = await ids('--status', 'failed')
    expect([failed.includes(marks.bad), failed.includes(marks.good)]).toEqual([true, false])
    const two = await ids('--status', 'failed,completed', '--all')
    expect([two.includes(marks.bad), two.includes(marks.good), two.includes(open)]).toEqual([
      true,
      true,
      false,
    ])
    const onN1 = await ids('--node', 'n1', '--all')
    expect([onN1.includes(marks.good), onN1.includes(marks.bad)]).toEqual([true, false])
    expect(await ids('--batch', batchId)).toEqual([marks.bad])
    expect(await ids('--batch', 'last')).toEqual([open])
    expect(await ids('-n', '2')).toEqual([open, marks.bad])
    expect((await ids())[0]).toBe(open)
    expect(await run('ps', '--batch', batchId, '--status', 'lost')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringContaining('No task is like that'),
    })
  })

  it('tells why a task waits', async () => {
    const holder = await takeNode()
    const behind = await submit('-t', 'n1', '--', 'true')
    const never = await submit('--cores', '5000', '--', 'true')
    const sandboxed = await submit('--private-network', '--', 'true')
    expect((await run('show', behind)).stdout).toMatch(
      new RegExp(`\npending: waiting .*\n  .*held by task ${holder}`),
    )
    expect((await run('show', never)).stdout).toContain('no node has 5000 cores')
    expect((await run('show', sandboxed)).stdout).toContain('private network')
    const list = (await run('ps')).stdout
    expect(list).toMatch(new RegExp(`^${never} +pending .*no node has 5000 cores`, 'm'))
    expect(list).toMatch(new RegExp(`^${behind} +pending .*held by task ${holder}`, 'm'))
  })

  it('tells how a task ended', async () => {
    const wanted: [string[], RegExp][] = [
      [['--', 'sh', '-c', 'exit 7'], /failed: ended with exit code 7 after/],
      [['--', 'sh', '-c', 'kill -9 $$'], /failed: ended by SIGKILL/],
      [['--cwd', '/no/such', '--', 'true'], /failed: it never ran\n.*\/no\/such/],
      [['--timeout', '1s', '--', 'sleep', '60'], /timed_out: .*1 s/],
    ]
    for (const [words, text] of wanted) {
      const { code, stdout } = await run('show', await submitToEnd(...words))
      expect([code, stdout]).toEqual([0, expect.stringMatching(text)])
    }
  })

  it('kill of a task that has ended says so and exits with 1; of a batch it is no failure', async () => {
    const id = await submitToEnd('--', 'true')
    expect(await run('kill', id)).toEqual({
      code: 1,
      stdout: '',
      stderr: `hakuriver: cannot kill task ${id}: it has ended (completed)\n`,
    })
    const { batchId } = await cluster.api.task(id)
    expect(await run('batch', 'kill', batchId)).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('1 task had ended already'),
    })
  })

  it('knows `last` and `batch:`, and says of any other word what an id is', async () => {
    const { stdout } = await run('submit', '--wait', '-t', 'n1', '-t', 'n2', '--', 'sh', '-c', 'echo $0')
    const ids = stdout.trim().split('\n')
    const { batchId } = await cluster.api.task(ids[0] ?? '')
    expect((await run('show', 'last')).stdout).toContain(`Task ${ids.at(-1)}\n`)
    expect(await run('logs', '-f', 'last')).toMatchObject({ code: 0, stdout: 'sh\n' })
    for (const word of [`batch:${batchId}`, 'batch:last']) {
      const { code, stdout: told } = await run('wait', word)
      expect([code, told.match(/^\d+/gm)?.sort()]).toEqual([0, ids.toSorted()])
    }
    expect((await run('batch', 'show', 'last')).stdout).toContain(`Batch ${batchId}`)
    expect(await run('show', (ids[0] ?? '').slice(0, 5))).toMatchObject({ code: 3 })
    expect(await run('show', 'abc')).toMatchObject({ code: 2, stderr: expect.stringContaining('`last`') })
  })

  it('makes a name harmless on a pipe', async () => {
    const id = await submit('--name', 'red \u001b[31m\u0007\u009b2J\n', '--cores', '5000', '--', 'true')
    for (const words of [['ps'], ['show', id], ['batch', 'show', 'last']]) {
      const { stdout } = await run(...words)
      expect(stdout).toContain('red \\x1b[31m\\x07')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
    }
  })

  // skipped where there is no script(1): nothing else here makes a terminal
  it.skipIf(!hasTerminal)('makes a name and an output harmless on a terminal', async () => {
    const name = 'x\u001b]0;t\u0007'
    const output = 'printf "\\033]0;title\\007\\033[2Jred \\033[31mred\\n"'
    const id = await submitToEnd('--name', name, '--', 'sh', '-c', output)
    const onTerminal = (words: string) => runShell(`script -qec "'$0' '$1' ${words}" /dev/null`)
    const list = await onTerminal('ps -n 1')
    expect(list.stdout).toContain('x\\x1b')
    expect(list.stdout).toContain('\u001b[2mID')
    const log = await onTerminal(`logs ${id}`)
    expect(log.stdout).toContain('\u001b[31mred')
    for (const { stdout } of [list, log]) {
      expect(stdout).not.toContain('\u001b]0;t')
      expect(stdout).not.toContain('\u0007')
      expect(stdout).not.toContain('\u001b[2J')
    }
    expect((await onTerminal('ps -n 1 --no-color')).stdout).not.toContain('\u001b[2m')
  })
})

describe('--json', () => {
  it('has the fields of the API', async () => {
    const { client } = cluster.api
    const id = await submitToEnd('--name', 'for json', '-t', 'n1', '--', 'sh', '-c', 'exit 7')
    const task = await cluster.api.task(id)
    expect(task).toMatchObject({ id, name: 'for json', status: 'failed', exitCode: 7 })
    expect(await json('show', id)).toEqual({
      task,
      events: (await client.listTaskEvents({ params: { id } })).items,
    })
    expect(await json('wait', id)).toEqual(task)
    const { items } = await client.listTasks({ query: { batchId: task.batchId } })
    expect(await json('ps', '--batch', task.batchId)).toEqual({ items, total: 1 })
    const batch = await client.getBatch({ params: { id: task.batchId } })
    expect(await json('batch', 'show', task.batchId)).toEqual(batch)
    expect(await json('batch', 'list', '-n', '1')).toEqual({ items: [batch], total: expect.any(Number) })

    const fields = (value: object) => Object.keys(value).sort()
    const nodes = (await json('nodes')) as { items: { name: string }[] }
    expect(nodes.items.map(({ name }) => name)).toEqual(['n1', 'n2'])
    const node = await client.getNode({ params: { name: 'n1' } })
    expect(fields(nodes.items[0] ?? {})).toEqual(fields(node))
    expect(fields((await json('node', 'n1')) as object)).toEqual(fields(node))
  })

  it('of submit and kill tells each of several', async () => {
    const submitted = await json('submit', '-t', 'n1', '-t', 'n9', '--', 'sleep', '600')
    expect(submitted).toEqual({
      batchId: expect.stringMatching(/^\d+$/),
      tasks: [
        { target: 'n1', specIndex: 0, taskId: expect.stringMatching(/^\d+$/), error: null },
        {
          target: 'n9',
          specIndex: 0,
          taskId: null,
          error: { code: 'unsatisfiable', message: expect.stringContaining('no node n9') },
        },
      ],
    })
    const { tasks } = submitted as { tasks: { taskId: string }[] }
    const id = tasks[0]?.taskId ?? ''
    await cluster.api.reached(id, 'running')
    const ended = await submitToEnd('--', 'true')
    const killed = await run('kill', '--json', id, ended, '999')
    expect(killed.code).toBe(1)
    expect(JSON.parse(killed.stdout)).toEqual({
      tasks: [
        { id, status: expect.stringMatching(/^kill(ing|ed)$/), error: null },
        {
          id: ended,
          status: null,
          error: { code: 'conflict', message: expect.stringContaining('has ended') },
        },
        { id: '999', status: null, error: { code: 'not_found', message: expect.stringContaining('999') } },
      ],
    })
  })
})

describe('failures', () => {
  it.each([
    ['show', ['show', '999']],
    ['logs', ['logs', '999']],
    ['logs -f', ['logs', '-f', '999']],
    ['wait', ['wait', '999']],
    ['kill', ['kill', '999']],
    ['batch show', ['batch', 'show', '999']],
    ['node', ['node', 'n9']],
  ])('what is not there is exit code 3: %s', async (_, words) => {
    expect(await run(...words)).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(/^hakuriver: there is no (task|batch|node) (999|n9)/),
    })
  })

  it('a host that cannot be reached is exit code 5, with where its address comes from', async () => {
    const dir = temporaryDir()
    try {
      const dead = 'http://127.0.0.1:1'
      const file = join(dir.path, 'host.json')
      writeFileSync(file, JSON.stringify({ url: dead, pid: 1 }))
      const config = join(dir.path, 'configured')
      mkdirSync(config)
      const toml = '[network]\nhost_reachable_address = "127.0.0.1"\nhost_port = 1\n'
      writeFileSync(join(config, 'config.toml'), toml)
      const cases: [string, Promise<Ran>][] = [
        ['--host', run('nodes', '--host', dead)],
        ['HAKURIVER_HOST_URL', runIn({ HAKURIVER_HOST_URL: dead }, 'submit', '--', 'true')],
        [file, runIn({ HAKURIVER_HOME: dir.path }, 'logs', '-f', '1')],
        [join(config, 'config.toml'), runIn({ HAKURIVER_HOME: config }, 'wait', '1')],
      ]
      for (const [from, ran] of cases) {
        const { code, stdout, stderr } = await ran
        expect([code, stdout]).toEqual([5, ''])
        expect(stderr).toContain(`cannot reach the host at ${dead}: connection refused`)
        expect(stderr).toContain(`(this address: ${from})`)
        expect(stderr).toContain('hakuriver up')
      }
    } finally {
      dir.remove()
    }
  })

  it('a wrong token is exit code 4, and says how to give another', async () => {
    const path = join(cluster.dir, 'wrong-token')
    writeFileSync(path, 'hakuriver_admin_wrong\n', { mode: 0o600 })
    for (const ran of [run('nodes', '--token-file', path), runIn({ HAKURIVER_TOKEN: 'wrong' }, 'ps')]) {
      const { code, stdout, stderr } = await ran
      expect([code, stdout]).toEqual([4, ''])
      expect(stderr).toMatch(/token.*--token-file/s)
      expect(stderr).not.toContain('hakuriver_admin_wrong')
    }
    expect(await run('nodes', '--token-file', join(cluster.home, 'join-token'))).toMatchObject({ code: 4 })
    expect(await run('nodes', '--token-file', '/no/such')).toMatchObject({ code: 2 })
  })
})

describe('help', () => {
  it('names every command, and gives examples', async () => {
    const { code, stdout, stderr } = await run('--help')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('hakuriver submit -- echo hello')
    for (const word of ['submit', 'ps', 'show', 'logs', 'wait', 'kill', 'task', 'batch', 'nodes', 'node'])
      expect(stdout).toMatch(new RegExp(`^ {2}${word} `, 'm'))
    for (const word of ['up', 'down', 'host', 'runner', 'version', '--host', '--token-file', '--json'])
      expect(stdout).toMatch(new RegExp(`^ {2}${word} `, 'm'))
    expect(await run()).toEqual({ code: 0, stdout, stderr: '' })
  })

  it('of submit has every option and an example', async () => {
    const { code, stdout } = await run('submit', '--help')
    expect([code, stdout]).toEqual([0, expect.stringContaining('hakuriver submit --cores 4 --memory 8G -- ')])
    const own = [
      '-t, --target',
      '-c, --cores',
      '-m, --memory',
      '--timeout',
      '-e, --env',
      '--env-file',
      '--cwd',
    ]
    const more = [
      '-n, --name',
      '--private-network',
      '--private-pid',
      '--no-queue',
      '-w, --wait',
      '-f, --follow',
    ]
    const common = [
      '--exit-status',
      '-q, --quiet',
      '--host',
      '--token-file',
      '--json',
      '--no-color',
      '--debug',
    ]
    for (const option of [...own, ...more, ...common]) expect(stdout).toContain(`\n  ${option} `)
    expect(stdout.split('\n').filter((line) => line.length > 110)).toEqual([])
  })

  it('stands below every command', async () => {
    for (const word of ['ps', 'show', 'logs', 'wait', 'kill', 'nodes', 'node', 'up', 'down', 'batch', 'task'])
      expect(await run(word, '--help')).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(`Usage: hakuriver ${word} `),
        stderr: '',
      })
    expect((await run('--version')).stdout).toMatch(/^hakuriver \d+\.\d+\.\d+\n$/)
  })
})
