/** Where the launcher keeps what is its own: every path is made of ids, and root's alone. */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lstatSync,
  mkdirSync,
  openSync,
} from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../core/errors.ts'
import { logFolder, logPath } from '../../platform/log-paths.ts'
import { changeableByOthers } from '../../platform/owned-path.ts'
import { type LogStream, logStreams } from '../../protocol/routes.ts'

export interface PlacesOptions {
  /** Goes with the boot: records and start scripts. */
  runDir: string
  /** Stays: logs. */
  stateDir: string
  /** Where logs lie instead; null: in `stateDir`. It is made and looked at by whoever opens the launcher. */
  sharedDir: string | null
  /** Group that may read the logs. */
  gid: number
}

const readable = 0o640

export class Places {
  readonly scripts: string
  readonly attempts: string
  /** As below a runner's own directory; null: in the shared one. */
  readonly logsDir: string | null
  private readonly base: string
  private readonly gid: number

  constructor({ runDir, stateDir, sharedDir, gid }: PlacesOptions) {
    this.gid = gid
    this.scripts = join(runDir, 'tasks')
    this.attempts = join(runDir, 'launcher')
    this.logsDir = sharedDir === null ? join(stateDir, 'logs') : null
    this.base = sharedDir ?? join(stateDir, 'logs')
    makeOwn(runDir, 0o711)
    makeOwn(this.scripts, 0o711)
    makeOwn(this.attempts, 0o700)
    if (sharedDir !== null) return
    makeOwn(stateDir, 0o711)
    // what is made in them belongs to their group (inode(7))
    for (const dir of [this.base, ...logStreams.map((stream) => logFolder(this.base, stream))]) {
      makeOwn(dir, 0o750)
      chownSync(dir, process.getuid?.() ?? 0, gid)
      chmodSync(dir, 0o2750)
    }
  }

  /** Of one attempt: the record of its end, and whose it is. */
  attemptDir({ taskId, attempt }: { taskId: number; attempt: number }): string {
    return join(this.attempts, `${taskId}-${attempt}`)
  }

  logPath(stream: LogStream, taskId: number): string {
    return logPath(this.base, stream, taskId)
  }

  /** So that the runner may read them; in a shared directory systemd makes them as it does for all. */
  makeLogs(taskId: number): void {
    if (this.logsDir === null) return
    for (const stream of logStreams) {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW
      const file = openSync(this.logPath(stream, taskId), flags, readable)
      fchownSync(file, process.getuid?.() ?? 0, this.gid)
      fchmodSync(file, readable)
      closeSync(file)
    }
  }
}

/** @throws AppError `not_permitted` where it is somebody else's, or not a directory: what lies in it is run as root */
function makeOwn(dir: string, mode: number): void {
  mkdirSync(dir, { recursive: true, mode })
  const found = lstatSync(dir)
  if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? 0))
    throw new AppError('not_permitted', `${dir} is not a directory of the launcher's own: remove it`)
  chmodSync(dir, mode)
}

/** @throws AppError `not_permitted` where others could put a link in the place of a log that systemd opens as root */
export function checkRootsAlone(dir: string): void {
  const changeable = changeableByOthers(dir)
  if (changeable === null) return
  throw new AppError(
    'not_permitted',
    `others than root can change ${changeable}, where logs are written as root: chown root ${changeable}; chmod go-w ${changeable}`,
  )
}
