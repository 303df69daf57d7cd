/** One log of a page: kept up to date for as long as the component lives. */
import { onScopeDispose, shallowRef, triggerRef } from 'vue'
import { type LogName, readLines } from './calls.ts'
import { LogFeed } from './feed.ts'
import { withPollSlot } from './poll-slots.ts'

/** `line`: it is opened there, from 1; null: at its end. The answer's `value` is the same object at each change. */
export function useLog(name: LogName, line: number | null) {
  const feed: LogFeed = new LogFeed({
    read: (query, signal) => readLines(name, query, signal),
    withSlot: withPollSlot,
    untilSeen,
    onChange: () => triggerRef(log),
    now: () => performance.now(),
  })
  const log = shallowRef(feed)
  feed.open(line)
  onScopeDispose(() => feed.close())
  return log
}

/** Resolves when the tab is looked at; a hidden one asks for nothing. @throws the signal's reason */
export function untilSeen(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    if (!document.hidden) return resolve()
    const look = () => {
      if (document.hidden && !signal.aborted) return
      document.removeEventListener('visibilitychange', look)
      if (signal.aborted) reject(signal.reason)
      else resolve()
    }
    document.addEventListener('visibilitychange', look)
    signal.addEventListener('abort', look, { once: true })
  })
}
