import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { spec } from '../../../core/builders.suite.ts'
import { attemptOfUnit, unitNameOf } from '../../../core/unit-name.ts'
import { type DbusValue, Variant } from '../../../platform/dbus/marshal.ts'
import { AttemptFiles } from '../attempt-files.ts'
import type { LaunchSpec } from '../executor.ts'
import type { SystemdOptions } from './options.ts'
import { Preparer } from './preparer.ts'
import { isPlainPath, systemdRunArguments, type UnitPlan, unitPattern, unitProperties } from './unit.ts'

const root = mkdtempSync(join(tmpdir(), 'hakuriver-unit-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const options: SystemdOptions = {
  info: {
    name: 'systemd-user',
    why: 'asked for',
    enforcesLimits: true,
    features: { privateNetwork: true, privatePids: true, numa: true },
  },
  openManager: () => Promise.reject(new Error('there is no systemd in this test')),
  runDir: join(root, 'run'),
  hasPrivatePids: true,
  tasksMax: 100,
  setsLimits: true,
  numactlPath: '',
}
const files = new AttemptFiles(options.runDir, 'runner-1')

function launchOf(wanted: Parameters<typeof spec>[0], overrides: Partial<LaunchSpec> = {}): LaunchSpec {
  const taskDir = join(root, 'tasks', '12-1')
  mkdirSync(taskDir, { recursive: true })
  return {
    taskId: 12,
    attempt: 1,
    owner: 'admin',
    spec: spec(wanted),
    numaId: null,
    extraEnv: {},
    taskDir,
    stdoutPath: join(root, '12.out'),
    stderrPath: join(root, '12.err'),
    defaultCwd: '/tmp',
    user: null,
    ...overrides,
  }
}

function prepare(launch: LaunchSpec, changes: Partial<SystemdOptions> = {}): UnitPlan {
  return new Preparer(
    { ...options, ...changes },
    files,
    '/run/hakuriver/tasks/recorder.sh',
    (taskId, attempt) => unitNameOf(taskId, attempt, 'runner-1'),
  ).prepare(launch, (unit) => `/hakuriver.slice/${unit}`)
}

function textsIn(value: DbusValue): string[] {
  if (typeof value === 'string') return [value]
  if (value instanceof Variant) return textsIn(value.value)
  return Array.isArray(value) ? value.flatMap(textsIn) : []
}

function propertiesOf(plan: UnitPlan): Map<string, DbusValue> {
  return new Map(
    unitProperties(plan).map((property) => {
      const [name, variant] = property as [string, Variant]
      return [name, variant.value]
    }),
  )
}

const plan: UnitPlan = {
  name: unitNameOf(12, 1, 'runner-1'),
  scriptPath: '/run/hakuriver/tasks/12-1/run.sh',
  recorderPath: '/run/hakuriver/tasks/recorder.sh',
  recordPath: '/state/tasks/12-1/record/exit',
  cgroup: '/hakuriver.slice/hakuriver-task-12-1-runner1.service',
  stdoutPath: '/shared/task_outputs/12.out',
  stderrPath: '/shared/task_errors/12.err',
  user: null,
  recordsAsRoot: false,
  cores: null,
  memoryBytes: null,
  timeoutMs: null,
  graceMs: 10_000,
  privateNetwork: false,
  privatePids: false,
  tasksMax: 100,
  privateTmp: false,
  boundPaths: [],
  hiddenPaths: [],
  dropsCapabilities: false,
}

describe('unit of a task', () => {
  /** A text that nothing of ours can hold by chance. */
  const userText = fc
    .tuple(fc.string({ unit: 'binary', maxLength: 10 }), fc.constantFrom('$', '%', "'", ' ', '\n', ''))
    .map(([text, odd]) => `${text.replaceAll('\0', '')}<given>${odd}`)

  test('nothing that the user gave stands in it, all of it in the script', () => {
    fc.assert(
      fc.property(
        userText,
        fc.array(userText, { maxLength: 4 }),
        fc.dictionary(fc.constantFrom('A', 'B'), userText),
        fc.option(userText.map((text) => `/${text}`)),
        fc.option(userText),
        (command, words, env, cwd, name) => {
          const launch = launchOf({ command, arguments: words, env, cwd, name })
          const made = prepare(launch)
          const told = [...unitProperties(made).flatMap(textsIn), ...systemdRunArguments(made), made.name]
          expect(told.filter((text) => text.includes('<given>'))).toEqual([])
          const script = readFileSync(files.scriptOf(launch), 'utf8')
          for (const text of [command, ...words]) expect(script).toContain(text.split("'")[0])
        },
      ),
      { numRuns: 100 },
    )
  })

  test('limits are those that were asked for, in both spellings', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
        fc.option(fc.integer({ min: 1, max: 10 * 365 * 86_400_000 })),
        (cores, memoryBytes, timeoutMs) => {
          const made = prepare(launchOf({ cores, memoryBytes, timeoutMs }))
          const properties = propertiesOf(made)
          const words = systemdRunArguments(made)
          expect(properties.get('CPUQuotaPerSecUSec')).toBe(BigInt(cores) * 1_000_000n)
          expect(words).toContain(`--property=CPUQuota=${cores * 100}%`)
          expect(properties.get('MemoryMax')).toBe(memoryBytes === null ? undefined : BigInt(memoryBytes))
          expect(properties.has('MemorySwapMax')).toBe(memoryBytes !== null)
          expect(words.includes(`--property=MemoryMax=${memoryBytes}`)).toBe(memoryBytes !== null)
          expect(properties.get('RuntimeMaxUSec')).toBe(
            timeoutMs === null ? undefined : BigInt(timeoutMs) * 1000n,
          )
          expect(words.includes(`--property=RuntimeMaxSec=${timeoutMs}ms`)).toBe(timeoutMs !== null)
        },
      ),
    )
  })

  test('where limits cannot be set there are none', () => {
    const made = prepare(launchOf({ cores: 4, memoryBytes: 1 }), { setsLimits: false })
    expect(made).toMatchObject({ cores: null, memoryBytes: null })
    expect([...propertiesOf(made).keys()].filter((name) => /Quota|Memory(Max|Swap)/.test(name))).toEqual([])
    expect(systemdRunArguments(made).join(' ')).not.toMatch(/CPUQuota|MemoryMax/)
  })

  test('a feature of the sandbox is set where it was asked for', () => {
    const asked: UnitPlan = {
      ...plan,
      privateNetwork: true,
      privatePids: true,
      user: 'nobody',
    }
    const properties = propertiesOf(asked)
    expect(properties.get('PrivateNetwork')).toBe(true)
    expect(properties.get('PrivatePIDs')).toBe('yes')
    expect(properties.get('User')).toBe('nobody')
    expect(properties.get('ExecStopPost')).toEqual([
      ['/bin/sh', ['/bin/sh', plan.recorderPath, plan.recordPath, plan.cgroup], true],
    ])
    const words = systemdRunArguments(asked)
    expect(words).toContain('--property=PrivateNetwork=yes')
    expect(words).toContain('--property=PrivatePIDs=yes')
    expect(words).toContain('--property=User=nobody')
    expect(words).toContain(
      `--property=ExecStopPost=-/bin/sh ${plan.recorderPath} ${plan.recordPath} ${plan.cgroup}`,
    )
    expect([...propertiesOf(plan).keys()].filter((name) => /Private|User/.test(name))).toEqual([])
  })

  test('what surrounds a task is in both spellings, and each part only where it was asked for', () => {
    const asked: UnitPlan = {
      ...plan,
      privateTmp: true,
      boundPaths: ['/tmp/hakuriver'],
      hiddenPaths: ['/var/lib/hakuriver', '/etc/hakuriver'],
      dropsCapabilities: true,
    }
    const properties = propertiesOf(asked)
    expect(properties.get('PrivateTmp')).toBe(true)
    expect(properties.get('BindPaths')).toEqual([['/tmp/hakuriver', '/tmp/hakuriver', true, 0x4000n]])
    expect(properties.get('InaccessiblePaths')).toEqual(['-/var/lib/hakuriver', '-/etc/hakuriver'])
    expect([properties.get('CapabilityBoundingSet'), properties.get('AmbientCapabilities')]).toEqual([0n, 0n])
    expect(properties.get('TasksMax')).toBe(100n)
    expect(properties.get('NoNewPrivileges')).toBe(true)
    expect(systemdRunArguments(asked)).toEqual(
      expect.arrayContaining([
        '--property=PrivateTmp=yes',
        '--property=BindPaths=-/tmp/hakuriver',
        '--property=InaccessiblePaths=-/var/lib/hakuriver',
        '--property=InaccessiblePaths=-/etc/hakuriver',
        '--property=CapabilityBoundingSet=',
        '--property=AmbientCapabilities=',
        '--property=TasksMax=100',
        '--property=NoNewPrivileges=yes',
      ]),
    )
    const parts = /Private(Tmp)|BindPaths|Inaccessible|Capabilit/
    expect([...propertiesOf(plan).keys()].filter((name) => parts.test(name))).toEqual([])
    expect(systemdRunArguments(plan).filter((word) => parts.test(word))).toEqual([])
  })

  test('a user goes for the start alone where the record needs more rights', () => {
    const asked: UnitPlan = { ...plan, user: 'nobody', recordsAsRoot: true }
    expect(propertiesOf(asked).get('PermissionsStartOnly')).toBe(true)
    expect(systemdRunArguments(asked)).toContain('--property=PermissionsStartOnly=yes')
    expect(propertiesOf(plan).has('PermissionsStartOnly')).toBe(false)
  })

  test('it runs the script and nothing else', () => {
    expect(propertiesOf(plan).get('ExecStart')).toEqual([['/bin/sh', ['/bin/sh', plan.scriptPath], false]])
    expect(systemdRunArguments(plan).slice(-3)).toEqual(['--', '/bin/sh', plan.scriptPath])
    expect(systemdRunArguments(plan)).toContain(`--unit=${plan.name}`)
  })

  test('private PIDs come from unshare where systemd has none', () => {
    const launch = launchOf({ privatePids: true })
    const made = prepare(launch, { hasPrivatePids: false })
    expect(made.privatePids).toBe(false)
    // before anything of the user's is read
    expect(readFileSync(made.scriptPath, 'utf8')).toMatch(/^exec unshare --pid .* \/bin\/sh \S+\/run\.sh\n$/)
    expect(readFileSync(files.scriptOf(launch), 'utf8')).not.toContain('unshare')
  })

  test('what a node does not have is refused', () => {
    const info = { ...options.info, features: { privateNetwork: false, privatePids: false, numa: false } }
    expect(() => prepare(launchOf({ privateNetwork: true }), { info })).toThrow(/private network/)
    expect(() => prepare(launchOf({ privatePids: true }), { info })).toThrow(/private PIDs/)
    expect(() => prepare(launchOf({}, { numaId: 0 }), { info })).toThrow(/numactl/)
    expect(() => prepare(launchOf({}, { numaId: 4_000 }))).toThrow(/NUMA node 4000/)
    expect(() => prepare(launchOf({}, { stdoutPath: '/a b' }))).toThrow('"/a b"')
    expect(() => prepare(launchOf({}, { user: 'no-such-user-here' }))).not.toThrow(TypeError)
  })
})

describe('a leased attempt', () => {
  const leased = (attempt: number, lease: string | null) => {
    const preparer = new Preparer(options, files, '/run/hakuriver/tasks/recorder.sh', () => 'u.service')
    preparer.lease = lease
    return preparer.prepare(launchOf({ requeue: 1 }, { attempt }), (unit) => `/hakuriver.slice/${unit}`)
  }
  const namesOf = (plan: UnitPlan) => unitProperties(plan).map((property) => (property as DbusValue[])[0])

  test('starts only with its lease, and is stopped with it', () => {
    const plan = leased(1, 'hakuriver-lease-1.slice')
    expect(unitProperties(plan)).toContainEqual(['Requisite', new Variant('as', ['hakuriver-lease-1.slice'])])
    expect(namesOf(plan)).toContain('After')
  })

  test('is refused where there is no fence; the last one needs none', () => {
    expect(() => leased(1, null)).toThrow('cannot end it by itself')
    expect(namesOf(leased(2, null))).not.toContain('Requisite')
  })
})

describe('unit names', () => {
  test('tell the attempt, and only our own do', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 999_999_999 }), (taskId, attempt) => {
        const name = unitNameOf(taskId, attempt, 'AB-12cd-34ef')
        expect(attemptOfUnit(name)).toEqual({ taskId, attempt, mark: 'ab12cd34' })
      }),
    )
    for (const name of [
      '',
      'ssh.service',
      'hakuriver-task-1.service',
      'hakuriver-task-1-1.service',
      'hakuriver-task-1-1-.service',
      'hakuriver-task-a-1.service',
      'xhakuriver-task-1-1.service',
    ]) {
      expect(attemptOfUnit(name)).toBeNull()
    }
    expect(unitNameOf(1, 1, 'a').startsWith(unitPattern.split('*')[0] ?? '?')).toBe(true)
  })

  test('a path may stand in a unit if nothing in it means anything there', () => {
    for (const path of ['/', '/a/b-c_d.e', '/srv/user@host', '/1,2+3=4:5'])
      expect(isPlainPath(path)).toBe(true)
    for (const path of [
      '',
      'a',
      './a',
      '/a b',
      '/a%h',
      '/a$b',
      "/a'b",
      '/a"b',
      '/a\\b',
      '/a\n',
      '/ä',
      '/a;b',
    ]) {
      expect(isPlainPath(path)).toBe(false)
    }
  })
})
