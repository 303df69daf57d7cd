/**
 * Whatever a runner that is in the wrong hands may send: what the launcher hands to systemd is one of its own units,
 * it writes where it is to write, and it goes on. More inputs with HAKURIVER_FUZZ_RUNS.
 */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { duplexPair } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../core/errors.ts'
import { usualUidMin } from '../../core/local-user.ts'
import { runnerMark } from '../../core/unit-name.ts'
import type { DbusValue, Variant } from '../../platform/dbus/marshal.ts'
import { ownUserName } from '../../platform/own-user.ts'
import { waitFor } from '../../platform/wait.ts'
import type { UnitManager } from '../executors/systemd/manager.ts'
import { SystemdExecutor } from '../executors/systemd/systemd.ts'
import { systemdRunArguments, type UnitPlan, unitProperties } from '../executors/systemd/unit.ts'
import { findUser } from '../users.ts'
import type { LauncherConfig } from './config.ts'
import { requestBytes } from './messages.ts'
import { Places } from './places.ts'
import { serve } from './serve.ts'
import { LauncherServer } from './server.ts'

const runs = Number(process.env.HAKURIVER_FUZZ_RUNS ?? 6_000)
const isRoot = process.getuid?.() === 0
const launcherId = 'a1b2c3d4-fuzz'
/** Whom tasks may be, by the launcher's configuration. */
const users = isRoot ? { alice: 'nobody', bob: 'daemon', root: '=', zero: 'root0' } : { alice: ownUserName() }
const mayBe = new Set<string>(isRoot ? ['nobody', 'daemon'] : [ownUserName()])

let root = ''
let places: Places
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'hakuriver-fuzz-'))
  chmodSync(root, 0o755)
  for (const name of ['run', 'state', 'work', 'canary']) mkdirSync(join(root, name))
  writeFileSync(join(root, 'canary', 'file'), 'untouched')
  places = new Places({
    ...{
      runDir: join(root, 'run'),
      stateDir: join(root, 'state'),
      sharedDir: null,
      gid: process.getgid?.() ?? 0,
    },
  })
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const config = (): LauncherConfig => ({
  ...{ nodeName: 'n1', runnerUser: 'hakuriver', stateDir: join(root, 'state'), sharedDir: null },
  ...{ localTempDir: join(root, 'work'), numactlPath: '', users, taskUser: null },
  ...{ privateTmp: true, tasksMax: 777, logLimitBytes: 1_000 },
})

/** Takes every plan, and runs none. */
class Recorder implements UnitManager {
  readonly plans: UnitPlan[] = []
  start(plan: UnitPlan): Promise<never> {
    this.plans.push(plan)
    return Promise.reject(new AppError('unavailable', 'nothing is run in this test'))
  }
  stop(): Promise<boolean> {
    return Promise.resolve(false)
  }
  killAll(): Promise<void> {
    return Promise.resolve()
  }
  list(): Promise<Set<string>> {
    return Promise.resolve(
      new Set(['hakuriver-task-1-1-a1b2c3d4.service', 'hakuriver-task-1-1-other.service']),
    )
  }
  look(): Promise<null> {
    return Promise.resolve(null)
  }
  cgroupOf(name: string): string {
    return `/hakuriver.slice/${name}`
  }
  openFence() {
    return Promise.resolve({ now: () => 1, deadlineMs: null, arm: () => Promise.resolve() })
  }
  close(): void {}
}

async function open(recorder: Recorder, send: (line: string) => void, hasPrivatePids = true) {
  return LauncherServer.open({
    ...{ config: config(), places, send, now: Date.now, bootId: 'boot-1', launcherId },
    rights: {
      ...{ node: 'n1', ownUser: ownUserName(), canSwitch: isRoot, deniesRest: true, keptUser: 'hakuriver' },
      ...{ uidMin: usualUidMin, find: (name) => (name === 'root0' ? { uid: 0 } : findUser(name)) },
    },
    openExecutor: (deps) =>
      SystemdExecutor.open(
        {
          info: {
            ...{ name: 'systemd', why: 'a test', enforcesLimits: true },
            features: { privateNetwork: true, privatePids: true, numa: true },
          },
          openManager: () => Promise.resolve(recorder),
          sandbox: { privateTmp: true, boundPaths: [], hiddenPaths: ['/etc/hakuriver'] },
          ...{ runDir: places.scripts, hasPrivatePids, tasksMax: 777, setsLimits: true, numactlPath: '' },
        },
        deps,
      ),
  })
}

const propertyNames = new Set(
  (
    'Description Type Slice DefaultDependencies Conflicts Before CollectMode ExecStart ExecStopPost KillMode ' +
    'TimeoutStopUSec OOMPolicy TasksMax CPUAccounting MemoryAccounting NoNewPrivileges IgnoreSIGPIPE ' +
    'StandardOutputFileToAppend StandardErrorFileToAppend User PermissionsStartOnly CPUQuotaPerSecUSec MemoryMax ' +
    'MemorySwapMax RuntimeMaxUSec PrivateNetwork PrivatePIDs PrivateTmp InaccessiblePaths CapabilityBoundingSet ' +
    'AmbientCapabilities Requisite After'
  ).split(' '),
)
const wordNames = new Set(
  (
    'Type Slice DefaultDependencies Conflicts Before CollectMode ExecStopPost KillMode TimeoutStopSec OOMPolicy ' +
    'TasksMax CPUAccounting MemoryAccounting NoNewPrivileges IgnoreSIGPIPE StandardOutput StandardError User ' +
    'PermissionsStartOnly CPUQuota MemoryMax MemorySwapMax RuntimeMaxSec PrivateNetwork PrivatePIDs PrivateTmp ' +
    'InaccessiblePaths CapabilityBoundingSet AmbientCapabilities'
  ).split(' '),
)

/** Everything that a plan says, against what the ids alone allow. */
function checkPlan(plan: UnitPlan): void {
  const [, taskId, attempt] = /^hakuriver-task-(\d{1,16})-(\d{1,9})-a1b2c3d4\.service$/.exec(plan.name) ?? []
  expect(plan.name).toBe(`hakuriver-task-${taskId}-${attempt}-${runnerMark(launcherId)}.service`)
  const dir = join(places.scripts, `${taskId}-${attempt}-${runnerMark(launcherId)}`)
  const begins = plan.scriptPath === join(dir, 'enter.sh') ? 'enter.sh' : 'run.sh'
  const scriptPath = join(dir, begins)
  const recordPath = join(places.attempts, `${taskId}-${attempt}`, 'record', 'exit')
  const properties = new Map(
    unitProperties(plan).map((property) => {
      const [name, variant] = property as [string, Variant]
      return [name, variant.value] as const
    }),
  )
  for (const name of properties.keys()) expect(propertyNames).toContain(name)
  const recorder = [
    '/bin/sh',
    join(places.scripts, 'recorder.sh'),
    recordPath,
    `/hakuriver.slice/${plan.name}`,
  ]
  expect(Object.fromEntries(properties)).toMatchObject({
    Description: 'HakuRiver task',
    Slice: 'hakuriver.slice',
    ExecStart: [['/bin/sh', ['/bin/sh', scriptPath], false]],
    ExecStopPost: [['/bin/sh', recorder, true]],
    StandardOutputFileToAppend: join(root, `state/logs/task_outputs/${taskId}.out`),
    StandardErrorFileToAppend: join(root, `state/logs/task_errors/${taskId}.err`),
    NoNewPrivileges: true,
    TasksMax: 777n,
    PrivateTmp: true,
  })
  checkUser(plan, properties, dir)
  for (const word of systemdRunArguments(plan)) {
    const [, name] = /^--property=(\w+)=/.exec(word) ?? []
    if (name !== undefined) expect(wordNames).toContain(name)
    else
      expect([
        '--quiet',
        '--no-ask-password',
        `--unit=${plan.name}`,
        '--description=HakuRiver task',
        '--',
        '/bin/sh',
        scriptPath,
      ]).toContain(word)
  }
}

/** Either the unit is of the user, or its first words, which are all ours, make it so. */
function checkUser(plan: UnitPlan, properties: ReadonlyMap<string, DbusValue>, dir: string): void {
  if (plan.scriptPath.endsWith('run.sh')) {
    expect(mayBe).toContain(properties.get('User'))
    expect(properties.get('CapabilityBoundingSet')).toBe(0n)
    return
  }
  const [last = '', ...rest] = readFileSync(plan.scriptPath, 'utf8').trimEnd().split('\n').reverse()
  const uid =
    /--reuid=(\d+) --regid=\d+ --init-groups --inh-caps=-all --bounding-set=-all -- \/bin\/sh (\S+)$/.exec(
      last,
    )
  expect(last).toMatch(/^exec unshare --pid --fork --mount-proc --kill-child -- setpriv --reuid=\d+ /)
  expect([rest, uid?.[2]]).toEqual([[], join(dir, 'run.sh')])
  expect(Number(uid?.[1])).toBeGreaterThan(0)
}

/** Only what is named here may lie below the test's directory, and the canary is as it was. */
function checkFiles(): void {
  const allowed = [
    /^(run|state|work|canary|run\/tasks|run\/launcher|state\/logs|state\/logs\/task_(outputs|errors))$/,
    /^canary\/file$/,
    /^run\/tasks\/recorder\.sh$/,
    /^run\/tasks\/\d{1,16}-\d{1,9}-a1b2c3d4(\/(run\.sh|enter\.sh|ran|note))?$/,
    /^run\/launcher\/\d{1,16}-\d{1,9}(\/(kept\.json|record|record\/kill))?$/,
    /^state\/logs\/task_(outputs\/\d{1,16}\.out|errors\/\d{1,16}\.err)(\.cut)?$/,
  ]
  const found = readdirSync(root, { recursive: true, withFileTypes: true })
  for (const entry of found) {
    const path = relative(root, join(entry.parentPath, entry.name))
    if (!allowed.some((each) => each.test(path))) expect(path).toBe('nowhere else')
  }
  expect(readFileSync(join(root, 'canary', 'file'), 'utf8')).toBe('untouched')
}

/** What is still in use when all else is let go. */
function memoryHeld(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function tidy(): void {
  for (const dir of [
    places.scripts,
    places.attempts,
    join(root, 'state/logs/task_outputs'),
    join(root, 'state/logs/task_errors'),
  ])
    for (const name of readdirSync(dir))
      if (name !== 'recorder.sh') rmSync(join(dir, name), { recursive: true })
}

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    ...[
      null,
      true,
      false,
      0,
      -1,
      1.5,
      1e21,
      2 ** 53,
      '',
      '0',
      'root',
      '=',
      '*',
      '..',
      '../../canary/file',
      '/etc/passwd',
    ],
    ...[
      '%h',
      '$(id)',
      '\0',
      '\n',
      'a\nUser=root',
      "'",
      '\ud800',
      [],
      {},
      [[]],
      { uid: 0 },
      'ExecStart=/bin/id',
      'x'.repeat(200_000),
    ],
  ),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown>,
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.integer(),
)
const id = fc.record({ taskId: fc.integer({ min: 0, max: 20 }), attempt: fc.integer({ min: 1, max: 3 }) })
const owner = fc.constantFrom('alice', 'alice', 'alice', 'bob', 'bob', 'root', 'zero', 'mallory', 'hakuriver')
const text = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.string({ unit: 'grapheme', maxLength: 30 }).map((word) => word.replaceAll('\0', '')),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
  fc.constantFrom("'; id #", '%h', '-x', '$HOME'),
)
const valid = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        id,
        owner,
        fc.record({
          command: text.filter((word) => word !== ''),
          arguments: fc.array(text, { maxLength: 3 }),
          env: fc.dictionary(fc.constantFrom('A', 'B', 'PATH', 'LD_PRELOAD', 'C', 'IFS', 'b c'), text, {
            noNullPrototype: true,
            maxKeys: 2,
          }),
          cwd: fc.option(text.map((word) => `/${word}`)),
          cores: fc.integer({ min: 1, max: 200 }),
          memoryBytes: fc.option(fc.integer({ min: 1 })),
          timeoutMs: fc.option(fc.integer({ min: 1 })),
          privateNetwork: fc.boolean(),
          privatePids: fc.boolean(),
        }),
        fc.dictionary(fc.constantFrom('HAKURIVER_TASK_ID', 'X', 'Y', 'Z', 'b;c'), text, {
          noNullPrototype: true,
          maxKeys: 2,
        }),
        fc.constantFrom(null, null, null, null, null, null, 0, 9),
        fc.option(
          fc.dictionary(fc.constantFrom('KEY', 'A', 'T'), text, { noNullPrototype: true, maxKeys: 2 }),
        ),
      )
      .map(([ids, owner, spec, extraEnv, numaId, secrets]) => ({
        ...{ op: 'start', ...ids, owner, spec, extraEnv, numaId },
        ...(secrets !== null && { secrets }),
      })),
  },
  id.chain((ids) => fc.constantFrom('recover', 'left', 'collect').map((op) => ({ op, ...ids }))),
  id.map((ids) => ({ op: 'kill', ...ids, graceMs: 1 })),
  fc.array(id, { maxLength: 3 }).map((attempts) => ({ op: 'usage', attempts })),
  fc.constant({ op: 'list' }),
  fc.integer({ min: 0, max: 1e9 }).map((deadlineMs) => ({ op: 'arm', deadlineMs })),
  id.map(({ taskId }) => ({ op: 'left', taskId, attempt: 1 })),
)

/** The same with one thing in it put in the place of another, taken out or added. */
const mutated = fc
  .tuple(valid, fc.nat(), odd, fc.constantFrom('put', 'remove', 'add', 'none', 'none', 'none'))
  .map(([request, at, value, how]) => {
    const copy = JSON.parse(JSON.stringify(request)) as Record<string, unknown>
    const places: [Record<string, unknown>, string][] = []
    const walk = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return
      const fields = node as Record<string, unknown>
      for (const key of Object.keys(fields)) {
        places.push([fields, key])
        walk(fields[key])
      }
    }
    walk(copy)
    const [fields, key] = places[at % places.length] ?? [copy, 'op']
    if (how === 'put') fields[key] = value
    if (how === 'remove') delete fields[key]
    if (how === 'add') fields[`${key}2`] = value
    return copy
  })

const line = fc.oneof(
  { weight: 8, arbitrary: mutated.map((request) => JSON.stringify({ n: 1, ...request })) },
  { weight: 1, arbitrary: odd.map((value) => JSON.stringify(value) ?? 'undefined') },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }).map((raw) => raw.replaceAll('\n', '')) },
)

describe('the launcher', () => {
  test.each([true, false])(
    'makes only units of its own, whatever it is asked (PIDs by systemd: %s)',
    async (hasPids) => {
      const recorder = new Recorder()
      const answers: string[] = []
      const server = await open(recorder, (told) => answers.push(told), hasPids)
      await server.take(JSON.stringify({ n: 0, op: 'open', version: 1 }))
      let made = 0
      let count = 0
      const memoryBefore = memoryHeld()
      await fc.assert(
        fc.asyncProperty(line, async (asked) => {
          answers.length = 0
          await server.take(asked)
          for (const plan of recorder.plans.splice(0)) {
            checkPlan(plan)
            made += 1
          }
          const own = answers.map((each) => JSON.parse(each)).filter((each) => !('event' in each))
          expect(own).toHaveLength(1)
          expect(own[0].error?.code).not.toBe('internal')
          count += 1
          if (count % 500 === 0) {
            checkFiles()
            tidy()
          }
        }),
        { numRuns: runs },
      )
      checkFiles()
      expect(made).toBeGreaterThan(runs / 20)
      expect(memoryHeld() - memoryBefore).toBeLessThan(32 * 1024 * 1024)
      await server.close()
    },
  )

  test('takes a stream of any bytes in any parts, and hangs up on a line without an end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), async (parts) => {
        const recorder = new Recorder()
        const [near, far] = duplexPair()
        const served = serve({ stream: far, log: () => {}, open: (send) => open(recorder, send) })
        for (const part of parts) near.write(part)
        near.end()
        near.resume()
        await served
        expect(recorder.plans).toEqual([])
      }),
      { numRuns: 200 },
    )
    const [near, far] = duplexPair()
    const said: string[] = []
    const served = serve({
      stream: far,
      log: (told) => said.push(told),
      open: (send) => open(new Recorder(), send),
    })
    near.on('error', () => {})
    near.resume()
    const part = Buffer.alloc(1024 * 1024, 'x')
    await waitFor('it hangs up', () => {
      if (!far.destroyed) near.write(part)
      return far.destroyed
    })
    await served
    expect(said.join()).toContain(`longer than ${requestBytes} bytes`)
  })

  test('does nothing before it was opened, and speaks one version', async () => {
    const recorder = new Recorder()
    const answers: string[] = []
    const server = await open(recorder, (told) => answers.push(told))
    await server.take(JSON.stringify({ n: 1, op: 'list' }))
    await server.take(JSON.stringify({ n: 2, op: 'open', version: 2 }))
    expect(answers.map((each) => JSON.parse(each).error?.message)).toEqual([
      'the first request is to open the launcher',
      'the launcher speaks version 1, and the runner 2: start both anew after an update',
    ])
    await server.close()
  })
})
