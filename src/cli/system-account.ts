/** System users of an installation for the whole machine. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { AppError } from '../core/errors.ts'
import { systemHome, systemUser, tasksHome, tasksUser } from '../platform/system-service.ts'

const execute = promisify(execFile)

export interface Account {
  uid: number
  gid: number
}

/** Whom host and runner run as. */
export function makeSystemUser(): Promise<Account> {
  return makeAccount(systemUser, ['--no-create-home', '--home-dir', systemHome, '--comment', 'HakuRiver'])
}

/** Whom tasks run as where nobody says otherwise: it owns nothing but its home directory. */
export function makeTasksUser(): Promise<Account> {
  return makeAccount(tasksUser, ['--create-home', '--home-dir', tasksHome, '--comment', 'Tasks of HakuRiver'])
}

/** The user of that name, made where there is none. @throws AppError `conflict` where it cannot be made */
async function makeAccount(name: string, words: readonly string[]): Promise<Account> {
  const found = await accountOf(name)
  if (found !== null) return found
  const all = ['--system', '--user-group', ...words, '--shell', '/usr/sbin/nologin', name]
  try {
    await execute('useradd', all, { timeout: 30_000 })
  } catch (error) {
    throw new AppError('conflict', `cannot make the user ${name}: ${String(error)}`, {
      details: { fix: `Make it by hand: useradd --system --user-group ${name}` },
    })
  }
  const made = await accountOf(name)
  if (made === null) throw new AppError('conflict', `the user ${name} was made, and is not there`)
  return made
}

/** From all that the machine asks for users (getent(1)); null: there is none of that name. */
export async function accountOf(name: string): Promise<Account | null> {
  try {
    const { stdout } = await execute('getent', ['passwd', '--', name], { timeout: 10_000 })
    const [, , uid, gid] = stdout.split(':')
    return { uid: Number(uid), gid: Number(gid) }
  } catch (error) {
    // 2: there is none of that name
    if (error instanceof Error && 'code' in error && error.code === 2) return null
    throw error
  }
}
