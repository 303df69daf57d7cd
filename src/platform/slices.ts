/** Long work a slice at a time, so that everything else of the process goes on in between. */
import { setImmediate } from 'node:timers/promises'

/** What `work` makes of each item, in order; after so many items all else has its turn. */
export async function inSlices<T, R>(
  items: readonly T[],
  size: number,
  work: (item: T) => readonly R[],
): Promise<R[]> {
  const results: R[] = []
  for (const [index, item] of items.entries()) {
    if (index > 0 && index % size === 0) await setImmediate()
    for (const result of work(item)) results.push(result)
  }
  return results
}
