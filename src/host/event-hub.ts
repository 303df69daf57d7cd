/** Hands committed events to whoever listens: the event stream, and those who wait for a task. */
import type { EventRecord } from './store/rows.ts'

export type Listener = (events: readonly EventRecord[]) => void

export class EventHub {
  private readonly listeners = new Set<Listener>()
  /** Those who wait for a change of one task. */
  private readonly waiting = new Map<number, Set<() => void>>()

  /** @returns how to stop listening */
  subscribe(listener: Listener): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  publish(events: readonly EventRecord[]): void {
    if (events.length === 0) return
    for (const listener of this.listeners) listener(events)
    if (this.waiting.size === 0) return
    for (const event of events) {
      if (event.kind === 'task') for (const wake of this.waiting.get(event.taskId) ?? []) wake()
    }
  }

  /** Resolves at the next committed change of the task, when the time is over, or when the signal aborts. */
  nextChange(taskId: number, waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        const waiting = this.waiting.get(taskId)
        waiting?.delete(done)
        if (waiting?.size === 0) this.waiting.delete(taskId)
        resolve()
      }
      const timer = setTimeout(done, waitMs)
      signal.addEventListener('abort', done)
      this.waiting.set(taskId, (this.waiting.get(taskId) ?? new Set()).add(done))
    })
  }
}
