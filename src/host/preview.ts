/** What a submit would do at this moment. Nothing is made, and no id is used. */
import { type Foreseen, previewSubmit } from '../core/preview.ts'
import { limits } from '../protocol/limits.ts'
import type { PreviewOutcome, PreviewResult, SubmitBody } from '../protocol/schemas.ts'
import { type Cluster, placedPerPass } from './cluster.ts'
import { SecretSets } from './secrets.ts'
import { unmadeReason, wantedTasks } from './submit.ts'

/** @throws AppError `invalid_request`, `too_large` as the submit does; refused tasks are told in the answer */
export function previewBatch(body: SubmitBody, cluster: Pick<Cluster, 'queue' | 'ledger'>): PreviewResult {
  const wanted = wantedTasks(body, new SecretSets(0)) // nothing of them is kept
  const options = { perPass: placedPerPass, described: limits.previewItems }
  const { items, firstRefused, ...counts } = previewSubmit(wanted, cluster.queue, cluster.ledger, options)
  const outcome = (index: number, foreseen: Foreseen): PreviewOutcome => ({
    target: wanted[index]?.text ?? '',
    specIndex: wanted[index]?.specIndex ?? 0,
    ...told(foreseen),
  })
  const isWithheld = body.allOrNothing === true && firstRefused !== null
  return {
    total: wanted.length,
    ...(isWithheld ? { looked: counts.looked, starts: 0, waits: 0, refused: counts.looked } : counts),
    items: items.map((foreseen, index) => outcome(index, isWithheld ? withheld(foreseen) : foreseen)),
    firstRefused:
      firstRefused && outcome(firstRefused.index, { outcome: 'refused', reason: firstRefused.reason }),
  }
}

/** One that could be made, where all or nothing was asked for and another cannot. */
function withheld(foreseen: Foreseen): Foreseen {
  return foreseen.outcome === 'refused' ? foreseen : { outcome: 'refused', reason: unmadeReason }
}

function told(foreseen: Foreseen): Omit<PreviewOutcome, 'target' | 'specIndex'> {
  if (foreseen.outcome === 'starts') return { outcome: 'starts', ...foreseen.placement, reason: null }
  return { ...foreseen, node: null, numaId: null }
}
