/** Endpoints that do something to many tasks at once; each task is answered for by itself. */
import { AppError } from '../core/errors.ts'
import { parseId } from '../core/id.ts'
import type { Actor } from '../core/roles.ts'
import type { Clock } from '../platform/clock.ts'
import type { Handlers } from '../protocol/host-api.ts'
import { killTasks } from './bulk-kill.ts'
import { refuseOthers } from './caller.ts'
import type { Cluster } from './cluster.ts'
import { rerunTasks } from './rerun.ts'
import type { Store } from './store/store.ts'
import type { Submits } from './submit.ts'

export interface BulkDeps {
  cluster: Cluster
  store: Store
  submits: Submits
  clock: Clock
}

export function createBulk(deps: BulkDeps): Pick<Handlers<Actor>, 'killBatch' | 'killTasks' | 'rerunTasks'> {
  const { store } = deps
  return {
    killBatch: async ({ params, body }, caller) => {
      const id = parseId(params.id)
      const batch = id === null ? null : await store.batch(id)
      if (batch === null) throw new AppError('not_found', `there is no batch ${params.id}`)
      refuseOthers(caller, batch.owner, `kill batch ${batch.id}`)
      const ids = await store.taskIdsOfBatch(batch.id)
      const outcomes = await killTasks(ids, { reason: killReason(body, caller), caller }, deps)
      const idsOf = (isAsked: boolean) =>
        outcomes.filter((outcome) => outcome.isAsked === isAsked).map((outcome) => outcome.id)
      return { killed: idsOf(true), alreadyEnded: idsOf(false) }
    },
    killTasks: async ({ body }, caller) => ({
      items: await killTasks(idsOf(body.ids), { reason: killReason(body, caller), caller }, deps),
    }),
    rerunTasks: ({ body }, caller) => rerunTasks(idsOf(body.ids), body, caller, deps),
  }
}

/** What is told of a task that somebody kills. */
export function killReason(body: { reason?: string }, caller: Pick<Actor, 'name'>): string {
  return body.reason ?? `killed by ${caller.name}`
}

/** Each once. @throws AppError `invalid_request` for what no id can be */
function idsOf(texts: readonly string[]): number[] {
  const ids = texts.map((text) => {
    const id = parseId(text)
    if (id === null) throw new AppError('invalid_request', `"${text}" is no id of a task`)
    return id
  })
  return [...new Set(ids)]
}
