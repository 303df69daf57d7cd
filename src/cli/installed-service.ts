/** The host or runner that is installed for the whole machine: whose, and what it reads. */
import { readTextIfThere } from '../platform/files.ts'
import { unitDir } from '../platform/system-service.ts'
import type { Context } from './context.ts'
import { configInUnit, homeInUnit, unitFileOf, unitMark, userInUnit } from './service-unit.ts'
import { type Account, accountOf } from './system-account.ts'

export interface InstalledService {
  home: string
  configFile: string | null
  /** null: root. */
  as: Account | null
}

/**
 * What root means by "the runner" or "the host", unless it names a configuration or has one of its own; null: nothing
 * else than what a program started here would find.
 */
export async function installedService(
  name: 'host' | 'runner',
  { io, configFile }: Pick<Context, 'io' | 'configFile'>,
): Promise<InstalledService | null> {
  if (process.getuid?.() !== 0 || configFile !== null || io.env.HAKURIVER_HOME) return null
  const text = await readTextIfThere(`${unitDir}/${unitFileOf(name)}`)
  if (text === null || !text.startsWith(unitMark)) return null
  const home = homeInUnit(text)
  const user = userInUnit(text)
  if (home === null) return null
  return { home, configFile: configInUnit(text), as: user === null ? null : await accountOf(user) }
}
