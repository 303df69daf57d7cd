/** Lines of a log to what a caller is told of them. */
import type { LineIndex } from '../core/line-index.ts'
import { type CutLine, wholeUtf8 } from '../core/log-lines.ts'
import type { LogLines } from '../protocol/schemas.ts'
import type { LogBytes } from './log-indexes.ts'

/** Lines and a last one that has no end; where no more will come, that is all of it. */
export function withOpen(
  lines: readonly CutLine[],
  open: CutLine,
  firstLine: number | null,
  bytes: LogBytes,
): Found {
  const nextOffset = bytes.isFinal ? bytes.size : open.offset
  return { lines: [...lines, open], nextOffset, firstLine, isOpen: !bytes.isFinal }
}

/** Lines, and where to go on. */
export interface Found {
  lines: readonly CutLine[]
  nextOffset: number
  firstLine: number | null
  /** The last line goes on. */
  isOpen: boolean
}

/** The answer: what was found, and what is known of the log. */
export function pageOf(
  index: LineIndex,
  bytes: LogBytes,
  { lines, nextOffset, firstLine, isOpen }: Found,
): LogLines {
  return {
    items: lines.map((line, at) => ({
      offset: line.offset,
      bytes: line.bytes,
      text: textOf(line, isOpen && at === lines.length - 1),
    })),
    firstLine: lines.length === 0 ? null : firstLine,
    nextOffset,
    lineCount: index.lineCount,
    countedBytes: Math.min(index.countedBytes, bytes.size),
    size: bytes.size,
    isEnded: bytes.isFinal,
    missingBytes: bytes.missing,
  }
}

/** A character that was cut through is left out. */
function textOf({ head, bytes }: CutLine, isOpen: boolean): string {
  const length = isOpen || bytes > head.length ? wholeUtf8(head) : head.length
  return Buffer.from(head.buffer, head.byteOffset, length).toString()
}
