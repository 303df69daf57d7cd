/** Whom a service runs as, and what it then reads. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '../core/errors.ts'
import type { Context } from './context.ts'

const execute = promisify(execFile)

export interface ServiceOwner {
  /** null: root. */
  user: string | null
  /** HAKURIVER_HOME. */
  home: string
  /** null: none was named, and there is none in `home` yet. */
  configFile: string | null
}

/**
 * A service is the program as that user would start it: with the state and configuration of that user's home
 * directory, unless others were named.
 * @throws AppError `invalid_request` where there is no such user or file
 */
export async function ownerOf(
  name: string | null,
  { io, home, configFile: named }: Pick<Context, 'io' | 'home' | 'configFile'>,
): Promise<ServiceOwner> {
  const user = name === 'root' ? null : name
  const state = io.env.HAKURIVER_HOME ? resolve(home) : join(await homeOf(user ?? 'root'), '.hakuriver')
  if (named !== null && !existsSync(named))
    throw new AppError('invalid_request', `there is no configuration file ${named}`)
  const own = join(state, 'config.toml')
  const found = named ?? (existsSync(own) ? own : null)
  return { user, home: state, configFile: found === null ? null : resolve(found) }
}

/** From all that the machine asks for users, not its own file alone (getent(1)). */
async function homeOf(user: string): Promise<string> {
  try {
    const { stdout } = await execute('getent', ['passwd', '--', user], { timeout: 10_000 })
    const home = stdout.split(':')[5]
    if (home) return home
  } catch (error) {
    // 2: there is none of that name
    if (!(error instanceof Error) || !('code' in error) || error.code !== 2) throw error
  }
  throw new AppError('invalid_request', `there is no user "${user}" on this machine`, {
    details: { fix: `Make it: useradd --create-home ${user}` },
  })
}
