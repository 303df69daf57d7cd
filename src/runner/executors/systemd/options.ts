/** What the systemd executor is told of the machine it runs on. */
import type { ExecutorInfo } from '../../../core/node.ts'
import type { UnitEvents, UnitManager } from './manager.ts'
import type { Sandbox } from './sandbox.ts'

export interface SystemdOptions {
  info: ExecutorInfo
  openManager: (events: UnitEvents) => Promise<UnitManager>
  /** On a tmpfs; made with mode 0711. */
  runDir: string
  /** systemd gives `PrivatePIDs=` itself (257 and later); else `unshare` does, which needs root. */
  hasPrivatePids: boolean
  /** Around each task that runs as another user; left out: nothing, as a user's own systemd cannot do it. */
  sandbox?: Sandbox
  /** The most processes and threads of one task. */
  tasksMax: number
  /** May quota and memory limit be set? */
  setsLimits: boolean
  numactlPath: string
  /** From SIGTERM to SIGKILL where no kill says otherwise: after a time limit, or a stop from outside. */
  graceMs?: number
}
