/** How this machine can be reached from others. */
import { hostname, networkInterfaces } from 'node:os'

/** An address that other machines can reach, as near as can be told; the host name where there is none. */
export function ownAddress(): string {
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find((address) => address.family === 'IPv4' && !address.internal)
  return found?.address ?? hostname()
}
