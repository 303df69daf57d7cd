/** What a runner needs to know to run. */
import type { LogLevel } from '../platform/log.ts'

export const executorChoices = ['auto', 'systemd', 'systemd-user', 'process', 'fake'] as const
export type ExecutorChoice = (typeof executorChoices)[number]

export interface RunnerConfig {
  /** `http://host:port`; the link is opened under it. */
  hostUrl: string
  /** null: the host runs with --insecure-loopback. */
  joinToken: string | null
  nodeName: string
  /** Handles, outbox, task directories and logs; mode 0700. One runner at a time may use it. */
  stateDir: string
  /** Logs go to `<sharedDir>/task_outputs` and `task_errors`; null: below stateDir, served through the link. */
  sharedDir: string | null
  /** Given to tasks as HAKURIVER_LOCAL_TEMP_DIR; default working directory of a task. */
  localTempDir: string
  /** Empty: `numactl` from PATH. */
  numactlPath: string
  /** User that tasks run as; null: the runner's own, or `nobody` where that is root. */
  taskUser: string | null
  executor: ExecutorChoice
  /** Start units through `sudo systemd-run` instead of over D-Bus. */
  useSudo: boolean
  logLevel: LogLevel
  logFile: string | null
}
