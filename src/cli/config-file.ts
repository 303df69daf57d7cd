/** The two lines of config.toml that the command line needs. Loaded only where there is such a file. */
import { parse } from 'smol-toml'
import { AppError } from '../core/errors.ts'

/**
 * The host's URL from `host_reachable_address` and `host_port` of `[network]`; null where no address is set.
 * @throws AppError `invalid_request` with line and column where the file cannot be read
 */
export function hostUrlOf(text: string, path: string): string | null {
  const network = parseToml(text, path).network
  if (typeof network !== 'object' || network === null || !('host_reachable_address' in network)) return null
  const address = network.host_reachable_address
  if (typeof address !== 'string' || address === '') return null
  const port = 'host_port' in network && typeof network.host_port === 'number' ? network.host_port : 8000
  return /^https?:\/\//.test(address) ? address : `http://${address}:${port}`
}

function parseToml(text: string, path: string): Record<string, unknown> {
  try {
    return parse(text)
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    throw new AppError('invalid_request', `cannot read ${path}: ${why}`)
  }
}
