/** What an attempt needs before its start: its files, and the plan of its unit. */
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../../core/errors.ts'
import { isLeased } from '../../../core/task.ts'
import { ownUserName } from '../../../platform/own-user.ts'
import { becomeUser, type LocalUser, userVariables } from '../../users.ts'
import { type AttemptFiles, numaWrapper, recordPath, userOf } from '../attempt-files.ts'
import type { LaunchSpec } from '../executor.ts'
import type { SystemdOptions } from './options.ts'
import { isWithin } from './sandbox.ts'
import { isPlainPath, type UnitPlan } from './unit.ts'

/** A PID namespace of its own for systemd before 257 (unshare(1)). */
const unshareWords = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child', '--']
/** How long systemd waits from SIGTERM to SIGKILL. */
const defaultGraceMs = 10_000

export class Preparer {
  private readonly options: SystemdOptions
  private readonly files: AttemptFiles
  private readonly recorderPath: string
  private readonly unitOf: (taskId: number, attempt: number) => string
  /** The unit that stands for the lease; null: nothing leased can run here. */
  lease: string | null = null

  constructor(
    options: SystemdOptions,
    files: AttemptFiles,
    recorderPath: string,
    unitOf: (taskId: number, attempt: number) => string,
  ) {
    this.unitOf = unitOf
    this.options = options
    this.files = files
    this.recorderPath = recorderPath
  }

  /**
   * Writes the start script and answers the plan of the unit that runs it.
   * @throws AppError for what cannot be had on this node
   */
  prepare(launch: LaunchSpec, cgroupOf: (unit: string) => string): UnitPlan {
    this.refuseUnsupported(launch)
    const wrapper = numaWrapper(this.options.numactlPath, launch.numaId)
    const plan = this.planFor(launch, cgroupOf)
    const user = userOf(launch)
    if (!this.usesUnshare(launch) && !(this.hasMoreRights() && this.hasToSwitch(user))) {
      this.files.prepare(launch, { wrapper, env: [] })
      const dropsCapabilities = this.isRoots() && !isRoot(user)
      if (this.hasMoreRights()) return { ...plan, user: ownUserName(), dropsCapabilities }
      return user !== null && this.hasToSwitch(user)
        ? { ...plan, user: user.name, recordsAsRoot: true, dropsCapabilities }
        : plan
    }
    const env = user === null ? [] : userVariables(user)
    this.files.prepare(this.hasMoreRights() ? { ...launch, user: null } : launch, { wrapper, env })
    // the recorder is to see what is hidden from the task
    const recordsAsRoot = plan.hiddenPaths.length > 0
    return { ...plan, scriptPath: this.writeEntry(launch, user), recordsAsRoot }
  }

  /**
   * Where the unit has to begin as root: the few words until the start script is read by its user. Nothing that the
   * user gave may be in them or in their environment.
   */
  private writeEntry(launch: LaunchSpec, user: LocalUser | null): string {
    const dir = this.files.dirOf(launch)
    const path = join(dir, 'enter.sh')
    const words = [
      ...(this.usesUnshare(launch) ? unshareWords : []),
      ...(user === null ? [] : becomeUser(user, { dropsBoundingSet: !isRoot(user) })),
      ...['/bin/sh', this.files.scriptOf(launch)],
    ]
    const lines = [`exec ${words.join(' ')}`]
    if (this.hasMoreRights() && user !== null) {
      // the runner may not give files away, but has to read what the user notes
      chmodSync(join(dir, 'note'), 0o640)
      lines.unshift(`cd ${dir} && chown ${user.uid}:${process.getgid?.()} run.sh ran note && cd / || exit`)
    }
    writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 })
    return path
  }

  private refuseUnsupported(launch: LaunchSpec): void {
    const { features, name } = this.options.info
    const refuse = (what: string) => {
      throw new AppError('unsatisfiable', `cannot run the task: ${what}`)
    }
    for (const path of [launch.taskDir, launch.stdoutPath, launch.stderrPath, this.files.runDir]) {
      if (!isPlainPath(path)) refuse(`the path "${path}" may hold letters, digits and ._-/ only`)
    }
    if (launch.spec.privateNetwork && !features.privateNetwork)
      refuse(`${name} gives no private network here`)
    if (launch.spec.privatePids && !features.privatePids) refuse(`${name} gives no private PIDs here`)
    if (isLeased(launch.spec, launch.attempt) && this.lease === null)
      refuse(`${name} cannot end it by itself here, as --requeue needs`)
    if (launch.numaId === null) return
    if (!features.numa) refuse('numactl is missing on this node')
    if (!existsSync(`/sys/devices/system/node/node${launch.numaId}`)) {
      refuse(`this node has no NUMA node ${launch.numaId}`)
    }
  }

  /** Is its systemd that of root? */
  private isRoots(): boolean {
    return this.options.info.name === 'systemd'
  }

  /** Is it another user than the runner, and can the unit become it? */
  private hasToSwitch(user: LocalUser | null): boolean {
    return this.isRoots() && user !== null && user.uid !== process.getuid?.()
  }

  /** Is the runner an ordinary user, but its systemd root? */
  private hasMoreRights(): boolean {
    return this.isRoots() && process.getuid?.() !== 0
  }

  /** Does `unshare` have to make the PID namespace? */
  private usesUnshare(launch: LaunchSpec): boolean {
    return launch.spec.privatePids && !this.options.hasPrivatePids
  }

  /** Of its own files the runner hides nothing from its own user: it would only seem so. */
  private hiddenFrom(user: LocalUser | null): readonly string[] {
    if (user === null || !this.hasToSwitch(user)) return []
    const { hiddenPaths = [] } = this.options.sandbox ?? {}
    return hiddenPaths.filter((path) => !isWithin(user.home, path))
  }

  private planFor(launch: LaunchSpec, cgroupOf: (unit: string) => string): UnitPlan {
    const { spec } = launch
    const { sandbox } = this.options
    const name = this.unitOf(launch.taskId, launch.attempt)
    return {
      name,
      scriptPath: this.files.scriptOf(launch),
      recorderPath: this.recorderPath,
      recordPath: recordPath(launch),
      cgroup: cgroupOf(name),
      stdoutPath: launch.stdoutPath,
      stderrPath: launch.stderrPath,
      user: null,
      recordsAsRoot: false,
      cores: this.options.setsLimits ? spec.cores : null,
      memoryBytes: this.options.setsLimits ? spec.memoryBytes : null,
      timeoutMs: spec.timeoutMs,
      graceMs: this.options.graceMs ?? defaultGraceMs,
      privateNetwork: spec.privateNetwork,
      privatePids: spec.privatePids && this.options.hasPrivatePids,
      tasksMax: this.options.tasksMax,
      privateTmp: sandbox?.privateTmp ?? false,
      boundPaths: sandbox?.boundPaths ?? [],
      hiddenPaths: this.hiddenFrom(userOf(launch)),
      dropsCapabilities: false,
      ...(this.lease !== null && isLeased(spec, launch.attempt) && { lease: this.lease }),
    }
  }
}

/** Is it root, or the runner that is? Who names root wants it with all that it can. */
function isRoot(user: LocalUser | null): boolean {
  return (user?.uid ?? process.getuid?.()) === 0
}
