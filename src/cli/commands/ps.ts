/** `hakuriver ps`: tasks as a table; what has not ended first of all. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, exitCodes } from '../../core/errors.ts'
import { finalStatuses, isFinal, type Status, statuses } from '../../core/task.ts'
import { count, cut, printable } from '../../core/text.ts'
import { terminalText } from '../../platform/ansi.ts'
import { type Cell, type Column, renderTable } from '../../platform/table.ts'
import type { TaskView } from '../../protocol/schemas.ts'
import type { Context } from '../context.ts'
import { followEvents } from '../event-stream.ts'
import { hasSeveralOwners, ownerColumn } from '../output/people.ts'
import { bytesOrDash, commandLine, outcome, paintStatus, taskTime, whereabouts } from '../output/text.ts'
import { selectBatch, type TaskFilter, tasksOf } from '../selectors.ts'
import type { Host } from '../transport.ts'

export interface PsOptions {
  all: boolean
  status: Status[]
  node: string | null
  batch: string | null
  /** Of this user alone. */
  user: string | null
  mine: boolean
  search: string | null
  lines: number | null
  watch: boolean
  quiet: boolean
}

interface Listing {
  tasks: TaskView[]
  /** null: a search does not tell. */
  total: number | null
}

const unfinished = statuses.filter((status) => !isFinal(status))
const latestShown = 20
const pageSize = 1000

/** Lists, or keeps the list live on a terminal. */
export async function ps(options: PsOptions, context: Context): Promise<number> {
  const host = await context.host()
  const filter = await filterOf(options, host)
  if (options.watch) return watch(filter, options, host, context)
  const listing = await list(filter, options, host)
  if (context.json) await context.printJson({ items: listing.tasks, total: listing.total })
  else if (options.quiet) await context.print(listing.tasks.map((task) => task.id))
  else await printTable(listing, filter, context, host)
  return exitCodes.ok
}

async function filterOf(options: PsOptions, host: Host): Promise<TaskFilter> {
  return {
    ...(options.status.length > 0 && { status: options.status }),
    ...(options.node !== null && { node: options.node }),
    ...(options.search !== null && { q: options.search }),
    ...(options.user !== null && { owner: options.user }),
    ...(options.mine && { owner: (await host.client.whoAmI({})).name }),
    ...(options.batch !== null && { batchId: await selectBatch(options.batch, host) }),
  }
}

/** Unless told otherwise: what has not ended, and the latest ends up to 20 lines in all; newest first. */
async function list(filter: TaskFilter, options: PsOptions, host: Host): Promise<Listing> {
  if (options.all) {
    const tasks: TaskView[] = []
    for await (const task of tasksOf(host, filter)) tasks.push(task)
    return { tasks, total: tasks.length }
  }
  const limit = Math.min(options.lines ?? latestShown, pageSize)
  if (filter.q !== undefined) return search(filter, limit, host)
  const newest = host.client.listTasks({ query: { ...filter, limit } })
  if (options.lines !== null || filter.status !== undefined) {
    const page = await newest
    return { tasks: page.items, total: page.total }
  }
  const open = host.client.listTasks({ query: { ...filter, status: unfinished, limit: 100 } })
  const [all, waiting] = await Promise.all([newest, open])
  const known = new Map([...all.items, ...waiting.items].map((task) => [task.id, task]))
  const byNewest = [...known.values()].sort((a, b) => Number(b.id) - Number(a.id))
  const ended = byNewest
    .filter((task) => isFinal(task.status))
    .slice(0, Math.max(5, limit - waiting.items.length))
  const shown = new Set(ended)
  return {
    tasks: byNewest.filter((task) => !isFinal(task.status) || shown.has(task)),
    total: all.total,
  }
}

/** The newest so many. A page of a search may be short and have a next one all the same. */
async function search(filter: TaskFilter, limit: number, host: Host): Promise<Listing> {
  const tasks: TaskView[] = []
  for await (const task of tasksOf(host, filter)) if (tasks.push(task) === limit) break
  return { tasks, total: null }
}

async function printTable(listing: Listing, filter: TaskFilter, context: Context, host: Host): Promise<void> {
  const { tasks, total } = listing
  const { stdout } = context.io
  if (tasks.length === 0) {
    await context.note(emptyNote(filter))
    return
  }
  await context.print(taskTable(tasks, host.now(), stdout.isTty ? stdout.size().columns : null, context))
  if (stdout.isTty && total !== null && total > tasks.length) {
    await context.note(context.colors.dim(`${tasks.length} of ${count(total, 'task')}; --all shows them all`))
  }
}

function emptyNote(filter: TaskFilter): string {
  return Object.keys(filter).length > 0
    ? 'No task is like that. `hakuriver ps --all` shows them all.'
    : 'There is no task yet. Start one: hakuriver submit -- echo hello'
}

const columns: Column[] = [
  { title: 'ID' },
  { title: 'STATUS' },
  { title: 'COMMAND', shrinkTo: 12 },
  { title: 'NODE', shrinkTo: 8, dropOrder: 1 },
  { title: 'CORES', align: 'right', dropOrder: 3 },
  { title: 'MEMORY', align: 'right', dropOrder: 4 },
  { title: 'TIME', align: 'right', dropOrder: 2 },
  { title: 'RESULT', shrinkTo: 8, dropOrder: 1 },
]

/** The table of tasks; `width` null: nothing is cut. */
export function taskTable(
  tasks: TaskView[],
  nowMs: number,
  width: number | null,
  context: Context,
): string[] {
  const { colors } = context
  const hasOwners = hasSeveralOwners(tasks)
  const rows = tasks.map((task): Cell[] => [
    { text: task.id },
    { text: task.status, paint: paintStatus(task.status, colors) },
    ...(hasOwners ? [{ text: printable(task.owner) }] : []),
    { text: task.name === null ? commandLine(task) : printable(task.name) },
    { text: whereabouts(task) },
    { text: String(task.cores) },
    { text: bytesOrDash(task.memoryBytes) },
    { text: taskTime(task, nowMs) },
    { text: outcome(task), paint: task.status === 'completed' ? colors.dim : (text) => text },
  ])
  const shown = hasOwners ? columns.toSpliced(2, 0, ownerColumn) : columns
  return renderTable(shown, rows, { width, paintTitle: colors.dim })
}

/** Redraws at most so often; the times on the screen move once a second. */
const redrawMs = 200
const tickMs = 1_000

async function watch(filter: TaskFilter, options: PsOptions, host: Host, context: Context): Promise<number> {
  if (!context.io.stdout.isTty || context.json) {
    throw new AppError('invalid_request', 'ps --watch needs a terminal', {
      details: { fix: 'In a script, `hakuriver wait` tells when tasks end.' },
    })
  }
  const end = new AbortController()
  const stopListening = context.io.onInterrupt(() => end.abort())
  const stopKeys = context.io.onKey((key) => {
    if (key === 'q' || key === '\u0003' || key === '\u001b') end.abort()
  })
  const state: Live = { listing: await list(filter, options, host), isStale: false, isCut: false }
  const following = followInto(state, host, end.signal).catch((error: unknown) => {
    state.failure = error
    end.abort()
  })
  await context.io.stdout.write('\u001b[?1049h\u001b[?25l')
  try {
    for (let drawnAt = 0; !end.signal.aborted; ) {
      if (state.isStale || context.io.now() - drawnAt >= tickMs) {
        if (state.isStale) await refresh(state, () => list(filter, options, host))
        drawnAt = context.io.now()
        await draw(state, context, host)
      }
      await sleep(redrawMs, undefined, { signal: end.signal }).catch(() => {})
    }
  } finally {
    end.abort()
    await context.io.stdout.write('\u001b[?25h\u001b[?1049l')
    stopListening()
    stopKeys()
    await following
  }
  if (state.failure !== undefined) throw state.failure
  return exitCodes.ok
}

interface Live {
  listing: Listing
  /** Something has happened since the listing was read. */
  isStale: boolean
  isCut: boolean
  failure?: unknown
}

async function followInto(state: Live, host: Host, signal: AbortSignal): Promise<void> {
  for await (const step of followEvents(host, { signal })) {
    state.isCut = step.kind === 'cut'
    if (step.kind !== 'cut') state.isStale = true
  }
}

async function refresh(state: Live, read: () => Promise<Listing>): Promise<void> {
  state.isStale = false
  try {
    state.listing = await read()
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'unavailable') throw error
    state.isCut = true
    state.isStale = true
  }
}

async function draw(state: Live, context: Context, host: Host): Promise<void> {
  const { colors, io } = context
  const { columns: width, rows } = io.stdout.size()
  const { tasks, total } = state.listing
  const counts = [...unfinished, ...finalStatuses].flatMap((status) => {
    const number = tasks.filter((task) => task.status === status).length
    return number === 0 ? [] : `${number} ${status}`
  })
  const link = state.isCut ? colors.yellow('the host is away; trying again') : colors.green('live')
  const head = `${colors.bold('hakuriver')}  ${link}  ${colors.dim('q ends')}`
  const lines = [
    head,
    cut(counts.join(', ') || 'no task yet', width),
    '',
    ...taskTable(tasks, host.now(), width, context),
  ]
  const shown = lines.slice(0, rows - 1)
  if (total !== null && total > tasks.length && shown.length < rows - 1)
    shown.push(colors.dim(`${tasks.length} of ${total} tasks`))
  await io.stdout.write(
    `\u001b[H${shown.map((line) => `${terminalText(line)}\u001b[K`).join('\r\n')}\u001b[J`,
  )
}
