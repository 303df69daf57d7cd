/**
 * The transient service unit of one attempt: pure. Every word in it is ours; what the user gave lies in the
 * script that the unit runs by its path.
 */
import { type DbusValue, Variant } from '../../../platform/dbus/marshal.ts'

/** Pattern of all our units, for systemd's lists. */
export const unitPattern = 'hakuriver-task-*.service'

/** The slice that all tasks run in, so that an administrator can bound them together. */
export const slice = 'hakuriver.slice'

/** What differs from task to task. */
export interface UnitPlan {
  name: string
  /** Absolute paths of ours. */
  scriptPath: string
  recorderPath: string
  recordPath: string
  /** Of the unit, below the mount point of a hierarchy. */
  cgroup: string
  stdoutPath: string
  stderrPath: string
  /** null: the manager's own user. */
  user: string | null
  /** Is the record written with more rights than the user has? Then the user goes for the start script alone. */
  recordsAsRoot: boolean
  /** null: no CPU quota, memory limit or run time limit. */
  cores: number | null
  memoryBytes: number | null
  timeoutMs: number | null
  graceMs: number
  privateNetwork: boolean
  /** By systemd itself (257 and later). */
  privatePids: boolean
  tasksMax: number
  privateTmp: boolean
  /** Absolute paths of ours: common all the same, and not to be seen. */
  boundPaths: readonly string[]
  hiddenPaths: readonly string[]
  /** Is it without the capabilities of root from its first word on? Else what it begins with drops them. */
  dropsCapabilities: boolean
  /** The unit that is active while the lease is not over; left out: it runs under none. */
  lease?: string
}

/** MS_REC of mount(2): what is mounted below comes along. */
const recursively = 0x4000n

/**
 * The unit as properties for StartTransientUnit (org.freedesktop.systemd1(5)). `CPUQuota` of 100 % is one CPU.
 * No swap, so that the memory limit means what it says. `OOMPolicy=kill`: what is left of a task that ran out
 * of memory goes with it. `IgnoreSIGPIPE`: a pipe ends as under a shell. `CollectMode`: nothing stays behind, as
 * the end is in the record. Neither `ExecStartEx` nor flags such as `+`: systemd 252 writes these to the unit's file
 * in a way that it cannot read itself, so that after a daemon-reload there would be no record. Of the default
 * dependencies only the stop at a shutdown: the others make each start walk through all that boots the machine.
 * What is leased does not start without its lease, and is stopped with it (`Requisite` of systemd.unit(5)).
 * `PrivatePIDs` is a word on D-Bus, `PrivateNetwork` a truth value. `TasksMax`: no fork bomb takes the node down. A
 * path with `-` before it need not be there. Groups, HOME and the like come with `User` (systemd.exec(5)).
 */
export function unitProperties(plan: UnitPlan): DbusValue[] {
  const properties: [string, string, DbusValue][] = [
    ['Description', 's', 'HakuRiver task'],
    ['Type', 's', 'exec'],
    ['Slice', 's', slice],
    ['DefaultDependencies', 'b', false],
    ['Conflicts', 'as', ['shutdown.target']],
    ['Before', 'as', ['shutdown.target']],
    ['CollectMode', 's', 'inactive-or-failed'],
    ['ExecStart', 'a(sasb)', [['/bin/sh', ['/bin/sh', plan.scriptPath], false]]],
    [
      'ExecStopPost',
      'a(sasb)',
      [['/bin/sh', ['/bin/sh', plan.recorderPath, plan.recordPath, plan.cgroup], true]],
    ],
    ['KillMode', 's', 'control-group'],
    ['TimeoutStopUSec', 't', microseconds(plan.graceMs)],
    ['OOMPolicy', 's', 'kill'],
    ['TasksMax', 't', BigInt(plan.tasksMax)],
    ['CPUAccounting', 'b', true],
    ['MemoryAccounting', 'b', true],
    ['NoNewPrivileges', 'b', true],
    ['IgnoreSIGPIPE', 'b', false],
    ['StandardOutputFileToAppend', 's', plan.stdoutPath],
    ['StandardErrorFileToAppend', 's', plan.stderrPath],
  ]
  if (plan.user !== null) properties.push(['User', 's', plan.user])
  if (plan.recordsAsRoot) properties.push(['PermissionsStartOnly', 'b', true])
  if (plan.cores !== null) properties.push(['CPUQuotaPerSecUSec', 't', BigInt(plan.cores) * 1_000_000n])
  if (plan.memoryBytes !== null) {
    properties.push(['MemoryMax', 't', BigInt(plan.memoryBytes)], ['MemorySwapMax', 't', 0n])
  }
  if (plan.timeoutMs !== null) properties.push(['RuntimeMaxUSec', 't', microseconds(plan.timeoutMs)])
  if (plan.privateNetwork) properties.push(['PrivateNetwork', 'b', true])
  if (plan.privatePids) properties.push(['PrivatePIDs', 's', 'yes'])
  properties.push(...sandboxProperties(plan))
  if (plan.lease !== undefined)
    properties.push(['Requisite', 'as', [plan.lease]], ['After', 'as', [plan.lease]])
  return properties.map(([name, signature, value]) => [name, new Variant(signature, value)])
}

function sandboxProperties(plan: UnitPlan): [string, string, DbusValue][] {
  const properties: [string, string, DbusValue][] = []
  if (plan.privateTmp) properties.push(['PrivateTmp', 'b', true])
  const bound = plan.boundPaths.map((path): DbusValue => [path, path, true, recursively])
  if (bound.length > 0) properties.push(['BindPaths', 'a(ssbt)', bound])
  if (plan.hiddenPaths.length > 0)
    properties.push(['InaccessiblePaths', 'as', plan.hiddenPaths.map(optional)])
  if (plan.dropsCapabilities)
    properties.push(['CapabilityBoundingSet', 't', 0n], ['AmbientCapabilities', 't', 0n])
  return properties
}

/** `-` before a path: it need not be there. */
function optional(path: string): string {
  return `-${path}`
}

/**
 * The same unit as arguments of systemd-run(1), for where only that is allowed. Its arguments are expanded by
 * systemd, which is why our paths may hold nothing that means something to it.
 */
export function systemdRunArguments(plan: UnitPlan): string[] {
  const properties = [
    'Type=exec',
    `Slice=${slice}`,
    'DefaultDependencies=no',
    'Conflicts=shutdown.target',
    'Before=shutdown.target',
    'CollectMode=inactive-or-failed',
    `ExecStopPost=-/bin/sh ${plan.recorderPath} ${plan.recordPath} ${plan.cgroup}`,
    'KillMode=control-group',
    `TimeoutStopSec=${plan.graceMs}ms`,
    'OOMPolicy=kill',
    `TasksMax=${plan.tasksMax}`,
    'CPUAccounting=yes',
    'MemoryAccounting=yes',
    'NoNewPrivileges=yes',
    'IgnoreSIGPIPE=no',
    `StandardOutput=append:${plan.stdoutPath}`,
    `StandardError=append:${plan.stderrPath}`,
  ]
  if (plan.user !== null) properties.push(`User=${plan.user}`)
  if (plan.recordsAsRoot) properties.push('PermissionsStartOnly=yes')
  if (plan.cores !== null) properties.push(`CPUQuota=${plan.cores * 100}%`)
  if (plan.memoryBytes !== null) properties.push(`MemoryMax=${plan.memoryBytes}`, 'MemorySwapMax=0')
  if (plan.timeoutMs !== null) properties.push(`RuntimeMaxSec=${plan.timeoutMs}ms`)
  if (plan.privateNetwork) properties.push('PrivateNetwork=yes')
  if (plan.privatePids) properties.push('PrivatePIDs=yes')
  if (plan.privateTmp) properties.push('PrivateTmp=yes')
  for (const path of plan.boundPaths) properties.push(`BindPaths=${optional(path)}`)
  for (const path of plan.hiddenPaths) properties.push(`InaccessiblePaths=${optional(path)}`)
  if (plan.dropsCapabilities) properties.push('CapabilityBoundingSet=', 'AmbientCapabilities=')
  return [
    '--quiet',
    '--no-ask-password',
    `--unit=${plan.name}`,
    '--description=HakuRiver task',
    ...properties.map((property) => `--property=${property}`),
    '--',
    '/bin/sh',
    plan.scriptPath,
  ]
}

/** May this path of ours stand in a unit? `%`, `$`, quotes and white space mean something to systemd there. */
export function isPlainPath(path: string): boolean {
  return /^\/[A-Za-z0-9_@:+,=./-]*$/.test(path)
}

function microseconds(ms: number): bigint {
  return BigInt(Math.round(ms)) * 1000n
}
