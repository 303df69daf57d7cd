/** The host's URL as others are told it: in invitations, and in links that log a browser in. */
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { isLoopback } from '../core/address.ts'
import type { Visit } from './caller.ts'
import type { HostConfig } from './config.ts'
import { hostOf } from './pki/host-names.ts'

/** Tells the URL for others, for whoever calls. Without a slash at the end. */
export type UrlFor = (visit: Visit | undefined) => string

/**
 * What was configured, else that by which the caller came, unless only this machine can use it, else the first address
 * of this machine that others can. `port`: where it listens.
 */
export function urlForOthers(
  config: Pick<HostConfig, 'reachableAddress' | 'bindAddress' | 'isTls'>,
  port: () => number,
): UrlFor {
  const { reachableAddress, bindAddress, isTls } = config
  const placeFor = (visited: string): string => {
    if (reachableAddress !== null) return withPort(reachableAddress, port())
    const name = visited.replace(/:\d{1,5}$/, '')
    if (visited !== '' && (!isLoopback(name) || isLoopback(bindAddress))) return withPort(visited, port())
    const found = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ family, internal }) => family === 'IPv4' && !internal)
    return withPort(found?.address ?? bindAddress, port())
  }
  return (visit) => `${isTls ? 'https' : 'http'}://${placeFor(URL.parse(visit?.origin ?? '')?.host ?? '')}`
}

function withPort(address: string, port: number): string {
  if (/^https?:\/\//i.test(address) && URL.canParse(address)) {
    const { host, port: given } = new URL(address)
    return given === '' ? `${host}:${port}` : host
  }
  if (/^(?:[^:[\]]+|\[[^\]]+\]):\d{1,5}$/.test(address)) return address
  const bare = hostOf(address)
  return `${isIP(bare) === 6 ? `[${bare}]` : bare}:${port}`
}
