/** `hakuriver show`: everything about one task, in words. */
import { exitCodes } from '../../core/errors.ts'
import { sentenceOf } from '../../core/history.ts'
import { isFinal, taskCan } from '../../core/task.ts'
import { count, printable, shellQuote } from '../../core/text.ts'
import { formatBytes, formatDuration } from '../../core/units.ts'
import type { ClusterEvent, TaskDetail, TaskUsage } from '../../protocol/schemas.ts'
import type { Colors, Context } from '../context.ts'
import { ago, commandLine, localTime, paintStatus } from '../output/text.ts'
import { selectTask } from '../selectors.ts'

/** Prints one task with its history; as JSON `{ task, events }`. */
export async function show(word: string, context: Context): Promise<number> {
  const host = await context.host()
  const id = await selectTask(word, host)
  const [task, { items: events }] = await Promise.all([
    host.client.getTask({ params: { id } }),
    host.client.listTaskEvents({ params: { id } }),
  ])
  if (context.json) await context.printJson({ task, events })
  else {
    // of an older host there are none: the page does without
    const usage = isRunning(task)
      ? await host.client.getTaskUsage({ params: { id } }).catch(() => null)
      : null
    await context.print(taskPage(task, events, host.now(), context.colors, usage))
  }
  return exitCodes.ok
}

/** The page's lines. */
export function taskPage(
  task: TaskDetail,
  events: ClusterEvent[],
  nowMs: number,
  colors: Colors,
  usage: TaskUsage | null = null,
): string[] {
  const title = task.name === null ? '' : `  ${printable(task.name)}`
  return [
    `${colors.bold(`Task ${task.id}`)}${title}`,
    `${paintStatus(task.status, colors)(task.status)}: ${statusSentence(task, nowMs)}`,
    ...(task.reason === null ? [] : [`  ${printable(task.reason)}`]),
    '',
    ...section('Command', [['', commandLine(task)], ...envRows(task)], colors),
    ...section('Asked for', askedRows(task), colors),
    ...section('Times', timeRows(task, nowMs), colors),
    ...section('Uses', usesRows(usage), colors),
    ...section('Used', usedRows(task), colors),
    ...section(
      'History',
      events.map((event) => [localTime(event.at), sentenceOf(event)]),
      colors,
    ),
    ...hints(task).map((hint) => colors.dim(hint)),
  ]
}

function statusSentence(task: TaskDetail, nowMs: number): string {
  const node = task.node === null ? 'no node' : printable(task.node)
  const ran =
    task.startedAt === null || task.endedAt === null ? '' : ` after ${between(task.startedAt, task.endedAt)}`
  switch (task.status) {
    case 'pending':
      return `waiting for a place for ${sinceWords(task.submittedAt, nowMs)}`
    case 'assigning':
      return `sent to ${node}, which has not said yet that it runs`
    case 'running':
      return `on ${node}${task.startedAt === null ? '' : ` for ${sinceWords(task.startedAt, nowMs)}`}`
    case 'unreachable':
      return `${node} is silent${task.unreachableSince === null ? '' : ` for ${sinceWords(task.unreachableSince, nowMs)}`}; the task may well be running`
    case 'killing':
      return task.stuck === null
        ? `asked to end on ${node}; something of it is still alive`
        : `stuck on ${node}: ${printable(task.stuck)}`
    case 'completed':
      return `ended well${ran}`
    case 'failed':
      return failedSentence(task, ran)
    case 'killed':
      return task.startedAt === null ? 'ended on request before it started' : `ended on request${ran}`
    case 'killed_oom':
      return `the kernel ended it for want of memory${task.memoryBytes === null ? '' : ` (limit ${formatBytes(task.memoryBytes)})`}${ran}`
    case 'timed_out':
      return `ended by its own time limit${task.timeoutMs === null ? '' : ` of ${formatDuration(task.timeoutMs)}`}`
    case 'lost':
      return 'nobody can know how it ended'
  }
}

function failedSentence(task: TaskDetail, ran: string): string {
  if (task.exitCode !== null) return `ended with exit code ${task.exitCode}${ran}`
  if (task.signal !== null) return `ended by ${task.signal}${ran}`
  return 'it never ran'
}

function askedRows(task: TaskDetail): [string, string][] {
  const rows: [string, string][] = [['owner', printable(task.owner)]]
  rows.push(['target', printable(task.target)])
  if (task.node !== null)
    rows.push(['placed on', printable(task.numaId === null ? task.node : `${task.node}:${task.numaId}`)])
  rows.push(['cores', String(task.cores)])
  rows.push(['memory', task.memoryBytes === null ? 'no limit' : formatBytes(task.memoryBytes)])
  if (task.timeoutMs !== null) rows.push(['time limit', formatDuration(task.timeoutMs)])
  if (task.cwd !== null) rows.push(['directory', printable(task.cwd)])
  const sandbox = [task.privateNetwork && 'private network', task.privatePids && 'private PIDs'].filter(
    Boolean,
  )
  if (sandbox.length > 0) rows.push(['sandbox', sandbox.join(', ')])
  rows.push(['batch', task.batchId])
  if (task.rerunOf !== null) rows.push(['again', `a rerun of task ${task.rerunOf}`])
  if (task.requeue > 0) rows.push(['requeue', requeueText(task)])
  if (task.attempt > 1) rows.push(['attempt', String(task.attempt)])
  return rows
}

function requeueText({ requeue, attempt }: TaskDetail): string {
  const left = Math.max(0, requeue + 1 - Math.max(1, attempt))
  return `${count(requeue, 'time')} at most where its node is lost${attempt > 1 ? `; ${left} left` : ''}`
}

function timeRows(task: TaskDetail, nowMs: number): [string, string][] {
  const rows: [string, string | null][] = [
    ['submitted', task.submittedAt],
    ['started', task.startedAt],
    ['ended', task.endedAt],
  ]
  return rows.flatMap(([name, at]): [string, string][] =>
    at === null ? [] : [[name, `${localTime(at)}  (${ago(at, nowMs)})`]],
  )
}

function isRunning(task: TaskDetail): boolean {
  return task.startedAt !== null && !isFinal(task.status)
}

/** What was measured last: "0.98 of 4 cores, 1.2 GiB of 2 GiB". */
function usesRows(usage: TaskUsage | null): [string, string][] {
  const cpuCores = usage?.cpuCores.findLast((value) => value !== null) ?? null
  const memoryBytes = usage?.memoryBytes.findLast((value) => value !== null) ?? null
  if (usage === null) return []
  const parts: string[] = []
  if (cpuCores !== null) parts.push(`${Number(cpuCores.toFixed(2))} of ${count(usage.cores, 'core')}`)
  const limit = usage.memoryLimitBytes === null ? '' : ` of ${formatBytes(usage.memoryLimitBytes)}`
  if (memoryBytes !== null) parts.push(`${formatBytes(memoryBytes)}${limit}`)
  return parts.length === 0 ? [] : [['now', parts.join(', ')]]
}

function usedRows(task: TaskDetail): [string, string][] {
  const rows: [string, string][] = []
  if (task.startedAt !== null && task.endedAt !== null)
    rows.push(['wall time', between(task.startedAt, task.endedAt)])
  if (task.cpuTimeMs !== null) rows.push(['CPU time', formatDuration(task.cpuTimeMs)])
  if (task.peakMemoryBytes !== null) rows.push(['peak memory', formatBytes(task.peakMemoryBytes)])
  return rows
}

function envRows(task: TaskDetail): [string, string][] {
  const hidden: [string, string][] = [['', `(environment not shown: it is ${printable(task.owner)}'s task)`]]
  const rows =
    task.env === null
      ? hidden
      : Object.entries(task.env).map(([name, value]): [string, string] => [
          '',
          `${name}=${printable(shellQuote(value))}`,
        ])
  // an older host tells of none
  for (const name of task.secretNames ?? []) rows.push(['', `${printable(name)} (secret)`])
  return rows
}

function hints(task: TaskDetail): string[] {
  if (!task.mayTouch)
    return [`Its output is for ${printable(task.owner)} and for operators, and so is ending it.`]
  const hints = [`Its output: hakuriver logs ${isFinal(task.status) ? '' : '-f '}${task.id}`]
  hints.push(
    taskCan('rerun', task.status)
      ? `Run it again: hakuriver rerun ${task.id}`
      : `End it: hakuriver kill ${task.id}`,
  )
  return hints
}

/** A heading and its rows, keys in one column; nothing at all where there is no row. */
function section(title: string, rows: [string, string][], colors: Colors): string[] {
  if (rows.length === 0) return []
  const width = Math.max(...rows.map(([key]) => key.length))
  return [
    colors.bold(title),
    ...rows.map(([key, value]) => `  ${key === '' ? '' : `${colors.dim(key.padEnd(width))}  `}${value}`),
    '',
  ]
}

function between(from: string, to: string): string {
  return formatDuration(Date.parse(to) - Date.parse(from))
}

function sinceWords(instant: string, nowMs: number): string {
  return formatDuration(Math.max(0, nowMs - Date.parse(instant)))
}
