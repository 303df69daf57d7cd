/** The endpoint that tells the cluster in a few numbers; screens ask for it every few seconds. */
import { overviewOf } from '../core/overview.ts'
import type { Clock } from '../platform/clock.ts'
import { version } from '../platform/version.ts'
import type { Handlers } from '../protocol/host-api.ts'
import type { Cluster } from './cluster.ts'
import type { Store } from './store/store.ts'
import { countsView, instant } from './views.ts'

export function createOverview(
  cluster: Cluster,
  store: Store,
  clock: Clock,
): Pick<Handlers<unknown>, 'overview'> {
  return {
    overview: async () => {
      const counts = countsView(await store.countByStatus())
      const { cores, memoryBytes } = cluster.ledger.held
      return {
        version,
        time: instant(clock.now()),
        counts,
        ...overviewOf(nodesOf(cluster)),
        coresAllocated: cores,
        memoryAllocatedBytes: memoryBytes,
      }
    },
  }
}

function* nodesOf(cluster: Cluster) {
  for (const [name, { record, load }] of cluster.nodes) {
    const { status, capacity } = record
    const isClosed = cluster.problemOf(name) !== null
    yield { status, isClosed, cores: capacity.cores, memoryBytes: capacity.memoryBytes, load }
  }
}
