/** `--dry-run`: asks the host what a submit would do at this moment; nothing is made. */
import { errorTable, exitCodes } from '../../core/errors.ts'
import { count, printable } from '../../core/text.ts'
import type { PreviewResult, SubmitBody } from '../../protocol/schemas.ts'
import { withoutSecretValues } from '../../protocol/submit-body.ts'
import type { Context } from '../context.ts'

type Outcome = PreviewResult['items'][number]

/** So many outcomes are shown one by one. */
const shown = 20

/** Prints what would become of each task. The exit code is that of the submit, as far as it can be told. */
export async function dryRunSubmit(body: SubmitBody, context: Context): Promise<number> {
  const preview = await previewOf(body, context)
  if (context.json) await context.printJson(preview)
  else await context.print(outcomeLines(preview))
  await context.note(`${tellCounts(preview)}; nothing was submitted.`)
  return codeOfPreview(preview)
}

/** @throws AppError as the submit */
export async function previewOf(body: SubmitBody, context: Context): Promise<PreviewResult> {
  const host = await context.host()
  // nothing that is kept from others has to leave this machine for it
  return host.client.previewBatch({ body: withoutSecretValues(body) })
}

/** "Of 40 tasks 12 would start now, 28 would wait": without a full stop. */
export function tellCounts({ total, looked, starts, waits, refused }: PreviewResult): string {
  if (total === 1) return `It would ${starts > 0 ? 'start now' : waits > 0 ? 'wait' : 'be refused'}`
  const parts = [
    ...(starts > 0 ? [`${starts} would start now`] : []),
    ...(waits > 0 ? [`${waits} would wait`] : []),
    ...(refused > 0 ? [`${refused} would be refused`] : []),
  ]
  const of =
    looked < total ? `Of the first ${looked} of ${count(total, 'task')}` : `Of ${count(total, 'task')}`
  return `${of} ${parts.join(', ')}`
}

/** 0: all would be made. Some: 1. None: as where a submit makes none. */
export function codeOfPreview({ refused, looked }: PreviewResult): number {
  if (refused === 0) return exitCodes.ok
  return refused < looked ? exitCodes.failed : errorTable.unsatisfiable.exit
}

function outcomeLines({ items, total, firstRefused }: PreviewResult): string[] {
  const head = items.slice(0, shown)
  const isRefusedLater = firstRefused !== null && !head.some(({ outcome }) => outcome === 'refused')
  const width = Math.max(...head.map(({ target }) => printable(target).length))
  const line = (item: Outcome) => `${printable(item.target).padEnd(width)}  ${tellOutcome(item)}`
  return [
    ...head.map(line),
    ...(total > head.length ? ['…'] : []),
    ...(isRefusedLater ? [line(firstRefused)] : []),
  ]
}

/** "starts on n1:0", "waits: needs 8 cores on n3: …", "is refused: there is no node n9". */
export function tellOutcome({ outcome, node, numaId, reason }: Outcome): string {
  if (outcome === 'starts') return `starts on ${printable(node ?? '')}${numaId === null ? '' : `:${numaId}`}`
  return `${outcome === 'waits' ? 'waits' : 'is refused'}: ${printable(reason ?? '')}`
}
