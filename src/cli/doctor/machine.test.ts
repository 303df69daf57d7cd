import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { RunnerFacts } from '../../platform/check-facts.ts'
import { processInfo, runnerFacts, systemdInfo, userFacts } from './facts.suite.ts'
import { leastNode, machineFindings, nodeFinding, sudoersLine } from './machine.ts'

/** The finding of an id, `status: found` and what to do. */
function find(facts: RunnerFacts, id: string): string {
  const found = machineFindings(facts).filter((finding) => finding.id === id)
  return found.map(({ status, found, fix }) => `${status}: ${found}${fix === null ? '' : `\n${fix}`}`).join()
}

const systemd = runnerFacts().systemd
const cgroup = runnerFacts().cgroup

it('finds nothing on a machine where all is well', () => {
  expect(machineFindings(runnerFacts()).map(({ id, status }) => `${id} ${status}`)).toEqual([
    'systemd ok',
    'systemd-connection ok',
    'cgroup ok',
    'executor ok',
    'task-user ok',
    'numactl ok',
  ])
})

it('holds Node to what package.json asks for', () => {
  const root = join(import.meta.dirname, '../../..')
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    engines: { node: string }
  }
  expect(engines.node).toBe(`>=${leastNode}`)
})

it.each([
  ['24.15.0', 'ok'],
  ['24.100.1', 'ok'],
  ['25.0.0', 'ok'],
  ['24.14.9', 'problem'],
  ['22.20.0', 'problem'],
])('Node %s is %s', (version, status) => expect(nodeFinding(version).status).toBe(status))

describe('systemd', () => {
  it.each([
    [257, 'ok: systemd 257 runs this machine'],
    [256, 'ok: systemd 256 runs this machine; private PIDs are made by unshare'],
    [252, 'ok: systemd 252 runs this machine; private PIDs are made by unshare'],
    [251, 'warning: systemd 251 runs this machine: older than any that is tested'],
    [null, 'not_checked: systemd runs this machine, but'],
  ])('%s', (version, found) => {
    expect(find(runnerFacts({ systemd: { ...systemd, version } }), 'systemd')).toContain(found)
  })
  it('is not process 1', () => {
    const facts = runnerFacts({ systemd: { ...systemd, pid1: 'bash', isRunning: false, socket: null } })
    expect(find(facts, 'systemd')).toMatch(/^warning: .*process 1 is bash.*\n.*plain processes/)
    expect(find(facts, 'systemd-connection')).toBe('')
  })
  it('does not answer', () => {
    const broken = { ...systemd, connectionProblem: 'connect ENOENT' }
    expect(find(runnerFacts({ systemd: broken }), 'systemd-connection')).toMatch(
      /^problem: .*\/run\/systemd\/private: connect ENOENT\n.*\n {2}systemctl status/,
    )
    // who has no sudo does not go there
    expect(find(userFacts({ systemd: broken }), 'systemd-connection')).toBe('')
    expect(find(userFacts({ systemd: broken, sudo: { problem: null } }), 'systemd-connection')).toMatch(
      /^problem: .*\n.*message bus/,
    )
  })
})

describe('control groups', () => {
  it.each([
    ['v2', ['cpu', 'memory', 'pids', 'cpuset'], 'ok: cgroup v2 with cpu, memory, pids and cpuset'],
    ['v2', ['cpu', 'memory', 'pids'], 'ok: cgroup v2 with cpu, memory and pids'],
    ['hybrid', ['cpu', 'memory', 'pids'], 'warning: cgroup v1 (hybrid) with cpu, memory and pids'],
    ['v1', ['cpu', 'memory', 'pids'], 'warning: cgroup v1 with cpu, memory and pids'],
    ['v2', ['cpu', 'pids'], 'problem: cgroup v2 with cpu and pids, without memory'],
    ['none', [], 'warning: there are no control groups'],
  ] as const)('%s with %j', (version, controllers, found) => {
    const facts = runnerFacts({ cgroup: { version, controllers: [...controllers] } })
    expect(find(facts, 'cgroup')).toContain(found)
  })
  it('says what to add to the command line of the kernel', () => {
    expect(find(runnerFacts({ cgroup: { ...cgroup, version: 'v1' } }), 'cgroup')).toContain(
      '\n  systemd.unified_cgroup_hierarchy=1',
    )
    expect(find(runnerFacts({ cgroup: { ...cgroup, controllers: ['cpu', 'pids'] } }), 'cgroup')).toContain(
      '\n  cgroup_enable=memory',
    )
  })
  it('is only a warning where nobody promises limits', () => {
    expect(find(userFacts({ cgroup: { ...cgroup, controllers: [] } }), 'cgroup')).toMatch(/^warning/)
  })
})

describe('an ordinary user', () => {
  it('is shown the line for sudoers', () => {
    expect(find(userFacts(), 'sudo')).toBe(
      [
        'warning: sudo systemd-run is refused: a password is required',
        'For enforced limits, let me use sudo for these two programs. As root:',
        `  echo '${sudoersLine('me')}' > /etc/sudoers.d/hakuriver`,
        '  chmod 440 /etc/sudoers.d/hakuriver && visudo -c',
      ].join('\n'),
    )
    expect(sudoersLine('me')).toBe('me ALL=(ALL) NOPASSWD: /usr/bin/systemd-run, /usr/bin/systemctl')
  })

  it('needs one of two ways', () => {
    const delegated = { isRunning: true, lingers: true, problem: null }
    const bySudo = userFacts({ sudo: { problem: null }, executor: systemdInfo })
    expect([find(bySudo, 'sudo'), find(bySudo, 'user-systemd')]).toEqual([
      'ok: sudo gives systemd-run and systemctl without a password',
      '',
    ])
    const byOwn = userFacts({ userManager: delegated, executor: { ...systemdInfo, name: 'systemd-user' } })
    expect(find(byOwn, 'sudo')).toMatch(/^ok: sudo is not needed/)
    expect(find(byOwn, 'user-systemd')).toMatch(/^ok/)
  })

  it.each([
    [
      { isRunning: false, lingers: false, problem: "the user's own systemd does not run" },
      'enable-linger me',
    ],
    [{ isRunning: true, lingers: true, problem: 'cpu is not delegated to the user' }, 'Delegate=cpu'],
  ])('whose own systemd is %j', (userManager, fix) => {
    expect(find(userFacts({ userManager }), 'user-systemd')).toContain(fix)
  })

  it('is not told of its own systemd where that cannot help', () => {
    expect(find(userFacts({ cgroup: { ...cgroup, version: 'hybrid' } }), 'user-systemd')).toBe('')
  })

  it('whose tasks would end at the logout', () => {
    const userManager = { isRunning: true, lingers: false, problem: null }
    const facts = userFacts({ userManager, executor: { ...systemdInfo, name: 'systemd-user' } })
    expect(find(facts, 'user-systemd')).toMatch(
      /^warning: .*logout.*\n.*\n {2}sudo loginctl enable-linger me/,
    )
  })
})

describe('the executor', () => {
  it('enforces limits or does not', () => {
    expect(find(runnerFacts(), 'executor')).toBe(
      'ok: a runner takes systemd: the runner is root; limits are enforced',
    )
    expect(find(userFacts(), 'executor')).toMatch(/^warning: a runner takes process: .*\n.*as root/)
    const systemdOff = { ...systemd, isRunning: false }
    expect(find(runnerFacts({ executor: processInfo, systemd: systemdOff }), 'executor')).toMatch(
      /Only systemd/,
    )
    const features = { privateNetwork: true, privatePids: false, numa: true }
    expect(find(runnerFacts({ executor: { ...systemdInfo, features } }), 'executor')).toMatch(
      /; no private PIDs$/,
    )
  })
  it('cannot work, or is not known', () => {
    expect(find(runnerFacts({ executor: { error: 'it needs root' } }), 'executor')).toMatch(
      /^problem: it needs root\n.*\n {2}\[runner\]\n {2}executor = "auto"/,
    )
    expect(find(runnerFacts({ executor: null }), 'executor')).toMatch(/^not_checked/)
    expect(find(runnerFacts({ config: null, executor: null }), 'executor')).toBe('')
  })
})

describe('the user of the tasks', () => {
  const user = { name: 'worker', exists: true, isNamed: true, isOwn: false, users: null, missing: [] }
  const mapped = { ...user, users: { alice: 'worker', '*': '=' } }
  it.each([
    [runnerFacts(), 'ok: tasks run as worker'],
    [
      runnerFacts({ taskUser: { ...user, isNamed: false, name: 'root', isOwn: true } }),
      'problem: nobody may run tasks here',
    ],
    [userFacts({ hasLauncher: true, taskUser: user }), 'ok: tasks run as worker'],
    [userFacts({ hasLauncher: true, taskUser: mapped }), 'ok: tasks run by [users]'],
    [
      userFacts({ hasLauncher: true, taskUser: { ...user, isNamed: false, name: 'me', isOwn: true } }),
      'problem: nobody may run tasks here',
    ],
    [runnerFacts({ taskUser: mapped }), 'ok: tasks run by [users]: alice as worker, * as the same'],
    [runnerFacts({ taskUser: { ...mapped, missing: ['carol'] } }), 'sudo useradd --create-home carol'],
    [runnerFacts({ taskUser: { ...user, users: {}, name: 'root', isOwn: true } }), '[users] is empty'],
    [runnerFacts({ taskUser: { ...user, exists: false } }), 'useradd --create-home worker'],
    [runnerFacts({ taskUser: { ...user, name: 'root', isOwn: true } }), 'problem: no task is run: as root'],
    [
      userFacts({ executor: systemdInfo, taskUser: { ...user, name: 'root' } }),
      'problem: no task is run: as root',
    ],
    [userFacts(), 'ok: tasks run as me'],
    [userFacts({ executor: systemdInfo }), 'warning: tasks run as me, who may use sudo'],
    [userFacts({ executor: systemdInfo, taskUser: user }), 'ok: tasks run as worker'],
    [userFacts({ taskUser: user }), 'problem: me cannot run tasks as worker'],
  ])('case %#: %s', (facts, found) => expect(find(facts, 'task-user')).toContain(found))
})

describe('numactl', () => {
  it.each([
    ['', null, 2, 'ok: numactl works; 2 NUMA nodes'],
    ['/opt/numactl', null, 1, 'ok: /opt/numactl works; 1 NUMA node'],
    ['', 'there is none', 1, 'ok: no numactl (there is none)'],
    ['', 'there is none', 2, 'warning: tasks cannot be bound to one of the 2 NUMA nodes'],
    ['/opt/numactl', 'there is none', 1, 'problem: numactl_path is /opt/numactl: there is none'],
  ])('at "%s", %s, %i', (path, trouble, numaNodes, found) => {
    expect(find(runnerFacts({ numactl: { path, problem: trouble, numaNodes } }), 'numactl')).toContain(found)
  })
})
