import { spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { waitFor } from '../platform/wait.ts'

const program = fileURLToPath(new URL('main.ts', import.meta.url))

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hakurun-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
})

function start(words: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [program, ...words], {
    cwd: dir,
    env: { ...process.env, NO_COLOR: '1', HAKURIVER_CORES: '', VIRTUAL_ENV: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const printed = { out: '', err: '' }
  child.stdout.on('data', (data) => {
    printed.out += String(data)
  })
  child.stderr.on('data', (data) => {
    printed.err += String(data)
  })
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  onTestFinished(() => void child.kill('SIGKILL'))
  return { child, printed, code }
}

async function run(words: string[], env: Record<string, string> = {}) {
  const { printed, code } = start(words, env)
  return { code: await code, ...printed }
}

const sorted = (text: string) => text.trim().split('\n').sort()
const results = (name = 'out') =>
  readFileSync(join(dir, name, 'results.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe('combinations', () => {
  it('run one after the other, each line with its combination', async () => {
    const words = ['sh', '-c', 'echo "out $0 $1"; echo err >&2', 'span:{1..2}', '--x=span:[a,b]']
    const { code, out, err } = await run(words)
    expect(code).toBe(0)
    expect(out).toBe('[1 a] out 1 --x=a\n[1 b] out 1 --x=b\n[2 a] out 2 --x=a\n[2 b] out 2 --x=b\n')
    expect(err).toMatch(/^(\[\d [ab]\] err\n){4}4 combinations \(2 × 2\): 4 succeeded, in .*\n$/)
  })

  it('fail as a whole where one fails, and a table tells which', async () => {
    const { code, err } = await run(['sh', '-c', 'exit $0', 'span:[0,3,0]'])
    expect(code).toBe(1)
    expect(err).toMatch(/FAILED +EXIT.*\n3 +3 /)
    expect(err).toContain('3 combinations: 2 succeeded, 1 failed')
  })

  it('of which there is only one has the terminal, and its own exit code', async () => {
    expect(await run(['sh', '-c', 'echo plain; exit 7'])).toEqual({ code: 7, out: 'plain\n', err: '' })
    expect((await run(['sh', '-c', 'kill -9 $$'])).code).toBe(137)
    expect((await run(['--timeout', '100ms', 'sleep', '60'])).code).toBe(124)
  })

  it('run so many at once, and never more', async () => {
    const script = 'echo + >> log; sleep 0.2; echo - >> log'
    expect((await run(['--parallel', '3', 'sh', '-c', script, 'span:{1..9}'])).code).toBe(0)
    const signs = readFileSync(join(dir, 'log'), 'utf8').trim().split('\n')
    const running = (till: number) =>
      signs.slice(0, till).reduce((sum, sign) => sum + (sign === '+' ? 1 : -1), 0)
    const most = Math.max(...signs.map((_, at) => running(at + 1)))
    expect(most).toBe(3)
  })

  it('--parallel takes no word of the target for its number', async () => {
    const { code, out } = await run(['--parallel', 'echo', 'span:{1..3}'])
    expect([code, sorted(out)]).toEqual([0, ['[1] 1', '[2] 2', '[3] 3']])
    expect((await run(['--retry', '1', '--parallel', '2', 'echo', 'span:{1..2}'])).code).toBe(0)
  })

  it('inside a task of the cluster are no more at once than it has cores, and it is said', async () => {
    const { err } = await run(['--parallel', '8', 'echo', 'span:{1..2}'], { HAKURIVER_CORES: '1' })
    expect(err).toContain('hakurun: this task has 1 core: 1 at once, not 8')
    expect((await run(['--parallel', 'echo', 'span:{1..2}'], { HAKURIVER_CORES: '1' })).err).not.toContain(
      'at once',
    )
  })

  it('pair with --zip, and come from files', async () => {
    writeFileSync(join(dir, 'names'), 'a b\nc\n')
    const { out } = await run(['--zip', 'echo', 'span:@names', 'span:{1..2}'])
    expect(out).toBe('[a b 1] a b 1\n[c 2] c 2\n')
    expect(await run(['echo', 'span:@nowhere'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('nowhere'),
    })
  })

  it.each(['bash', 'sh'])('come from an unquoted span as %s hands it over', async (shell) => {
    const line = `"$0" "$1" echo span:{1..2} fixed span:[a,b]`
    const { stdout, stderr } = spawnSync(shell, ['-c', line, process.execPath, program], {
      cwd: dir,
      encoding: 'utf8',
    })
    expect(stdout).toBe('[1 a] 1 fixed a\n[1 b] 1 fixed b\n[2 a] 2 fixed a\n[2 b] 2 fixed b\n')
    expect(stderr.includes('whose braces the shell has expanded')).toBe(shell === 'bash')
  })

  it('--dry-run prints commands that a shell can read, and runs none', async () => {
    const { code, out, err } = await run(['--dry-run', 'touch', `span:["it's",b c]`])
    expect({ code, out }).toEqual({ code: 0, out: `touch 'it'\\''s'\ntouch 'b c'\n` })
    expect(err).toContain('2 combinations; none was run')
    expect(readdirSync(dir)).toEqual([])
  })

  it('by the hundreds are never more than a few processes', async () => {
    const { code, out } = await run(['--parallel', '4', '--quiet', 'echo', 'span:{1..300}'])
    expect([code, sorted(out).length]).toEqual([0, 300])
  })

  it('keep lines whole, whatever is written at once', async () => {
    const script = 'i=0; while [ $i -lt 200 ]; do printf "%s" "$0$0$0"; printf "%s\\n" "$0"; i=$((i+1)); done'
    const { out } = await run(['--parallel', '4', 'sh', '-c', script, 'span:[a,b,c,d]'])
    const lines = out.trim().split('\n')
    expect(lines).toHaveLength(800)
    for (const line of lines) expect(line).toMatch(/^\[(.)\] \1{4}$/)
  })

  it('can open their outputs by name, as scripts do, and many use the same pipes', async () => {
    const script = 'echo to out > /dev/stdout; echo to err > /dev/stderr'
    const words = ['--parallel', '2', 'sh', '-c', script, 'span:{1..20}']
    const { code, out, err } = await run(words, { TMPDIR: dir })
    expect([code, sorted(out)]).toEqual([
      0,
      Array.from({ length: 20 }, (_, at) => `[${at + 1}] to out`).sort(),
    ])
    expect(err.match(/^\[\d+\] to err$/gm)).toHaveLength(20)
    expect(readdirSync(dir)).toEqual([])
  })

  it('have their own outputs where there is no mkfifo', async () => {
    const { code, out } = await run(['/bin/echo', 'span:{1..2}'], { PATH: '/nowhere' })
    expect([code, out]).toEqual([0, '[1] 1\n[2] 2\n'])
  })

  it('do not wait for what has left the session and holds their outputs open', async () => {
    const started = Date.now()
    const escaped = () => [1, 2].map((at) => Number(readFileSync(join(dir, `pid.${at}`), 'utf8')))
    onTestFinished(() => {
      for (const pid of escaped()) process.kill(pid)
    })
    const script = `setsid sh -c 'echo $$ > pid.$0; exec sleep 63' $0 & until test -s pid.$0; do :; done; echo hi`
    const { code, out } = await run(['sh', '-c', script, 'span:{1..2}'])
    expect([code, out]).toEqual([0, '[1] hi\n[2] hi\n'])
    expect(escaped().every(isAlive)).toBe(true)
    expect(Date.now() - started).toBeLessThan(20_000)
  })

  it('whose arguments no program can be given are failures like others', async () => {
    writeFileSync(join(dir, 'values'), `a\n${'x'.repeat(200_000)}\nb\n`)
    const { code, out, err } = await run(['echo', 'span:@values'])
    expect([code, out]).toEqual([1, '[a] a\n[b] b\n'])
    expect(err).toContain('its arguments are longer than the system allows')
    expect(Math.max(...err.split('\n').map(({ length }) => length))).toBeLessThan(300)
  })

  it.each([
    ['is no UTF-8', Buffer.from('caf\xe9\n', 'latin1'), 'is not text in UTF-8'],
    ['holds a NUL byte', 'a\nb\0c\n', 'line 2 of values, a file of a span, holds a NUL byte'],
  ])('are not made of a file that %s', async (_, content, why) => {
    writeFileSync(join(dir, 'values'), content)
    const { code, out, err } = await run(['echo', 'span:@values'])
    expect([code, out, err]).toEqual([2, '', expect.stringContaining(why)])
  })

  it('of which thousands fail are told in a short table', async () => {
    const { code, err } = await run(['--parallel', '4', 'sh', '-c', 'exit 3', 'span:{1..60}'])
    expect(code).toBe(1)
    expect(err.match(/^\d+ +3 /gm)).toHaveLength(20)
    expect(err).toContain('and 40 more')
  })

  it('print JSON for programs', async () => {
    const { out, code } = await run(['--json', 'sh', '-c', 'echo to you; exit $0', 'span:{0..1}'])
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({
      total: 2,
      succeeded: 1,
      failed: 1,
      notRun: 0,
      results: [
        { index: 0, ok: true },
        { index: 1, ok: false, exitCode: 1, parameters: { arg3: '1' } },
      ],
    })
  })
})

describe('--output-dir', () => {
  it('keeps a file for each, and what became of it', async () => {
    const { code, out } = await run([
      '--output-dir',
      'out',
      'sh',
      '-c',
      'echo $0; echo e >&2',
      'span:[a b,../x]',
    ])
    expect({ code, out }).toEqual({ code: 0, out: '' })
    expect(readdirSync(join(dir, 'out')).sort()).toEqual(['1-a-b.log', '2-..-x.log', 'results.jsonl'])
    expect(readFileSync(join(dir, 'out', '1-a-b.log'), 'utf8')).toBe('a b\ne\n')
    expect(results()[0]).toMatchObject({
      parameters: { arg3: 'a b' },
      exitCode: 0,
      ok: true,
      output: '1-a-b.log',
      tries: 1,
    })
  })

  it('tells the memory of what ran long enough to be seen', async () => {
    await run(['--output-dir', 'out', process.execPath, '-e', 'setTimeout(() => {}, 500)', 'span:[x]'])
    expect(results()[0]?.peakMemoryBytes).toBeGreaterThan(20_000_000)
  })

  it('that is full ends the sweep with a sentence', async () => {
    mkdirSync(join(dir, 'out'))
    symlinkSync('/dev/full', join(dir, 'out', 'results.jsonl'))
    const { code, err } = await run(['--output-dir', 'out', 'echo', 'span:{1..50}'])
    expect([code, err]).toEqual([1, expect.stringMatching(/^hakurun: cannot keep output .* ENOSPC.*\n.*\n$/)])
  })

  it('with --resume runs only what has not succeeded, also after a torn line', async () => {
    const words = [
      '--output-dir',
      'out',
      'sh',
      '-c',
      'echo $0 >> log; test $0 != 2 -o -e fixed',
      'span:{1..3}',
    ]
    expect((await run(words)).code).toBe(1)
    appendFileSync(join(dir, 'out', 'results.jsonl'), '{"index":1,"ok":tr')
    writeFileSync(join(dir, 'fixed'), '')
    const again = await run(['--resume', ...words])
    expect(again).toMatchObject({
      code: 0,
      err: expect.stringContaining('1 succeeded, 2 had succeeded before'),
    })
    expect(readFileSync(join(dir, 'log'), 'utf8')).toBe('1\n2\n3\n2\n')
    // the line after the torn one counts as well
    expect((await run(['--resume', ...words])).err).toContain('0 succeeded, 3 had succeeded before')
    expect((await run(['--resume', 'echo'])).code).toBe(2)
  })
})

describe('failures', () => {
  it('--retry tries again, so often', async () => {
    const script = 'echo x >> tries; test $(wc -l < tries) = 3'
    expect((await run(['--retry', '1', '--output-dir', 'out', 'sh', '-c', script])).code).toBe(1)
    expect((await run(['--retry', '5', '--output-dir', 'out', 'sh', '-c', script])).code).toBe(0)
    expect(results().map(({ tries }) => tries)).toEqual([2, 1])
  })

  it('--fail-fast ends what runs and starts nothing more', async () => {
    const started = Date.now()
    const words = [
      '--fail-fast',
      '--parallel',
      '2',
      'sh',
      '-c',
      'test $0 != 1 || exit 4; sleep 60',
      'span:{1..9}',
    ]
    const { code, err } = await run(words)
    expect(code).toBe(1)
    expect(Date.now() - started).toBeLessThan(20_000)
    expect(err).toMatch(/0 succeeded, 1 failed, 1 ended halfway, 7 not run/)
  })

  it('--timeout ends the whole group of processes', async () => {
    const script = 'sleep 61.5 & echo $! > pid; wait'
    const { code, err } = await run(['--timeout', '300ms', '--output-dir', 'out', 'sh', '-c', script])
    expect([code, results()[0]?.timedOut]).toEqual([124, true])
    expect(err).toContain('timeout')
    const pid = Number(readFileSync(join(dir, 'pid'), 'utf8'))
    await waitFor('it is gone', () => !isAlive(pid))
  })

  it('--timeout of the only combination leaves nothing either, and may be very long', async () => {
    const script = 'sleep 61.6 & echo $! > pid; sleep 61.6'
    expect((await run(['--timeout', '300ms', 'sh', '-c', script])).code).toBe(124)
    const pid = Number(readFileSync(join(dir, 'pid'), 'utf8'))
    await waitFor('it is gone', () => !isAlive(pid))
    expect(await run(['--timeout', '60d', 'sleep', '0.1'])).toEqual({ code: 0, out: '', err: '' })
  })

  it('--timeout gives all of it time to end, not only the first process, and then kills what does not', async () => {
    const inner = 'trap "sleep 0.3; echo saved > saved.$0; exit" TERM; while :; do sleep 0.05; done'
    const outer = `sh -c '${inner}' "$0"`
    // the outer shell ends at once, and what it waits for a moment later
    expect((await run(['--timeout', '500ms', 'sh', '-c', `${outer}; :`, 'span:{1..2}'])).code).toBe(1)
    expect(readdirSync(dir).sort()).toEqual(['saved.1', 'saved.2'])
    const stubborn =
      'trap "" TERM; (trap "" TERM; set -m; sleep 62.5 & echo $! > pid; wait) & wait; sleep 62.5'
    const { code } = await run(['--timeout', '200ms', 'sh', '-c', stubborn, 'span:[x]', ';', 'span:[y]'])
    expect(code).toBe(124)
    const pid = Number(readFileSync(join(dir, 'pid'), 'utf8'))
    await waitFor('it is gone', () => !isAlive(pid))
  })

  it('of whoever reads us ends it all', async () => {
    const { child, code } = start(['sh', '-c', 'echo $0 >> log; echo $0', 'span:{1..400}'])
    child.stdout.once('data', () => child.stdout.destroy())
    expect(await code).toBe(141)
    expect(readFileSync(join(dir, 'log'), 'utf8').trim().split('\n').length).toBeLessThan(100)
  })

  it('of a program that is not there are one sentence', async () => {
    const none = await run(['no-such-program', 'span:{1..2}'])
    expect(none).toMatchObject({ code: 2, out: '', err: expect.stringContaining('no-such-program') })
    const plain = join(dir, 'plain.py')
    writeFileSync(plain, '')
    expect((await run([plain])).err).toContain('is not executable')
    expect((await run(['./nowhere'])).err).toContain('is not there')
    expect((await run(['--paralel', 'echo'])).err).toContain("unknown option '--paralel'")
  })
})

describe('an interrupt', () => {
  it('ends the children, says what was done, and leaves nothing', async () => {
    const script = 'trap "echo bye; exit 0" TERM; echo $$ >> pids; test $0 = 1 || sleep 60 & wait'
    const { child, printed, code } = start(['--parallel', '2', 'sh', '-c', script, 'span:{1..5}'])
    await waitFor('three have been started', () => pids().length === 3)
    child.kill('SIGINT')
    expect(await code).toBe(130)
    expect(printed.err).toMatch(/Interrupted: of 5 combinations: .* not run/)
    await waitFor('they are gone', () => !pids().some(isAlive))
  })

  it('that comes twice kills at once', async () => {
    const script = 'trap "" TERM; echo $$ >> pids; sleep 60'
    const { child, code } = start(['sh', '-c', script, 'span:{1..5}'])
    await waitFor('one has been started', () => pids().length === 1)
    child.kill('SIGINT')
    child.kill('SIGTERM')
    expect(await code).toBe(130)
    await waitFor('it is gone', () => !pids().some(isAlive))
  })

  const pids = () => {
    try {
      return readFileSync(join(dir, 'pids'), 'utf8').trim().split('\n').map(Number)
    } catch {
      return []
    }
  }
})

const hasScript = spawnSync('script', ['--version']).status === 0
// it makes terminals; CI has it
describe.skipIf(!hasScript && !process.env.CI)('on a terminal (script(1) is needed)', () => {
  const onTerminal = (words: string, env: Record<string, string> = {}) => {
    const line = `stty cols 80; '${process.execPath}' '${program}' ${words}`
    const { status, stdout } = spawnSync('script', ['-qec', line, '/dev/null'], {
      cwd: dir,
      env: { ...process.env, TERM: 'xterm', HAKURIVER_CORES: '', ...env },
      encoding: 'utf8',
    })
    return { status, shown: stdout.replaceAll('\x1b', '<ESC>').replaceAll('\r\n', '\n') }
  }

  it('a bar stands below the lines, and goes at the end', () => {
    const { shown, status } = onTerminal(`sh -c 'sleep 0.3; printf "10%%\\r20%%\\033[2J\\n"' 'span:{1..3}'`)
    expect(status).toBe(0)
    expect(shown).toMatch(/\r<ESC>\[K\[=+ +\] 1\/3 {2}1 running {2}about /)
    // nothing that a task writes moves the cursor
    expect(shown).toContain('<ESC>[K<ESC>[36m[1] <ESC>[0m20%\n')
    expect(shown.split('<ESC>[K').at(-1)).toMatch(/^3 combinations: 3 succeeded, in .*\n$/)
  })

  it('there is none with --no-progress, --quiet or a terminal that cannot draw; NO_COLOR means no colour', () => {
    for (const option of ['--no-progress', '--quiet'])
      expect(onTerminal(`${option} sleep 'span:[0.3,0.1]'`).shown).not.toContain('<ESC>[K')
    expect(onTerminal(`sleep 'span:[0.1,0.2]'`, { TERM: 'dumb' }).shown).not.toContain('<ESC>')
    const plain = onTerminal(`--no-progress echo 'span:[a,b]'`, { NO_COLOR: '1' }).shown
    expect(plain).toMatch(/^\[a\] a\n\[b\] b\n2 combinations/)
  })

  it('a command without spans reads from it', () => {
    const { stdout, status } = spawnSync(
      'script',
      ['-qec', `'${process.execPath}' '${program}' sh -c 'read x; test -t 0 && echo "got $x"'`, '/dev/null'],
      { cwd: dir, input: 'hello\n', encoding: 'utf8' },
    )
    expect([status, stdout]).toEqual([0, expect.stringContaining('got hello')])
  })
})

const hasPython = spawnSync('python3', ['--version']).status === 0
// without it there is nothing to try; CI has it
describe.skipIf(!hasPython && !process.env.CI)('Python (python3 is needed)', () => {
  beforeEach(() => {
    const code = [
      'import sys',
      'def show(*args, **named): print(args, sorted(named.items()))',
      'def fail(x): raise ValueError(x)',
      "if __name__ == '__main__': print(sys.argv[1:])",
    ]
    writeFileSync(join(dir, 'mymod.py'), `${code.join('\n')}\n`)
  })

  it('functions get ranges as numbers, everything else as text', async () => {
    const { code, out } = await run([
      'mymod:show',
      'span:{1..2}',
      '7',
      'lr=span:{0.1..0.2..0.1}',
      'name=span:[x]',
    ])
    expect(code).toBe(0)
    expect(out.split('\n')[0]).toBe("[1 0.1 x] (1, '7') [('lr', 0.1), ('name', 'x')]")
    expect(out.split('\n')).toHaveLength(5)
  })

  it('functions get numbers also from a range that the shell has expanded', async () => {
    expect((await run(['mymod:show', 'span:1', 'span:2'])).out).toBe('[1] (1,) []\n[2] (2,) []\n')
  })

  it('packages are found here, and a broken one shows why', async () => {
    mkdirSync(join(dir, 'pkg'))
    writeFileSync(join(dir, 'pkg', '__init__.py'), '')
    writeFileSync(join(dir, 'pkg', 'mod.py'), 'def fn(x): print(x + 1)\n')
    const env = { PYTHONSAFEPATH: '1' }
    expect((await run(['pkg.mod:fn', 'span:{1..1}'], env)).out).toBe('2\n')
    expect((await run(['pkg.other:fn'], env)).err).toContain('nor a Python module')
    writeFileSync(join(dir, 'pkg', '__init__.py'), 'import no_such_dependency\n')
    const { code, err } = await run(['pkg.mod:fn', '1'], env)
    expect([code, err]).toEqual([1, expect.stringContaining("No module named 'no_such_dependency'")])
  })

  it('is that of the active virtual environment, else the one that was named', async () => {
    mkdirSync(join(dir, 'venv', 'bin'), { recursive: true })
    const own = '#!/bin/sh\necho "own python" >> used; exec python3 "$@"\n'
    writeFileSync(join(dir, 'venv', 'bin', 'python'), own, { mode: 0o755 })
    expect((await run(['mymod:show'], { VIRTUAL_ENV: join(dir, 'venv') })).out).toBe('() []\n')
    expect((await run(['--python', join(dir, 'venv', 'bin', 'python'), 'mymod:show'])).code).toBe(0)
    expect((await run(['mymod:show'], { HAKURIVER_PYTHON: join(dir, 'venv', 'bin', 'python') })).code).toBe(0)
    // to look for the module and to run it, each time
    expect(readFileSync(join(dir, 'used'), 'utf8')).toBe('own python\n'.repeat(6))
  })

  it('modules are run as python -m does', async () => {
    expect((await run(['mymod', "a';import os", 'span:[b]'])).out).toBe(`["a';import os", 'b']\n`)
  })

  it('scripts are run by their interpreter', async () => {
    expect((await run(['python3', 'mymod.py', 'span:{1..2}'])).out).toBe("[1] ['1']\n[2] ['2']\n")
  })

  it('an exception is a failure with its traceback', async () => {
    const { code, err } = await run(['mymod:fail', 'span:{1..1}'])
    expect([code, err]).toEqual([1, expect.stringContaining('ValueError: 1')])
  })

  it('what it does not know is told', async () => {
    expect(await run(['nomod:fn'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('nor a Python module'),
    })
    const { code } = await run(['--python', '/nowhere/python', 'mymod:show'])
    expect(code).toBe(2)
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
