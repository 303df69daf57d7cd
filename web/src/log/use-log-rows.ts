/** The lines of a log that are drawn, with their looks; each is looked at anew only where something of it has changed. */
import { computed, type ShallowRef } from 'vue'
import { isWithin, type LineRange } from './address.ts'
import type { LogFeed } from './feed.ts'
import type { DocLine } from './line-blocks.ts'
import { RowSlots } from './row-slots.ts'
import { cutWords, isLongBar, partsOf, type RowLook, type RowPart } from './rows.ts'

export interface Row {
  key: string | number
  /** Counted from 0. */
  index: number
  /** From 1; null: not known so far. */
  number: number | null
  /** null: it is not at hand so far. */
  parts: RowPart[] | null
  /** What stands behind a line that is cut. */
  note: string
  isChosen: boolean
  /** The search has come to it. */
  isFound: boolean
  /** Between it and the line before there may be others, as long as lines are not counted. */
  isSeam: boolean
}

export interface RowsOptions {
  log: Readonly<ShallowRef<LogFeed>>
  drawn: Readonly<ShallowRef<{ first: number; end: number }>>
  look: () => RowLook
  chosen: () => LineRange | null
  /** Byte of the line that the search has come to. */
  found: () => number | null
  /** The end of a long bar, where it was read. */
  endOf: (line: DocLine) => string | null
}

interface Remembered {
  look: RowLook
  end: string | null
  parts: RowPart[]
}

export function useLogRows({ log, drawn, look, chosen, found, endOf }: RowsOptions) {
  const remembered = new WeakMap<DocLine, Remembered>()
  const slots = new RowSlots()

  function partsOnce(line: DocLine, now: RowLook, end: string | null): RowPart[] {
    const known = remembered.get(line)
    if (known?.look === now && known.end === end) return known.parts
    const parts = partsOf(line, now, end)
    remembered.set(line, { look: now, end, parts })
    return parts
  }

  return computed<Row[]>(() => {
    const { doc } = log.value
    const now = look()
    const range = chosen()
    const foundAt = found()
    const rows: Row[] = []
    // what is selected in a row that goes must not be found in another
    slots.keep(drawn.value.first, drawn.value.end, getSelection()?.isCollapsed !== false)
    for (let index = drawn.value.first; index < Math.min(drawn.value.end, log.value.count); index += 1) {
      const line = doc.lineAt(index)
      const number = doc.numberAt(index)
      const end = line !== null && isLongBar(line) ? endOf(line) : null
      rows.push({
        // those that may come to have other places keep their rows
        key: number === null && line !== null ? `at byte ${line.offset}` : slots.of(index),
        index,
        number,
        parts: line === null ? null : partsOnce(line, now, end),
        note: line === null ? '' : cutWords(line, end !== null && !now.isRaw),
        isChosen: isWithin(range, number),
        isFound: line !== null && line.offset === foundAt,
        isSeam: doc.looseCount > 0 && index === doc.looseFrom && index > 0,
      })
    }
    return rows
  })
}
