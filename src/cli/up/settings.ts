/** What `up` must know of the settings that host and runner will read by themselves. */
import { hostname } from 'node:os'
import { readSettings, type Setting } from '../../platform/config.ts'
import { fileKeys } from '../../platform/config-keys.ts'
import type { Io } from '../../platform/io.ts'

export interface UpSettings {
  /** Name that this machine's runner gives its node. */
  node: string
  /** Where the host listens. */
  bindAddress: string
}

const table = {
  node: { key: 'runner.name', flag: null, env: 'HAKURIVER_NODE_NAME', type: 'text', default: null, doc: '' },
  bindAddress: { key: 'network.host_bind_ip', flag: null, env: 'HAKURIVER_HOST_BIND_IP', type: 'text', default: '127.0.0.1', doc: '' },
} as const satisfies Record<string, Setting> // biome-ignore format: a table

/** @throws AppError `invalid_request` where the configuration file is wrong */
export function readUpSettings(io: Pick<Io, 'env'>, home: string): UpSettings {
  const found = readSettings(table, { argv: [], env: { ...io.env, HAKURIVER_HOME: home } }, fileKeys)
  return { node: String(found.node.value ?? hostname()), bindAddress: String(found.bindAddress.value) }
}
