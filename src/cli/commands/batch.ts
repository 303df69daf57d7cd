/** `hakuriver batch list|show`: the tasks of one submit, counted. */
import { exitCodes } from '../../core/errors.ts'
import { statuses } from '../../core/task.ts'
import { count, printable } from '../../core/text.ts'
import { type Cell, type Column, renderTable } from '../../platform/table.ts'
import type { BatchView } from '../../protocol/schemas.ts'
import type { Colors, Context } from '../context.ts'
import { ago, paintStatus } from '../output/text.ts'
import { selectBatch } from '../selectors.ts'
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
    const rows = page.items.map((batch): Cell[] => [
      { text: batch.id },
      { text: String(batch.total) },
      { text: ago(batch.submittedAt, host.now()) },
      { text: batch.name === null ? '-' : printable(batch.name) },
      { text: countsText(batch, null) },
    ])
    const width = stdout.isTty ? stdout.size().columns : null
    await context.print(renderTable(columns, rows, { width, paintTitle: context.colors.dim }))
  }
  return exitCodes.ok
}

/** Prints one batch with its newest tasks. */
export async function batchShow(word: string, context: Context): Promise<number> {
  const host = await context.host()
  const id = await selectBatch(word, host)
  const batch = await host.client.getBatch({ params: { id } })
  if (context.json) {
    await context.printJson(batch)
    return exitCodes.ok
  }
  const tasks = await host.client.listTasks({ query: { batchId: id, limit: 100 } })
  const { stdout } = context.io
  const { colors } = context
  await context.print([
    `${colors.bold(`Batch ${batch.id}`)}${batch.name === null ? '' : `  ${printable(batch.name)}`}`,
    `${count(batch.total, 'task')}, submitted ${ago(batch.submittedAt, host.now())}: ${countsText(batch, colors)}`,
    '',
    ...taskTable(tasks.items, host.now(), stdout.isTty ? stdout.size().columns : null, context),
  ])
  if (tasks.total > tasks.items.length) {
    await context.note(
      colors.dim(`${tasks.items.length} of ${tasks.total}; all: hakuriver ps --all --batch ${batch.id}`),
    )
  }
  return exitCodes.ok
}

/** `3 running, 1 failed`; `colors` null: unpainted. */
export function countsText(batch: BatchView, colors: Colors | null): string {
  return statuses
    .flatMap((status) => {
      const number = batch.counts[status] ?? 0
      if (number === 0) return []
      const text = `${number} ${status}`
      return colors === null ? text : paintStatus(status, colors)(text)
    })
    .join(', ')
}
