/** Judges what a machine gives to a runner. Pure: facts in, findings out. */
import type { RunnerFacts } from '../../platform/check-facts.ts'
import { advice, type Finding, listed, notChecked, ok, problem, warning } from './finding.ts'

/** The oldest Node that the programs are tested with, as package.json has it. */
export const leastNode = '24.15'
/** Of systemd, the oldest that is tested, and the first that has PrivatePIDs=. */
const leastSystemd = 252
const privatePidsSystemd = 257

/** `version` is like `24.21.0`. */
export function nodeFinding(version: string): Finding {
  if (!isOlder(version, leastNode)) return ok('node-version', `Node ${version}`)
  return problem(
    'node-version',
    `Node ${version} is older than ${leastNode}`,
    advice('Install a newer one, or start hakuriver with one:', 'https://nodejs.org/en/download'),
  )
}

function isOlder(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number)
  return major < leastMajor || (major === leastMajor && minor < leastMinor)
}

/** Everything about this machine, in the order in which one thing rests on another. */
export function machineFindings(facts: RunnerFacts): Finding[] {
  return [
    systemdFinding(facts),
    ...connectionFindings(facts),
    cgroupFinding(facts),
    ...sudoFindings(facts),
    ...userManagerFindings(facts),
    ...executorFindings(facts),
    ...taskUserFindings(facts),
    ...numactlFindings(facts),
  ]
}

export function systemdFinding({ systemd, user, hasLauncher }: RunnerFacts): Finding {
  const { isRunning, pid1, version } = systemd
  if (!isRunning) {
    return warning(
      'systemd',
      `systemd does not run this machine (process 1 is ${pid1})`,
      'Tasks run as plain processes here: cores and memory are counted, but not enforced. For enforced limits, take a machine that systemd has booted.',
    )
  }
  if (version === null || version === 0)
    return notChecked('systemd', 'systemd runs this machine, but systemctl does not tell its version')
  if (version < leastSystemd) {
    return warning(
      'systemd',
      `systemd ${version} runs this machine: older than any that is tested`,
      `Upgrade to ${leastSystemd} or newer. Until then, try each kind of task before you rely on it.`,
    )
  }
  if (version >= privatePidsSystemd) return ok('systemd', `systemd ${version} runs this machine`)
  const pids =
    user.isRoot || hasLauncher
      ? 'private PIDs are made by unshare'
      : `private PIDs need ${privatePidsSystemd}`
  return ok('systemd', `systemd ${version} runs this machine; ${pids}`)
}

/** The way by which units are started and watched: root has systemd's socket, sudo needs the message bus. */
export function connectionFindings({ systemd, user, sudo }: RunnerFacts): Finding[] {
  const { socket, connectionProblem } = systemd
  if (socket === null) return []
  const id = 'systemd-connection'
  if (connectionProblem === null) return [ok(id, `systemd answers at ${socket}`)]
  const found = `systemd cannot be reached at ${socket}: ${connectionProblem}`
  if (user.isRoot)
    return [problem(id, found, advice('No task can be started. See how systemd is:', 'systemctl status'))]
  // without sudo nobody asks there
  if (sudo?.problem !== null) return []
  const fix = advice(
    'Through sudo, tasks are watched by the message bus. Install and start it:',
    'sudo apt-get install dbus && sudo systemctl start dbus',
  )
  return [problem(id, found, fix)]
}

const needed = ['cpu', 'memory', 'pids']

export function cgroupFinding({ cgroup, executor, systemd }: RunnerFacts): Finding {
  const id = 'cgroup'
  const { version, controllers } = cgroup
  if (version === 'none') {
    const fix = 'Nothing bounds what a task takes. In a container, give it a control group of its own.'
    return warning(id, 'there are no control groups', fix)
  }
  const missing = needed.filter((name) => !controllers.includes(name))
  const name = version === 'hybrid' ? 'cgroup v1 (hybrid)' : `cgroup ${version}`
  const found = `${name} with ${controllers.length === 0 ? 'no controllers' : listed(controllers)}`
  if (missing.length > 0) {
    const fix = advice(
      'Limits are not enforced for what is missing. Where the kernel has it switched off, add to its command line and reboot:',
      missing.map((each) => `cgroup_enable=${each}`).join(' '),
    )
    const promises = executor !== null && 'enforcesLimits' in executor && executor.enforcesLimits
    return (promises ? problem : warning)(id, `${found}, without ${listed(missing)}`, fix)
  }
  if (version === 'v2' || !systemd.isRunning) return ok(id, found)
  const fix = advice(
    "Limits hold for runners that are root or use sudo; a user's own systemd cannot set them, and the CPU time of a task may be unknown. For cgroup v2, add to the kernel's command line and reboot:",
    'systemd.unified_cgroup_hierarchy=1',
  )
  return warning(id, found, fix)
}

/** The line for sudoers(5) that lets a user start units. */
export function sudoersLine(user: string): string {
  return `${user} ALL=(ALL) NOPASSWD: /usr/bin/systemd-run, /usr/bin/systemctl`
}

export function sudoFindings({ sudo, systemd, user, userManager }: RunnerFacts): Finding[] {
  if (sudo === null || !systemd.isRunning) return []
  const id = 'sudo'
  if (sudo.problem === null) return [ok(id, 'sudo gives systemd-run and systemctl without a password')]
  if (userManager?.problem === null)
    return [ok(id, `sudo is not needed: ${user.name}'s own systemd sets limits`)]
  const fix = advice(
    `For enforced limits, let ${user.name} use sudo for these two programs. As root:`,
    `echo '${sudoersLine(user.name)}' > /etc/sudoers.d/hakuriver`,
    'chmod 440 /etc/sudoers.d/hakuriver && visudo -c',
  )
  return [warning(id, sudo.problem, fix)]
}

export function userManagerFindings(facts: RunnerFacts): Finding[] {
  const { userManager, systemd, user, sudo, executor, cgroup } = facts
  // on cgroup v1 it cannot set limits, whatever is done: that is said of the control groups
  if (userManager === null || !systemd.isRunning || cgroup.version !== 'v2') return []
  const id = 'user-systemd'
  const linger = `sudo loginctl enable-linger ${user.name}`
  const isUsed = executor !== null && 'name' in executor && executor.name === 'systemd-user'
  if (userManager.problem === null) {
    if (userManager.lingers || !isUsed) return [ok(id, `${user.name}'s own systemd sets limits`)]
    return [
      warning(
        id,
        `${user.name}'s own systemd ends at the logout, and the tasks with it`,
        advice('Let it go on:', linger),
      ),
    ]
  }
  if (sudo?.problem === null && !isUsed) return []
  const found = `${user.name}'s own systemd sets no limits: ${userManager.problem}`
  if (!userManager.isRunning)
    return [warning(id, found, advice('Sudo (above) is enough alone. Or start it for good:', linger))]
  const dropIn = '/etc/systemd/system/user@.service.d'
  const fix = advice(
    'Sudo (above) is enough alone. Or hand control on, and log in again:',
    `sudo mkdir -p ${dropIn}`,
    `printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee ${dropIn}/delegate.conf`,
    'sudo systemctl daemon-reload',
  )
  return [warning(id, found, fix)]
}

export function executorFindings({ executor, config, user, systemd }: RunnerFacts): Finding[] {
  const id = 'executor'
  if (config === null) return []
  if (executor === null) return [notChecked(id, 'which executor a runner takes was not known in time')]
  if ('error' in executor) {
    const fix = advice(
      'Put right what it needs, or let the runner take the strongest that works, in config.toml:',
      '[runner]',
      'executor = "auto"',
    )
    return [problem(id, executor.error, fix)]
  }
  const { name, why, enforcesLimits, features } = executor
  const found = `a runner takes ${name}: ${why}`
  if (!enforcesLimits) {
    const isHelpless = user.isRoot || !systemd.isRunning
    const how = isHelpless
      ? 'Only systemd enforces them.'
      : 'Start the runner as root, or do what is said above.'
    return [
      warning(id, found, `Cores and memory are counted, but a task can take more than it asked for. ${how}`),
    ]
  }
  const lacks = [
    ...(features.privateNetwork ? [] : ['private networks']),
    ...(features.privatePids ? [] : ['private PIDs']),
  ]
  return [ok(id, `${found}; limits are enforced${lacks.length === 0 ? '' : `; no ${listed(lacks)}`}`)]
}

export function taskUserFindings({ taskUser, user, executor, hasLauncher }: RunnerFacts): Finding[] {
  if (taskUser === null) return []
  const id = 'task-user'
  const { name, exists, isNamed, isOwn, users, missing } = taskUser
  const another = ['[runner]', 'task_user = "NAME"']
  if ((user.isRoot || hasLauncher) && !isNamed) {
    const fix = advice(
      'Say in config.toml whom they run as ("*" is everybody):',
      ...['[users]', 'admin = "NAME"'],
    )
    return [problem(id, 'nobody may run tasks here: no user of HakuRiver is mapped to a local one', fix)]
  }
  if (users !== null) {
    const map = Object.entries(users).map(([from, to]) => `${from} as ${to === '=' ? 'the same' : to}`)
    if (map.length === 0 && isOwn)
      return [
        problem(id, 'nobody may run tasks here: [users] is empty', advice('Add to it:', 'admin = "NAME"')),
      ]
    const [lost] = missing
    if (lost === undefined) return [ok(id, `tasks run by [users]: ${map.join(', ')}`)]
    const fix = advice('Make them, or name others in config.toml:', `sudo useradd --create-home ${lost}`)
    return [problem(id, `[users] names ${listed(missing)}, whom /etc/passwd does not have`, fix)]
  }
  if (!exists) {
    const fix = advice('Make it, or name another in config.toml:', `sudo useradd --create-home ${name}`)
    return [problem(id, `tasks shall run as ${name}, but there is no such user in /etc/passwd`, fix)]
  }
  const bySystemd = executor !== null && 'name' in executor && executor.name === 'systemd'
  if (name === 'root') {
    const fix = advice('Name another user in config.toml, or in [users] the one who may:', ...another)
    return [problem(id, 'no task is run: as root only those of a user whom [users] maps to it by name', fix)]
  }
  if (user.isRoot || hasLauncher) return [ok(id, `tasks run as ${name}`)]
  if (isOwn && bySystemd) {
    const found = `tasks run as ${name}, who may use sudo for systemd-run: they could become root`
    return [warning(id, found, advice('Name another user in config.toml:', ...another))]
  }
  if (isOwn || bySystemd) return [ok(id, `tasks run as ${name}`)]
  const fix = advice('Start the runner as root, allow sudo, or leave task_user out of config.toml.')
  return [problem(id, `${user.name} cannot run tasks as ${name} without root or sudo`, fix)]
}

export function numactlFindings({ numactl }: RunnerFacts): Finding[] {
  if (numactl === null) return []
  const id = 'numactl'
  const { path, numaNodes } = numactl
  const count = numaNodes === 1 ? '1 NUMA node' : `${numaNodes} NUMA nodes`
  if (numactl.problem === null)
    return [ok(id, `${path || 'numactl'} works${numaNodes > 0 ? `; ${count}` : ''}`)]
  const install = 'sudo apt-get install numactl    # or: sudo dnf install numactl'
  if (path !== '') {
    const fix = advice('Install it, and write its path in config.toml, or leave numactl_path empty:', install)
    return [problem(id, `numactl_path is ${path}: ${numactl.problem}`, fix)]
  }
  if (numaNodes <= 1) return [ok(id, `no numactl (${numactl.problem}): it is only needed with NUMA nodes`)]
  const found = `tasks cannot be bound to one of the ${count}: numactl: ${numactl.problem}`
  return [warning(id, found, advice('Install it, and start the runner again:', install))]
}
