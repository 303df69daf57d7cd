/**
 * The files of one attempt that an executor works with.
 *
 * `<runDir>/<id>-<attempt>-<mark of the runner>/` (0711) belongs to the runner; the files in it to the task's user: start script, mark
 * that it ran, note of a failed set-up. All are made before the start, so the task can change what they hold, but
 * not put a link, a pipe or a directory in their place, which the runner would follow with its own rights. It goes
 * with the boot. `<taskDir>/record/` (0700) belongs to the runner: the record of the end, and the mark that a kill
 * was asked for.
 */
import {
  chownSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../core/errors.ts'
import type { TaskExit } from '../../core/task.ts'
import { runnerMark } from '../../core/unit-name.ts'
import { findUser, type LocalUser } from '../users.ts'
import type { LaunchSpec } from './executor.ts'
import { renderRunScript } from './script.ts'

/** An attempt and its directory: what handles and launches have in common. */
export interface AttemptDir {
  taskId: number
  attempt: number
  taskDir: string
}

export class AttemptFiles {
  readonly runDir: string
  private readonly mark: string

  /** The directory may be shared by several runners of one machine. */
  constructor(runDir: string, runnerId: string) {
    this.runDir = runDir
    this.mark = runnerMark(runnerId)
    mkdirSync(runDir, { recursive: true, mode: 0o711 })
  }

  dirOf(attempt: { taskId: number; attempt: number }): string {
    return join(this.runDir, `${attempt.taskId}-${attempt.attempt}-${this.mark}`)
  }

  scriptOf(attempt: { taskId: number; attempt: number }): string {
    return join(this.dirOf(attempt), 'run.sh')
  }

  /**
   * Writes the start script so that the task's user can read it and nobody else.
   * @throws AppError when the user does not exist
   */
  prepare(launch: LaunchSpec, options: { wrapper: string[]; env: [string, string][] }): void {
    const user = userOf(launch)
    const dir = this.dirOf(launch)
    mkdirSync(join(launch.taskDir, 'record'), { recursive: true, mode: 0o700 })
    mkdirSync(dir, { recursive: true, mode: 0o711 })
    // the runner's own win
    const variables = { ...launch.spec.env, ...launch.secrets, ...launch.extraEnv }
    const script = renderRunScript({
      argv: [launch.spec.command, ...launch.spec.arguments],
      env: [...options.env, ...Object.entries(variables)],
      cwd: launch.spec.cwd ?? launch.defaultCwd,
      wrapper: options.wrapper,
      prelude: [`echo ran > '${join(dir, 'ran')}'`, ...separator(launch.attempt)],
      notePath: join(dir, 'note'),
    })
    for (const [name, content] of [
      ['run.sh', script],
      ['ran', ''],
      ['note', ''],
    ] as const) {
      writeFileSync(join(dir, name), content, { mode: 0o600 })
      if (user !== null && user.uid !== process.getuid?.()) chownSync(join(dir, name), user.uid, user.gid)
    }
  }

  /** Did the start script run in this boot? */
  wasRun(attempt: { taskId: number; attempt: number }): boolean {
    return this.ranAtMs(attempt) !== null
  }

  /** When the start script began, in milliseconds since the epoch; null where it did not run in this boot. */
  ranAtMs(attempt: { taskId: number; attempt: number }): number | null {
    const mark = statSync(join(this.dirOf(attempt), 'ran'), { throwIfNoEntry: false })
    return mark === undefined || mark.size === 0 ? null : Math.round(mark.mtimeMs)
  }

  /** What the start script noted of a failed set-up. */
  noteOf(attempt: { taskId: number; attempt: number }): string | null {
    const text = beginningOf(join(this.dirOf(attempt), 'note'), maxNoteBytes + 1)
    return text === null || text.length === 0 || text.length > maxNoteBytes ? null : text.toString().trim()
  }

  remove(attempt: { taskId: number; attempt: number }): void {
    rmSync(this.dirOf(attempt), { recursive: true, force: true })
  }
}

/** Stands between the outputs of two attempts where both go to the same file (stat(2) follows the links there). */
function separator(attempt: number): string[] {
  if (attempt === 1) return []
  const line = `echo '--- hakuriver: attempt ${attempt} begins here ---'`
  return [`[ ! -s /dev/stdout ] || ${line}`, `[ ! -s /dev/stderr ] || ${line} >&2`]
}

/** Our own notes are a sentence; anything longer is the task's. */
const maxNoteBytes = 500

/** The user that a task runs as; null: the runner's own. @throws AppError when there is no such user */
export function userOf(launch: LaunchSpec): LocalUser | null {
  if (launch.user === null) return null
  const user = findUser(launch.user)
  if (user === null) throw new AppError('not_found', `the user ${launch.user} does not exist on this node`)
  return user
}

/** The record of the end. */
export function recordPath(attempt: { taskDir: string }): string {
  return join(attempt.taskDir, 'record', 'exit')
}

export function hasRecord(attempt: { taskDir: string }): boolean {
  return existsSync(recordPath(attempt))
}

/** Notes that a kill was asked for, so that the end is told as one even after a restart of the runner. */
export function markKill(attempt: { taskDir: string }): void {
  writeFileSync(killPath(attempt), '', { mode: 0o600 })
}

export function unmarkKill(attempt: { taskDir: string }): void {
  rmSync(killPath(attempt), { force: true })
}

export function isKillMarked(attempt: { taskDir: string }): boolean {
  return existsSync(killPath(attempt))
}

function killPath(attempt: { taskDir: string }): string {
  return join(attempt.taskDir, 'record', 'kill')
}

/** A small file's text, or null where it cannot be read: either way it tells nothing. */
export function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/** No more of a file than that: whoever writes it may make it as large as he likes at any moment. */
function beginningOf(path: string, length: number): Buffer | null {
  let file: number | null = null
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const buffer = Buffer.alloc(length)
    return buffer.subarray(0, readSync(file, buffer, 0, length, 0))
  } catch {
    return null
  } finally {
    if (file !== null) closeSync(file)
  }
}

/** An end without any account of what ran. */
export function exitWithout(
  cause: 'launch_failed' | 'lost' | 'node_lost' | 'killed',
  reason: string,
  nowMs: number,
): TaskExit {
  return {
    cause,
    exitCode: null,
    signal: null,
    startedAtMs: null,
    endedAtMs: nowMs,
    cpuTimeMs: null,
    peakMemoryBytes: null,
    reason,
  }
}

/** Of what was ended because the lease ran out. */
export const leaseReason = 'its lease ran out: its node did not hear the host, and ended it'

/** Of an attempt from before a reboot, whose end nobody wrote down. */
export function rebootedExit({ isLeased }: { isLeased?: boolean }, nowMs: number): TaskExit {
  return exitWithout(isLeased ? 'node_lost' : 'lost', 'its node rebooted while it ran', nowMs)
}

/** Words that bind a command to a NUMA node (numactl(8)); none where there is nothing to bind. */
export function numaWrapper(numactlPath: string, numaId: number | null): string[] {
  if (numaId === null) return []
  return [numactlPath || 'numactl', `--cpunodebind=${numaId}`, `--membind=${numaId}`, '--']
}
