/** What the command line needs of the configuration file. Loaded only where there is such a file. */
import { readConfigFile } from '../platform/config.ts'

/**
 * The host's URL from `host_reachable_address` and `host_port` of `[network]`; null where no address is set.
 * @throws AppError `invalid_request` with the line where the file is wrong anywhere
 */
export function hostUrlOf(path: string): string | null {
  const { values } = readConfigFile(path, true)
  const address = values.get('network.host_reachable_address')
  if (typeof address !== 'string' || address === '') return null
  const port = values.get('network.host_port')
  return /^https?:\/\//.test(address)
    ? address
    : `http://${address}:${typeof port === 'number' ? port : 8000}`
}
