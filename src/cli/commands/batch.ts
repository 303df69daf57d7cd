/** `hakuriver batch list|show`: the tasks of one submit, counted. */

import { countStatuses, type StatusCounts } from '../../core/batch.ts'
import { exitCodes } from '../../core/errors.ts'
import { finalStatuses, statuses } from '../../core/task.ts'
import { count, printable } from '../../core/text.ts'
import { type Cell, type Column, renderTable } from '../../platform/table.ts'
import type { BatchView, TaskView } from '../../protocol/schemas.ts'
import type { Colors, Context } from '../context.ts'
import { hasSeveralOwners, ownerColumn } from '../output/people.ts'
import { ago, paintStatus } from '../output/text.ts'
import { selectBatch, tasksOf } from '../selectors.ts'
import { taskTable } from './ps.ts'

const columns: Column[] = [
  { title: 'BATCH' },
  { title: 'TASKS', align: 'right' },
  { title: 'SUBMITTED', dropOrder: 1 },
  { title: 'NAME', shrinkTo: 8, dropOrder: 2 },
  { title: 'STATUS', shrinkTo: 10 },
]

/** Lists the latest batches. */
export async function batchList(options: { lines: number }, context: Context): Promise<number> {
  const host = await context.host()
  const page = await host.client.listBatches({ query: { limit: options.lines } })
  const { stdout } = context.io
  if (context.json) await context.printJson({ items: page.items, total: page.total })
  else if (page.items.length === 0) await context.note('There is no batch yet.')
  else {
    const width = stdout.isTty ? stdout.size().columns : null
    await context.print(batchTable(page.items, host.now(), width, context.colors))
  }
  return exitCodes.ok
}

function batchTable(items: BatchView[], nowMs: number, width: number | null, colors: Colors): string[] {
  const hasOwners = hasSeveralOwners(items)
  const rows = items.map((batch): Cell[] => [
    { text: batch.id },
    { text: String(batch.total) },
    { text: ago(batch.submittedAt, nowMs) },
    ...(hasOwners ? [{ text: printable(batch.owner) }] : []),
    { text: batch.name === null ? '-' : printable(batch.name) },
    { text: countsText(batch, null) },
  ])
  const shown = hasOwners ? columns.toSpliced(3, 0, ownerColumn) : columns
  return renderTable(shown, rows, { width, paintTitle: colors.dim })
}

/** Prints one batch: how far it is, target by target where there are several, and its newest tasks. */
export async function batchShow(word: string, context: Context): Promise<number> {
  const host = await context.host()
  const id = await selectBatch(word, host)
  const batch = await host.client.getBatch({ params: { id } })
  const tasks: TaskView[] = []
  for await (const task of tasksOf(host, { batchId: id })) tasks.push(task)
  const targets = byTarget(tasks)
  if (context.json) {
    await context.printJson({ ...batch, targets })
    return exitCodes.ok
  }
  const { stdout } = context.io
  const { colors } = context
  const width = stdout.isTty ? stdout.size().columns : null
  const shown = tasks.slice(0, tasksShown)
  await context.print([
    `${colors.bold(`Batch ${batch.id}`)}${batch.name === null ? '' : `  ${printable(batch.name)}`}`,
    `${count(batch.total, 'task')}, submitted ${ago(batch.submittedAt, host.now())} by ${printable(batch.owner)}: ${countsText(batch, colors)}`,
    progress(batch, width, colors),
    '',
    ...(targets.length > 1 ? [...targetTable(targets, width, colors), ''] : []),
    ...taskTable(shown, host.now(), width, context),
  ])
  if (tasks.length > shown.length) {
    await context.note(
      colors.dim(`${shown.length} of ${tasks.length}; all: hakuriver ps --all --batch ${batch.id}`),
    )
  }
  if (stdout.isTty) {
    const follow = batch.isFinal ? '' : ' -f'
    await context.note(colors.dim(`Its output: hakuriver batch logs${follow} ${batch.id}`))
  }
  return exitCodes.ok
}

const tasksShown = 100

/** The tasks on one target, counted. */
interface TargetCounts {
  target: string
  total: number
  counts: StatusCounts
}

/** In the order of the submit. */
function byTarget(newestFirst: TaskView[]): TargetCounts[] {
  const groups = Map.groupBy([...newestFirst].reverse(), ({ target }) => target)
  return [...groups].map(([target, tasks]) => ({
    target,
    total: tasks.length,
    counts: countStatuses(tasks),
  }))
}

/** A column per status that occurs; where the terminal is too narrow for that, one for all of them. */
function targetTable(targets: TargetCounts[], width: number | null, colors: Colors): string[] {
  const present = statuses.filter((status) => targets.some(({ counts }) => counts[status] !== undefined))
  const rows = targets.map(({ target, counts }): Cell[] => [
    { text: printable(target) },
    ...present.map((status) => ({
      text: String(counts[status] ?? '-'),
      paint: counts[status] === undefined ? colors.dim : paintStatus(status, colors),
    })),
  ])
  const wide: Column[] = [
    { title: 'TARGET', shrinkTo: 12 },
    ...present.map((status): Column => ({ title: status.toUpperCase(), align: 'right' })),
  ]
  const needed = wide.reduce((sum, { title, shrinkTo }) => sum + (shrinkTo ?? title.length) + 2, -2)
  if (width === null || needed <= width) return renderTable(wide, rows, { width, paintTitle: colors.dim })
  const narrow: Column[] = [
    { title: 'TARGET', shrinkTo: 12 },
    { title: 'STATUS', shrinkTo: 10 },
  ]
  const lines = targets.map((each): Cell[] => [
    { text: printable(each.target) },
    { text: countsText(each, null) },
  ])
  return renderTable(narrow, lines, { width, paintTitle: colors.dim })
}

/** `███████─────  7 of 12 ended`; without a terminal the words alone. */
function progress({ counts, total }: BatchView, width: number | null, colors: Colors): string {
  const ended = finalStatuses.reduce((sum, status) => sum + (counts[status] ?? 0), 0)
  const words = ended === total ? 'all ended' : `${ended} of ${total} ended`
  if (width === null) return words
  const bar = Math.max(0, Math.min(40, width - words.length - 2))
  const full = total === 0 ? 0 : Math.floor((ended / total) * bar)
  return `${colors.green('█'.repeat(full))}${colors.dim('─'.repeat(bar - full))}  ${words}`
}

/** `3 running, 1 failed`; `colors` null: unpainted. */
export function countsText({ counts }: { counts: BatchView['counts'] }, colors: Colors | null): string {
  return statuses
    .flatMap((status) => {
      const number = counts[status] ?? 0
      if (number === 0) return []
      const text = `${number} ${status}`
      return colors === null ? text : paintStatus(status, colors)(text)
    })
    .join(', ')
}
