/** A search in one log, as it was chosen: a new one for each text, and steps that wait for what is still looked for. */
import { onScopeDispose, shallowRef, triggerRef, watch } from 'vue'
import type { LogMatch } from '../../../src/protocol/schemas.ts'
import { type LogName, readLines, search as searchLog } from './calls.ts'
import { SearchRun, type Sought } from './search-run.ts'

export interface SearchOptions {
  name: LogName
  /** null: nothing is sought. */
  sought: () => Sought | null
  /** Byte of the log that is looked at. */
  from: () => number
  /** Bytes of the log. */
  size: () => number
  /** A step has come to this match, with the number of its line. */
  onStep: (match: LogMatch, line: number) => void
}

/** A log that grows is searched on so often. */
const growMs = 1_000

export function useSearch({ name, sought, from, size, onStep }: SearchOptions) {
  const run = shallowRef<SearchRun | null>(null)
  /** Byte of the line that the last step came to. */
  const current = shallowRef<number | null>(null)
  let pending: 1 | -1 | null = null
  let numbering = new AbortController()

  watch(
    () => JSON.stringify(sought()),
    () => {
      run.value?.close()
      pending = null
      current.value = null
      const wanted = sought()
      run.value =
        wanted === null
          ? null
          : new SearchRun(wanted, from(), {
              search: (query, signal) => searchLog(name, query, signal),
              onChange: () => {
                triggerRef(run)
                if (pending !== null) step(pending)
              },
            })
    },
    { immediate: true },
  )
  const timer = setInterval(() => {
    if (!document.hidden) run.value?.grow(size())
  }, growMs)
  onScopeDispose(() => {
    clearInterval(timer)
    run.value?.close()
    numbering.abort()
  })

  /** To the next match, or the one before; as soon as it is known. */
  function step(direction: 1 | -1): void {
    if (run.value === null) return
    // the first one may be in the line that is looked at
    const at = current.value ?? (direction === 1 ? from() - 1 : from())
    const match = run.value.step(at, direction)
    pending = match === null && run.value.isLooking ? direction : null
    if (match === null) return
    current.value = match.offset
    void arrive(match)
  }

  async function arrive(match: LogMatch): Promise<void> {
    numbering.abort()
    numbering = new AbortController()
    const { signal } = numbering
    let { line } = match
    while (line === null && !signal.aborted) {
      // it was not counted so far when it was found
      const page = await readLines(name, { offset: match.offset, count: 1 }, signal).catch(() => null)
      line = page?.firstLine ?? null
      if (line === null) await new Promise((resolve) => setTimeout(resolve, 300))
    }
    if (line !== null && !signal.aborted) onStep(match, line)
  }

  return { run, current, step }
}
