/** Puts together what a host that speaks TLS has beside one that does not. Loaded only there: it brings a library. */
import { join } from 'node:path'
import type { KnownNode, Refusal, ShownCertificate } from '../../core/joining.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Log } from '../../platform/log.ts'
import type { Cluster } from '../cluster.ts'
import type { HostConfig } from '../config.ts'
import type { Links } from '../links.ts'
import type { Store } from '../store/store.ts'
import { Authority } from './authority.ts'
import { Credentials } from './credentials.ts'
import { hostNames } from './host-names.ts'
import { TlsServing } from './serving.ts'

export interface Pki {
  authority: Authority
  credentials: Credentials
  tls: TlsServing
  /** The node of a connection whose credential holds, or why it is of none. */
  nodeOf(socket: unknown): ShownCertificate | Refusal
}

export interface PkiDeps {
  config: HostConfig
  store: Store
  cluster: Cluster
  links: Links
  clock: Clock
  log: Log
}

/** @throws AppError where the authority or the operator's certificate cannot be used */
export async function openPki({ config, store, cluster, links, clock, log }: PkiDeps): Promise<Pki> {
  const authority = await Authority.open(join(config.stateDir, 'ca'), clock.now(), log)
  const nodes = (): KnownNode[] =>
    [...cluster.nodes.values()].map(({ record }) => ({ node: record.name, runnerId: record.runnerId }))
  const onRevoked = (nodeIds: ReadonlySet<string>, why: string) => links.endRevoked(nodeIds, why)
  const credentials = await Credentials.open({ store, authority, nodes, onRevoked, clock, log })
  links.setCredentials({
    refusalOf: (certificate) => credentials.refusalOf(certificate),
    runnerOf: (nodeId) => credentials.runnerOf(nodeId),
    shown: (certificate) => credentials.shown(certificate),
    isBehind: (certificate) => certificate.authority !== authority.newest.fingerprint,
  })
  const names = () => hostNames(config)
  const tls = await TlsServing.open({ authority, names, operator: config.tlsFiles, clock, log })
  return {
    authority,
    credentials,
    tls,
    nodeOf: (socket) => {
      const node = tls.nodeOf(socket)
      return 'nodeId' in node ? (credentials.refusalOf(node) ?? node) : node
    },
  }
}
