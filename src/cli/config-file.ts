/** What the command line needs of the configuration. Loaded only where there is some. */
import { readSettings, speaksTls, urlOfHost } from '../platform/config.ts'
import { fileSettings } from '../platform/settings.ts'

const table = {
  address: fileSettings.reachableAddress,
  // `--port` is a flag of the host
  port: { ...fileSettings.hostPort, flag: null },
  bind: { ...fileSettings.bindAddress, flag: null },
  tls: { ...fileSettings.tls, flag: null },
} as const

/**
 * The host's URL from `host_reachable_address` and `host_port`, as a runner has it, and where it was found; null where
 * neither is set. `path` null: the file in the home directory.
 * @throws AppError `invalid_request` with the line where the file is wrong anywhere
 */
export function configuredUrl(
  path: string | null,
  env: Readonly<Record<string, string | undefined>>,
): { url: string; from: string } | null {
  const { address, port, bind, tls } = readSettings(table, {
    argv: path === null ? [] : ['--config', path],
    env,
  })
  if (address.value === null && port.origin === 'default') return null
  const { place } = address.value === null ? port : address
  const host = address.value ?? '127.0.0.1'
  const isTls = speaksTls(tls.value, bind.value, host)
  return { url: urlOfHost(host, port.value, isTls), from: place }
}
