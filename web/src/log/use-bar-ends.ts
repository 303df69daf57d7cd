/**
 * The ends of lines that overwrite themselves and are longer than what is told of them: a progress bar of hours is one line,
 * and only its end says how far it has come. Read for lines that are drawn, and again as they grow.
 */
import { onScopeDispose, shallowRef, triggerRef } from 'vue'
import { type LogName, readText } from './calls.ts'
import type { DocLine } from './line-blocks.ts'

const endBytes = 4 * 1024
const mostEnds = 100
const readsAtOnce = 1

export function useBarEnds(name: LogName) {
  /** By the byte at which the line begins. */
  const ends = shallowRef(new Map<number, { bytes: number; text: string }>())
  const closed = new AbortController()
  const wanted = new Map<number, DocLine>()
  let reads = 0
  onScopeDispose(() => closed.abort())

  async function read(): Promise<void> {
    const [line] = wanted.values()
    if (line === undefined || reads >= readsAtOnce || closed.signal.aborted) return
    wanted.delete(line.offset)
    reads += 1
    try {
      const bytes = line.isOpen ? line.size - line.offset : line.bytes
      const from = line.offset + Math.max(0, bytes - endBytes)
      const text = await readText(name, from, line.offset + bytes - from, closed.signal)
      ends.value.delete(line.offset)
      ends.value.set(line.offset, { bytes: line.bytes, text })
      const [oldest] = ends.value.keys()
      if (ends.value.size > mostEnds && oldest !== undefined) ends.value.delete(oldest)
      triggerRef(ends)
    } catch {
      // its beginning stays on the screen; it is tried again when it is drawn the next time
    } finally {
      reads -= 1
    }
    void read()
  }

  /** The end as it was read last; null: it was not read so far. */
  return (line: DocLine): string | null => {
    const known = ends.value.get(line.offset)
    if (known?.bytes !== line.bytes && !wanted.has(line.offset)) {
      wanted.set(line.offset, line)
      queueMicrotask(() => void read())
    }
    return known?.text ?? null
  }
}
