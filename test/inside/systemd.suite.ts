/** What a runner on a machine with systemd must do, whichever way it asks systemd: the shared suite, and more. */
import { execFile, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { TaskSpec } from '../../src/core/task.ts'
import { unitNameOf } from '../../src/core/unit-name.ts'
import { waitFor } from '../../src/platform/wait.ts'
import { hasRecord } from '../../src/runner/executors/attempt-files.ts'
import { executorSuite, isRunning, lineOf, shell } from '../../src/runner/executors/executor.suite.ts'
import type { LaunchSpec } from '../../src/runner/executors/executor.ts'
import { placedByLauncher, throughLauncher } from '../../src/runner/launcher/launcher.suite.ts'
import { findUser, type LocalUser } from '../../src/runner/users.ts'
import { chosen, type MakeExecutor, openRoot, Runner, removeRoot } from './runner.ts'

const run = promisify(execFile)
const launcherSuite = new URL('../../src/runner/launcher/launcher.suite.ts', import.meta.url).href
const hardware = new URL('../../src/runner/hardware.ts', import.meta.url).href
const MiB = 1024 ** 2
const isRoot = process.getuid?.() === 0

/** As an operator with the runner's rights would call it. @returns what it says */
export async function systemctl(...words: string[]): Promise<string> {
  const [program = '', ...rest] = [...(isRoot ? [] : ['sudo', '-n']), 'systemctl', ...words]
  return (await run(program, rest)).stdout
}

export function unitOf(launch: LaunchSpec): string {
  return unitNameOf(launch.taskId, launch.attempt, 'runner-1')
}

/** Ends with this code as soon as the file is there. */
export function untilThere(path: string, code: number) {
  return shell(`echo $$; while [ ! -e "$1" ]; do sleep 0.02; done; exit ${code}`, path)
}

export async function isLoaded(unit: string): Promise<boolean> {
  return (await systemctl('show', '--property=LoadState', '--value', unit)).trim() === 'loaded'
}

async function propertiesOf(unit: string): Promise<Record<string, string>> {
  const lines = (await systemctl('show', unit)).split('\n')
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)))
}

/** Everything in a directory that can be read, in one text. */
function textBelow(dir: string): string {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return files.map((file) => `${file}\n${readFileSync(file, 'latin1')}`).join('\n')
}

const separator = '\n--- the next part ---\n'
/** Tells what arrived, straight from the kernel. */
const tell =
  'for part in cmdline environ; do ' +
  String.raw`/bin/cat "/proc/$$/$part"; printf '\n--- the next part ---\n'; done; /bin/readlink -n "/proc/$$/cwd"`

const nasty = [
  ...String.raw`' '' " $ $$ $HOME $(id) ${'`id`'} % %% %h %n %i \ \\ \' \x41 \n -- - -x --help -:/bin/sh +/bin/sh @x !x * ~ ! # & ; | < > } { ';id;' '\'' \c \0`.split(
    ' ',
  ),
  ...['', ' ', '  a  b ', '\n', 'a\n\nb\n', '\t', '\r\n', 'a\n}\nb', '\u0001', '\u0080', '\u0081\u0088', 'ß'],
  ...['\u{1f600}', '\u3000', 'a=b', '=', '\x7f', '\x1b[0m', 'ExecStart=/bin/id', '[Service]', '$' + '{HOME}'],
  'x'.repeat(100_000),
]

export interface SystemdSuiteOptions {
  user: string | null
  /** The runner asks a launcher, and has it in its own process. */
  isThroughLauncher?: boolean
}

export function systemdSuite(name: string, flags: string[], options: SystemdSuiteOptions): void {
  let currentRoot = ''
  const direct = chosen(...flags)
  const make: MakeExecutor =
    options.isThroughLauncher === true
      ? throughLauncher(direct, () => currentRoot, options.user ?? undefined)
      : direct
  const adjust = options.isThroughLauncher === true ? placedByLauncher : undefined
  let root = ''
  let user: LocalUser
  const opened: Runner[] = []

  beforeAll(() => {
    root = openRoot()
    currentRoot = root
    chmodSync(root, 0o777)
    const found = options.user === null ? process.getuid?.() : options.user
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((each) => each.split(':')[0] === found || each.split(':')[2] === String(found))
    user = findUser(line?.split(':')[0] ?? '') as LocalUser
    expect(user.uid).toBeGreaterThan(0)
  })
  afterEach(async () => {
    for (const runner of opened.splice(0)) await runner.close()
  })
  afterAll(() => removeRoot(root))

  async function open(): Promise<Runner> {
    currentRoot = root
    mkdirSync(join(root, 'work'), { recursive: true, mode: 0o777 })
    const runner = await Runner.open(make, root, options.user, adjust)
    opened.push(runner)
    return runner
  }

  describe(name, () => {
    const umask = process.umask()
    executorSuite(name, make, {
      makeRoot: () => {
        // what the suite makes in it is for the tasks' user as well
        process.umask(0)
        currentRoot = openRoot()
        return currentRoot
      },
      ...(options.user === null ? {} : { user: options.user }),
      ...(adjust !== undefined && { adjust }),
    })
    beforeAll(() => {
      process.umask(umask)
    })
  })

  describe(`units of ${name}`, () => {
    test('words, variables and directory arrive byte for byte', async () => {
      const runner = await open()
      const cwd = join(root, `it's "here" $PWD %h \\ \n ß \u{1f600}`)
      mkdirSync(cwd)
      const env = {
        ...Object.fromEntries(nasty.map((value, index) => [`NASTY_${index}`, value])),
        ...{
          IFS: 'abc',
          PS4: '$(id)',
          LC_ALL: 'xx_YY.nothing',
          LANG: '',
          BASH_ENV: '/etc/passwd',
          ENV: '/etc/passwd',
        },
        ...{ CDPATH: '/', HOME: '/a b', USER: '%u', PATH: '/no where:%h', LD_LIBRARY_PATH: '/no/where' },
      }
      const words = ['-c', tell, 'sh', ...nasty]
      const { exit, out, err } = await runner.run({ command: '/bin/sh', arguments: words, env, cwd })
      expect([exit, err]).toEqual([expect.objectContaining({ cause: 'exited', exitCode: 0 }), ''])
      const [argv = '', environ = '', place] = out.toString('utf8').split(separator)
      expect(argv.slice(0, -1).split('\0')).toEqual(['/bin/sh', ...words])
      const arrived = Object.fromEntries(environ.split('\0').map((pair) => pair.split(/=(.*)/s).slice(0, 2)))
      expect(arrived).toMatchObject(env)
      expect(place).toBe(cwd)
    })

    test('a program of any name is found', async () => {
      const runner = await open()
      const dir = mkdtempSync(join(root, 'bin $HOME %h-'))
      chmodSync(dir, 0o755)
      const names = ['-dash', "qu'ote", '$(id)', '%h', '+plus', '@at', 'a=b', 'a b']
      for (const each of names)
        writeFileSync(join(dir, each), '#!/bin/sh\nprintf %s "$0 $*"\n', { mode: 0o755 })
      const env = { PATH: `${dir}:/usr/bin:/bin` }
      const told = await Promise.all(
        names.map(async (each) => {
          const { exit, out, err } = await runner.run({ command: each, arguments: ['%h'], env })
          return [exit.exitCode, out.toString(), err]
        }),
      )
      expect(told).toEqual(names.map((each) => [0, `${join(dir, each)} %h`, '']))
    })

    test('a task is its user and nobody else', async () => {
      const runner = await open()
      const { out } = await runner.run(
        shell(
          'id -u; id -g; id -G; grep -E "^(Uid|Cap(Prm|Eff|Inh|Amb)|NoNewPrivs)" /proc/self/status; echo $HOME $USER $LOGNAME $SHELL',
        ),
      )
      const lines = out.toString().trim().split('\n')
      const { uid, gid } = user
      expect(lines.slice(0, 3)).toEqual([String(uid), String(gid), String(gid)])
      expect(
        lines
          .find((line) => line.startsWith('Uid'))
          ?.split('\t')
          .slice(1),
      ).toEqual(Array(4).fill(String(uid)))
      expect(lines.filter((line) => /^Cap/.test(line) && !/\t0+$/.test(line))).toEqual([])
      expect(lines).toContain('NoNewPrivs:\t1')
      expect(lines.at(-1)).toBe(`${user.home} ${user.name} ${user.name} ${user.shell}`)
    })

    test.each([false, true])(
      'what the task gives decides nothing before it is its user: %s',
      async (privatePids) => {
        const runner = await open()
        const { privatePids: canHide } = runner.executor.info.features
        if (privatePids && !canHide) {
          const task = runner.launch({ privatePids })
          await runner.executor.start(task)
          return expect(await runner.seen.exitOf(task)).toMatchObject({ cause: 'launch_failed' })
        }
        const dir = mkdtempSync(join(root, 'forged-'))
        chmodSync(dir, 0o777)
        for (const program of ['setpriv', 'unshare', 'sh', 'env', 'chown', 'numactl', 'true']) {
          const script = `#!/bin/sh\necho ${program} >"${dir}/forged.$$"\n`
          writeFileSync(join(dir, program), script, { mode: 0o755 })
        }
        const env = { PATH: dir, LD_DEBUG: 'files', LD_DEBUG_OUTPUT: join(dir, 'loaded') }
        const { exit } = await runner.run({ command: 'true', env, privatePids })
        expect(exit).toMatchObject({ cause: 'exited', exitCode: 0 })
        const made = readdirSync(dir).filter((file) => /^(forged|loaded)\./.test(file))
        expect(made).not.toEqual([])
        expect(made.map((file) => [file.split('.')[0], statSync(join(dir, file)).uid])).toEqual(
          made.map((file) => [file.split('.')[0], user.uid]),
        )
        const forged = made.filter((file) => file.startsWith('forged'))
        expect(forged.map((file) => readFileSync(join(dir, file), 'utf8'))).toEqual(['true\n'])
      },
    )

    test('a reader that goes away ends a writer', async () => {
      const runner = await open()
      const { err } = await runner.run(shell('( yes; echo "code $?" >&2 ) | head -n 1'))
      expect(err).toBe('code 141\n')
    })

    // through the launcher nobody names one
    if (adjust === undefined)
      test('an output file that cannot be opened fails the launch', async () => {
        const runner = await open()
        const task = runner.launch(shell('exit 0'), { stdoutPath: '/nowhere/at/all.out' })
        await runner.executor.start(task)
        expect(await runner.seen.exitOf(task)).toMatchObject({
          cause: 'launch_failed',
          exitCode: null,
          startedAtMs: null,
          reason: expect.stringMatching(/output file|could not start/),
        })
        expect(runner.seen.startsOf(task)).toEqual([])
      })

    test('systemd and the kernel bound it', async () => {
      const runner = await open()
      const task = await runner.running({
        ...shell('exec sleep 600'),
        cores: 2,
        memoryBytes: 96 * MiB,
        timeoutMs: 90_000,
      })
      expect(await propertiesOf(unitOf(task))).toMatchObject({
        ...{ Slice: 'hakuriver.slice', Type: 'exec', KillMode: 'control-group', OOMPolicy: 'kill' },
        ...{ CPUQuotaPerSecUSec: '2s', MemoryMax: String(96 * MiB), MemorySwapMax: '0', TasksMax: '8192' },
        ...{ RuntimeMaxUSec: '1min 30s', NoNewPrivileges: 'yes', IgnoreSIGPIPE: 'no' },
      })
      const below = (at: string) => `/sys/fs/cgroup/${at}/hakuriver.slice/${unitOf(task)}`
      const first = (...paths: string[]) =>
        paths.flatMap((path) => (existsSync(path) ? [readFileSync(path, 'utf8').trim()] : []))[0]
      expect(first(`${below('memory')}/memory.limit_in_bytes`, `${below('')}/memory.max`)).toBe(
        String(96 * MiB),
      )
      expect(first(`${below('cpu')}/cpu.cfs_quota_us`, `${below('')}/cpu.max`)).toMatch(/^200000\b/)
      await runner.executor.kill(task.taskId, 1, 5_000)
      expect(await runner.seen.exitOf(task)).toMatchObject({
        cause: 'killed',
        signal: 'SIGTERM',
        reason: null,
      })
      await waitFor('systemd let go of it', async () => !(await isLoaded(unitOf(task))))
    })

    const ways: [string, Partial<TaskSpec>][] = [['as it is', {}]]
    // only root can give it that before systemd 257
    if (isRoot) ways.push(['with PIDs of its own', { privatePids: true }])
    test.each(ways)('it has no capability left %s, and can get none', async (_, more) => {
      const runner = await open()
      const { out } = await runner.run({ ...shell('cat /proc/self/status'), ...more })
      const told = out.toString()
      expect(told.match(/^Cap\w+:\s*0{16}$/gm)).toHaveLength(5)
      expect(told).toMatch(/^NoNewPrivs:\s*1$/m)
    })

    test('its /tmp is its own, and goes with it', async () => {
      const runner = await open()
      const path = join('/tmp', `mine-${process.pid}-${Date.now()}`)
      const { out } = await runner.run(shell('echo here > "$1"; cat "$1"', path))
      expect(out.toString()).toBe('here\n')
      expect(existsSync(path)).toBe(false)
    })

    test('nothing that the user gave is told to systemd', async () => {
      const runner = await open()
      const canary = `canary-${process.pid}-${Date.now()}`
      const cwd = join(root, canary)
      mkdirSync(cwd)
      const task = await runner.running({
        ...shell('exec sleep 600', canary),
        name: canary,
        env: { CANARY: canary, [canary.replaceAll('-', '_')]: 'x' },
        cwd,
      })
      const unit = unitOf(task)
      const transient = textBelow('/run/systemd/transient')
      expect(transient).toContain(unit)
      const told = [
        transient,
        await systemctl('show', '--all', unit),
        await systemctl('cat', unit),
        await systemctl('list-units', '--all', '--full', 'hakuriver*'),
        ...(isRoot
          ? [(await run('journalctl', ['--no-pager', '--output=verbose'], { maxBuffer: 1e9 })).stdout]
          : []),
      ].join('\n')
      expect(told).toContain(unit)
      const { taskDir, stdoutPath } = task
      expect(told).toContain(stdoutPath)
      expect(told).toContain(taskDir)
      expect(told.replaceAll('_', '-').includes(canary)).toBe(false)
      // the script that holds it is for the task's user alone
      const show = await systemctl('show', '--property=ExecStart', unit)
      const script = statSync(join(/(\/\S+)\/(run|enter)\.sh/.exec(show)?.[1] ?? '', 'run.sh'))
      expect([script.mode & 0o777, script.uid]).toEqual([0o600, user.uid])
      await runner.executor.kill(task.taskId, 1, 5_000)
      await runner.seen.exitOf(task)
    })

    test('a child that takes too much memory ends the task as out of memory', async () => {
      const runner = await open()
      const { exit } = await runner.run({
        ...shell('tail -c 200000000 /dev/zero | tail -c 200000000 >/dev/null; exit 0'),
        memoryBytes: 32 * MiB,
      })
      expect(exit).toMatchObject({ cause: 'oom', reason: expect.stringContaining('memory') })
      expect(exit.peakMemoryBytes).toBeGreaterThan(30 * MiB)
      expect(exit.peakMemoryBytes).toBeLessThanOrEqual(32 * MiB)
    })

    test('a stop from outside is told as one', async () => {
      const runner = await open()
      const task = await runner.running(shell('exec sleep 600'))
      await systemctl('stop', unitOf(task))
      expect(await runner.seen.exitOf(task)).toMatchObject({
        cause: 'killed',
        signal: 'SIGTERM',
        reason: expect.stringContaining('outside'),
      })
    })

    test('a signal from outside is told as one', async () => {
      const runner = await open()
      const task = await runner.running(shell('exec sleep 600'))
      await systemctl('kill', '--signal=SIGUSR1', unitOf(task))
      expect(await runner.seen.exitOf(task)).toMatchObject({ cause: 'signaled', signal: 'SIGUSR1' })
    })

    test('a kill on the heels of a start leaves nothing', async () => {
      const runner = await open()
      const tasks = Array.from({ length: 20 }, () => runner.launch(shell('exec sleep 600')))
      await Promise.all(
        tasks.flatMap((task) => [runner.executor.start(task), runner.executor.kill(task.taskId, 1, 5_000)]),
      )
      const exits = await Promise.all(tasks.map((task) => runner.seen.exitOf(task)))
      expect(exits.map(({ cause }) => cause)).toEqual(tasks.map(() => 'killed'))
      for (const task of tasks) await runner.executor.collect(runner.executor.handleFor(task))
      const left = await runner.executor.list()
      expect(left.filter(({ taskId }) => tasks.some((task) => task.taskId === taskId))).toEqual([])
    })

    test('fifty at once each tell their own end', async () => {
      const runner = await open()
      const tasks = Array.from({ length: 50 }, (_, index) =>
        runner.launch(shell(`echo ${index}; exit ${index}`)),
      )
      await Promise.all(tasks.map((task) => runner.executor.start(task)))
      const exits = await Promise.all(tasks.map((task) => runner.seen.exitOf(task)))
      expect(exits.map(({ cause, exitCode }) => [cause, exitCode])).toEqual(
        tasks.map((_, index) => ['exited', index]),
      )
      expect(tasks.map((task) => readFileSync(task.stdoutPath, 'utf8'))).toEqual(
        tasks.map((_, index) => `${index}\n`),
      )
      expect([runner.seen.started.length, runner.seen.exits.length]).toEqual([50, 50])
      expect(
        exits.filter(({ cpuTimeMs, peakMemoryBytes }) => cpuTimeMs === null || peakMemoryBytes === null),
      ).toEqual([])
    })

    test.each(['daemon-reload', 'daemon-reexec'])('a %s changes nothing', async (command) => {
      const runner = await open()
      const go = join(root, `go-${command}`)
      const [task, other] = [await runner.running(untilThere(go, 9)), await runner.running(untilThere(go, 0))]
      const pid = Number(await lineOf(task.stdoutPath))
      await systemctl(command)
      const late = await runner.running(shell('exec sleep 600'))
      expect([isRunning(pid), runner.seen.exits]).toEqual([true, []])
      expect((await propertiesOf(unitOf(task))).LoadState).toBe('loaded')
      writeFileSync(go, '')
      expect(await runner.seen.exitOf(task)).toMatchObject({ cause: 'exited', exitCode: 9 })
      expect(await runner.seen.exitOf(other)).toMatchObject({ cause: 'exited', exitCode: 0 })
      // also where no runner would have looked
      await waitFor('their records', () => hasRecord(task) && hasRecord(other))
      await runner.executor.kill(late.taskId, 1, 5_000)
      expect(await runner.seen.exitOf(late)).toMatchObject({ cause: 'killed' })
      expect([runner.seen.started.length, runner.seen.exits.length]).toEqual([3, 3])
    })

    test('what begins, runs or is killed while systemd executes itself anew is told once', async () => {
      const runner = await open()
      const go = join(root, 'go-anew')
      const going = await Promise.all(
        Array.from({ length: 10 }, (_, index) => runner.running(untilThere(go, index))),
      )
      const killed = await Promise.all(
        Array.from({ length: 10 }, () => runner.running(shell('exec sleep 600'))),
      )
      const begun = Array.from({ length: 20 }, (_, index) =>
        runner.launch(
          shell('echo ran; while [ ! -e "$1" ]; do sleep 0.02; done; exit "$2"', go, String(index)),
        ),
      )
      const reexec = systemctl('daemon-reexec')
      const starts = begun.map((task) => runner.executor.start(task))
      const kills = killed.map((task) => runner.executor.kill(task.taskId, 1, 5_000))
      await Promise.all([reexec, ...starts, ...kills])
      for (const task of begun) await lineOf(task.stdoutPath)
      writeFileSync(go, '')
      const endsOf = async (tasks: LaunchSpec[]) => {
        const exits = await Promise.all(tasks.map((task) => runner.seen.exitOf(task)))
        return exits.map(({ cause, exitCode, reason }) => [cause, exitCode, reason])
      }
      expect(await endsOf(going)).toEqual(going.map((_, index) => ['exited', index, null]))
      expect(await endsOf(killed)).toEqual(killed.map(() => ['killed', null, null]))
      expect(await endsOf(begun)).toEqual(begun.map((_, index) => ['exited', index, null]))
      expect(begun.map((task) => readFileSync(task.stdoutPath, 'utf8'))).toEqual(begun.map(() => 'ran\n'))
      expect([runner.seen.started.length, runner.seen.exits.length]).toEqual([40, 40])
    })

    test('what ends while systemd executes itself anew is told as it was', async () => {
      const runner = await open()
      const go = join(root, 'go-amid')
      const going = await Promise.all(
        Array.from({ length: 10 }, (_, index) => runner.running(untilThere(go, index))),
      )
      const begun = Array.from({ length: 10 }, (_, index) => runner.launch(shell(`echo ran; exit ${index}`)))
      const reexec = systemctl('daemon-reexec')
      const starts = begun.map((task) => runner.executor.start(task))
      writeFileSync(go, '')
      await Promise.all([reexec, ...starts])
      const exits = await Promise.all([...going, ...begun].map((task) => runner.seen.exitOf(task)))
      expect(exits.map(({ cause, exitCode }) => [cause, exitCode])).toEqual(
        exits.map((_, index) => ['exited', index % 10]),
      )
      expect(begun.map((task) => readFileSync(task.stdoutPath, 'utf8'))).toEqual(begun.map(() => 'ran\n'))
      expect(runner.seen.exits).toHaveLength(20)
    })

    test('a task outlives a runner that is ended by SIGKILL', async () => {
      const runner = await open()
      const go = join(root, 'go-outlive')
      const task = runner.launch(untilThere(go, 9))
      const program = `
        const { chosen } = await import(${JSON.stringify(new URL('./runner.ts', import.meta.url).href)})
        const { throughLauncher } = await import(${JSON.stringify(launcherSuite)})
        const { readBootId } = await import(${JSON.stringify(hardware)})
        const events = { onStarted() { process.kill(process.pid, 'SIGKILL') }, onExit() {} }
        const direct = chosen(...${JSON.stringify(flags)})
        const make = ${options.isThroughLauncher === true} ? throughLauncher(direct, () => ${JSON.stringify(root)}, 'worker') : direct
        const executor = await make({ events, now: Date.now, bootId: readBootId(), runnerId: 'runner-1', log() {} })
        await executor.start(${JSON.stringify(task)})
        setInterval(() => {}, 1000)`
      const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
        encoding: 'utf8',
      })
      expect([signal, stderr]).toEqual(['SIGKILL', ''])
      const pid = Number(await lineOf(task.stdoutPath))
      const found = await runner.executor.recover(runner.executor.handleFor(task))
      expect([found.state, isRunning(pid)]).toEqual(['running', true])
      writeFileSync(go, '')
      expect(await runner.seen.exitOf(task)).toMatchObject({ cause: 'exited', exitCode: 9 })
      await waitFor('the record', () => hasRecord(task))
    })
  })
}
