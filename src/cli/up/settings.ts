/** What `up` must know of the settings that host and runner will read by themselves. */
import { readSettings } from '../../platform/config.ts'
import type { Io } from '../../platform/io.ts'
import { fileSettings, fileTables } from '../../platform/settings.ts'

export interface UpSettings {
  /** Name that this machine's runner gives its node. */
  node: string
  /** Where the host listens. */
  bindAddress: string
  /** Does it say whom tasks run as? */
  namesTaskUser: boolean
}

const table = {
  node: fileSettings.nodeName,
  bindAddress: fileSettings.bindAddress,
  taskUser: fileSettings.taskUser,
  users: fileTables.users,
} as const

/** @throws AppError `invalid_request` where the configuration file is wrong */
export function readUpSettings(io: Pick<Io, 'env'>, home: string): UpSettings {
  const found = readSettings(table, { argv: [], env: { ...io.env, HAKURIVER_HOME: home } })
  const namesTaskUser = found.taskUser.value !== null || found.users.value !== null
  return { node: found.node.value, bindAddress: found.bindAddress.value, namesTaskUser }
}

/** Whom tasks of a runner run as that is root, where nothing says more. */
export const weakestUser = 'nobody'

/** A runner that is root runs nothing without a word on whom tasks are; here that word is the weakest user. */
export function taskUserOf({ namesTaskUser }: UpSettings): string | null {
  return process.getuid?.() === 0 && !namesTaskUser ? weakestUser : null
}
