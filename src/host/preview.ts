/** What a submit would do at this moment. Nothing is made, and no id is used. */
import { type Candidate, type Foreseen, previewSubmit } from '../core/preview.ts'
import { limits } from '../protocol/limits.ts'
import type { PreviewOutcome, PreviewResult, SubmitBody } from '../protocol/schemas.ts'
import { type Cluster, placedPerPass } from './cluster.ts'
import { checkedBody, unmadeReason } from './submit.ts'

/** @throws AppError `invalid_request`, `too_large` as the submit does; refused tasks are told in the answer */
export function previewBatch(body: SubmitBody, cluster: Pick<Cluster, 'queue' | 'ledger'>): PreviewResult {
  const { specs, targets } = checkedBody(body)
  const total = specs.length * targets.length
  function* candidates(): Generator<Candidate> {
    for (const spec of specs) for (const { target } of targets) yield { spec, target }
  }
  const options = { perPass: placedPerPass, described: limits.previewItems }
  const { items, firstRefused, ...counts } = previewSubmit(
    candidates(),
    cluster.queue,
    cluster.ledger,
    options,
  )
  const outcome = (index: number, foreseen: Foreseen): PreviewOutcome => ({
    target: targets[index % targets.length]?.text ?? '',
    specIndex: Math.floor(index / targets.length),
    ...told(foreseen),
  })
  const isWithheld = body.allOrNothing === true && firstRefused !== null
  return {
    total,
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
