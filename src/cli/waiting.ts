/** Waiting for ends through the event stream: nothing is polled, and a restart of the host is only said. */
import { AppError } from '../core/errors.ts'
import { isFinal } from '../core/task.ts'
import { after } from '../platform/wait.ts'
import type { TaskView } from '../protocol/schemas.ts'
import { followEvents, untilAnswered } from './event-stream.ts'
import type { Outcome } from './exit-code.ts'
import type { Host } from './transport.ts'

export interface WaitOptions {
  signal: AbortSignal
  /** Told once per task that has ended, also for those that had ended before. */
  onEnd?: (outcome: Outcome) => Promise<void> | void
  /** The host has gone away, or is back. */
  onLink?: (state: 'cut' | 'back') => Promise<void> | void
}

/** How many tasks are asked for at once after a reconnect. */
const parallelReads = 8

/**
 * Resolves with the outcomes in the order of the ids when all have ended; null where the signal came first.
 * After each (re)connect the tasks still open are read again, so no end can be missed.
 */
export async function waitForEnds(
  ids: string[],
  host: Host,
  options: WaitOptions,
): Promise<Outcome[] | null> {
  const open = new Set(ids)
  const outcomes = new Map<string, Outcome>()
  const end = async (outcome: Outcome) => {
    if (!open.delete(outcome.id)) return
    outcomes.set(outcome.id, outcome)
    await options.onEnd?.(outcome)
  }
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const read = (id: string) => untilAnswered(() => host.client.getTask({ params: { id } }), signal)
  let wasCut = false
  try {
    // asked for by itself, so that a host that goes away while the stream is opened is known to have been there
    const [first] = ids
    if (first !== undefined && !host.wasReached)
      await readAgain([first], (id) => host.client.getTask({ params: { id } }), end)
    if (open.size === 0) return ids.flatMap((id) => outcomes.get(id) ?? [])
    for await (const step of followEvents(host, { signal })) {
      if (step.kind === 'cut') {
        if (!wasCut) await options.onLink?.('cut')
        wasCut = true
      } else if (step.kind === 'open') {
        if (wasCut) await options.onLink?.('back')
        wasCut = false
        await readAgain([...open], read, end)
      } else if (step.event.taskId !== null && open.has(step.event.taskId)) {
        const { taskId, status } = step.event
        if (status !== null && isFinal(status)) await end(await read(taskId))
      }
      if (open.size === 0) break
    }
  } catch (error) {
    if (!options.signal.aborted) throw error
  } finally {
    stop.abort()
  }
  if (open.size > 0) return null
  return ids.flatMap((id) => outcomes.get(id) ?? [])
}

async function readAgain(
  ids: string[],
  read: (id: string) => Promise<TaskView>,
  end: (task: TaskView) => Promise<void>,
): Promise<void> {
  const queue = ids.values()
  const worker = async () => {
    for (const id of queue) {
      const task = await read(id)
      if (isFinal(task.status)) await end(task)
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallelReads, ids.length) }, worker))
}

/** A signal that comes after so long with an `AppError` `timeout`, and how to call it off. */
export function deadline(ms: number | null, what: string): { signal: AbortSignal; cancel(): void } {
  const controller = new AbortController()
  if (ms === null) return { signal: controller.signal, cancel() {} }
  const cancel = after(ms, () => controller.abort(new AppError('timeout', what)))
  return { signal: controller.signal, cancel }
}
