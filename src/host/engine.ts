/**
 * A host's parts at work: the cluster's picture over its store, the links to runners, and submits. HTTP and tokens
 * lie outside; all that it touches of the world is handed in, so that a simulation runs the same code.
 */
import type { Task } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { BacklogCaps } from './backlog.ts'
import { Cluster } from './cluster.ts'
import type { HostConfig } from './config.ts'
import { EventHub } from './event-hub.ts'
import { Leases } from './leases.ts'
import { Links } from './links.ts'
import { openSecrets } from './secrets.ts'
import type { Store } from './store/store.ts'
import { Submits } from './submit.ts'
import type { Vault } from './vault.ts'

export interface EngineDeps {
  config: Pick<HostConfig, 'heartbeatMs' | 'watchMs' | 'silenceFactor' | 'leaseMs'>
  store: Store
  clock: Clock
  log: Log
  /** Has the key of the secrets. */
  vault: Vault
  /** See `JournalDeps`. */
  onBroken: (error: unknown) => void
  /** How much may wait; default: the usual. */
  bounds?: BacklogCaps
}

export interface Engine {
  cluster: Cluster
  hub: EventHub
  links: Links
  submits: Submits
  /** Says goodbye to the runners, and saves what is left. */
  close(): Promise<void>
}

/** Takes up what the store holds. */
export async function startEngine(deps: EngineDeps): Promise<Engine> {
  const { config, store, clock, log, vault, onBroken, bounds } = deps
  const hub = new EventHub()
  const cluster = await Cluster.load({ store, hub, log, clock, onBroken })
  const { heartbeatMs, watchMs, silenceFactor, leaseMs } = config
  const leases = new Leases({ cluster, leaseMs, clock, log })
  const secretsOf = (task: Task) => openSecrets(task, store, vault)
  const links = new Links({
    cluster,
    store,
    log,
    heartbeatMs,
    watchMs,
    silenceFactor,
    leases,
    clock,
    secretsOf,
  })
  return {
    cluster,
    hub,
    links,
    submits: new Submits(cluster, store, clock, vault, bounds),
    close: async () => {
      await links.close()
      await cluster.close()
    },
  }
}
