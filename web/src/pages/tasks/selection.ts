/** Which tasks of a list are chosen, and what can be done to them. */
import { isFinal, type Status, statuses, type TaskAction, taskCan } from '../../../../src/core/task.ts'

/** Chosen tasks with the status in which each was last seen. */
export type Selection = ReadonlyMap<string, Status>

interface Chosen {
  id: string
  status: Status
}

/** With it if it was not there, else without. */
export function toggled(selection: Selection, { id, status }: Chosen): Selection {
  const next = new Map(selection)
  if (!next.delete(id)) next.set(id, status)
  return next
}

/** With all of them, as many as `most`. */
export function withAll(selection: Selection, rows: readonly Chosen[], most: number): Selection {
  const next = new Map(selection)
  for (const { id, status } of rows) if (next.has(id) || next.size < most) next.set(id, status)
  return next
}

/** The rows from one to another, both included, in either direction; only `to` where the other is not there. */
export function rangeOf<Row extends { id: string }>(
  rows: readonly Row[],
  from: string | null,
  to: string,
): Row[] {
  const first = rows.findIndex(({ id }) => id === from)
  const last = rows.findIndex(({ id }) => id === to)
  if (first < 0 || last < 0) return rows.filter(({ id }) => id === to)
  return rows.slice(Math.min(first, last), Math.max(first, last) + 1)
}

/** The same tasks, as they are now; the same object where nothing is new. */
export function refreshed(selection: Selection, seen: Iterable<Chosen>): Selection {
  let next: Map<string, Status> | null = null
  for (const { id, status } of seen) {
    const known = selection.get(id)
    if (known === undefined || known === status) continue
    next ??= new Map(selection)
    next.set(id, status)
  }
  return next ?? selection
}

/** Whom an action is for, and whom it leaves out. */
export interface Split {
  ids: string[]
  leftOut: { status: Status; number: number }[]
  /** Of others, whose tasks one may not touch. */
  notMine: number
}

const none: ReadonlySet<string> = new Set()

/** `untouchable`: tasks of others, which the host would refuse. */
export function splitFor(action: TaskAction, selection: Selection, untouchable = none): Split {
  const ids: string[] = []
  const counts = new Map<Status, number>()
  let notMine = 0
  for (const [id, status] of selection) {
    if (untouchable.has(id)) notMine += 1
    else if (taskCan(action, status)) ids.push(id)
    else counts.set(status, (counts.get(status) ?? 0) + 1)
  }
  const leftOut = statuses.flatMap((status) => {
    const number = counts.get(status)
    return number === undefined ? [] : [{ status, number }]
  })
  return { ids, leftOut, notMine }
}

/** Statuses in which an action can be asked, of those that are wanted (none: all). */
export function statusesFor(action: TaskAction, wanted: readonly Status[]): Status[] {
  return statuses.filter(
    (status) => taskCan(action, status) && (wanted.length === 0 || wanted.includes(status)),
  )
}

/** "3 have ended already, 2 are being killed already". */
export function tellLeftOut(action: TaskAction, { leftOut, notMine }: Split): string {
  const sum = (isMeant: (status: Status) => boolean) =>
    leftOut.reduce((total, { status, number }) => total + (isMeant(status) ? number : 0), 0)
  const ended = sum(isFinal)
  const killing = sum((status) => status === 'killing')
  const open = sum(() => true) - ended - killing
  const have = (number: number) => (number === 1 ? 'has' : 'have')
  const are = (number: number) => (number === 1 ? 'is' : 'are')
  const parts: string[] = []
  if (ended > 0) parts.push(`${ended} ${have(ended)} ended already`)
  if (killing > 0 && action === 'kill') parts.push(`${killing} ${are(killing)} being killed already`)
  const unfinished = action === 'kill' ? open : open + killing
  if (unfinished > 0) parts.push(`${unfinished} ${have(unfinished)} not ended yet`)
  if (notMine > 0) parts.push(`${notMine} ${are(notMine)} not yours`)
  return parts.join(', ')
}
