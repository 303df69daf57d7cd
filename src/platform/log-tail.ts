/** The last lines of a log, read backwards from its end: whether or not they are counted. */
import { type CutLine, LineCutter, lastWithin, TailFinder } from '../core/log-lines.ts'
import { limits } from '../protocol/limits.ts'
import type { LogLines } from '../protocol/schemas.ts'
import type { LogBytes } from './log-indexes.ts'
import { pageOf, withOpen } from './log-page.ts'
import { type CountedLog, LogReplaced } from './log-places.ts'

const firstReadBytes = 128 * 1024
const readBytes = 1024 * 1024
/** Further back it is not looked: fewer lines are given. */
const mostBytes = 8 * 1024 * 1024

/** @throws LogReplaced; what reading throws */
export async function lastPage(log: CountedLog, count: number): Promise<LogLines> {
  // as it is now: what is written meanwhile is behind `nextOffset`
  const bytes = await log.read(0, 1)
  const { lines, openLine, nextOffset, isWithinLine } = cutLast(await readBack(log, bytes, count))
  const shown = lastWithin(openLine === null ? lines : [...lines, openLine], limits.logPageBytes)
  const [first] = shown
  if (first === undefined)
    return pageOf(log.index, bytes, { lines: [], nextOffset, firstLine: null, isOpen: false })
  const firstLine = await log.lineOf(first.offset)
  if (isWithinLine && firstLine !== null) shown[0] = await fromItsStart(log, first, firstLine)
  if (openLine === null)
    return pageOf(log.index, bytes, { lines: shown, nextOffset, firstLine, isOpen: false })
  return pageOf(log.index, bytes, withOpen(shown.slice(0, -1), shown[shown.length - 1]!, firstLine, bytes))
}

interface Tail {
  /** Byte at which the first piece begins. */
  from: number
  pieces: Buffer[]
  /** Byte at which the lines begin; null: all pieces are within one line. */
  start: number | null
}

async function readBack(log: CountedLog, { size }: LogBytes, count: number): Promise<Tail> {
  const finder = new TailFinder(size, count)
  const pieces: Buffer[] = []
  let start: number | null = size === 0 ? 0 : null
  let from = size
  while (start === null && size - from < mostBytes) {
    const length = Math.min(from, pieces.length === 0 ? firstReadBytes : readBytes)
    const { data } = await log.read(from - length, length)
    if (data.length < length) throw new LogReplaced() // shorter than it was a moment ago
    pieces.unshift(data)
    start = finder.push(data)
    from -= length
  }
  return { from, pieces, start: start ?? finder.firstStart }
}

function cutLast({ from, pieces, start }: Tail) {
  const begin = start ?? from
  const all = { count: Number.POSITIVE_INFINITY, totalBytes: Number.POSITIVE_INFINITY }
  const cutter = new LineCutter({ offset: begin, headBytes: limits.logLineBytes, ...all })
  let at = from
  for (const piece of pieces) {
    if (at + piece.length > begin) cutter.push(piece.subarray(Math.max(0, begin - at)))
    at += piece.length
  }
  const { lines, openLine, nextOffset } = cutter
  return { lines, openLine, nextOffset, isWithinLine: start === null }
}

/** A line that was read from somewhere within. */
async function fromItsStart(log: CountedLog, line: CutLine, number: number): Promise<CutLine> {
  const offset = await log.startOf(number)
  if (offset === null) return line
  const { data } = await log.read(offset, limits.logLineBytes)
  return { offset, bytes: line.bytes + line.offset - offset, head: data }
}
