/** Under which names and addresses a host can be reached, for its certificate. */
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { internalName } from '../../platform/certificates.ts'
import type { HostConfig } from '../config.ts'
import type { HostName } from './authority.ts'

/** More are not told: a machine with so many has an address for each of its containers. */
const maxNames = 100

/** The internal name first; what was configured; and what this machine has at the moment. */
export function hostNames({
  bindAddress,
  reachableAddress,
}: Pick<HostConfig, 'bindAddress' | 'reachableAddress'>): HostName[] {
  const interfaces = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ scopeid }) => scopeid === undefined || scopeid === 0)
    .map(({ address }) => address)
    .sort()
  const told = reachableAddress === null ? [] : [hostOf(reachableAddress)]
  const all = [internalName, ...told, bindAddress, hostname(), 'localhost', '127.0.0.1', '::1', ...interfaces]
  const known = all.map((name) => name.toLowerCase()).filter((name) => !['0.0.0.0', '::'].includes(name))
  return [...new Set(known)].slice(0, maxNames).flatMap(nameOf)
}

/** The host in what may be a whole URL. */
export function hostOf(address: string): string {
  const host = /^https?:\/\//i.test(address) && URL.canParse(address) ? new URL(address).hostname : address
  return host.replace(/^\[(.*)\]$/, '$1')
}

function nameOf(value: string): HostName[] {
  if (isIP(value) !== 0) return [{ type: 'ip', value }]
  return /^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?$/.test(value) ? [{ type: 'dns', value }] : []
}
