/** Lines of a log as a screen wants them: from a line on, from a byte on, or the last ones; each read is bounded. */
import { AppError } from '../core/errors.ts'
import { type CutLine, LineCutter } from '../core/log-lines.ts'
import { limits } from '../protocol/limits.ts'
import type { LogLines } from '../protocol/schemas.ts'
import type { IndexedLog, LogBytes, ReadLogBytes } from './log-indexes.ts'
import { pageOf, withOpen } from './log-page.ts'
import { type CountedLog, onCounted } from './log-places.ts'
import { lastPage } from './log-tail.ts'

/** At most one of `from`, `offset` and `tail`. */
export interface LinesQuery {
  from?: number
  offset?: number
  tail?: boolean
  seen?: number
  count?: number
  waitMs?: number
}

/** How long an answer may wait for the index where it cannot do without. */
const countMs = 2_000
const firstReadBytes = 128 * 1024
const readBytes = 1024 * 1024
/** Of the lines of one answer so much is read at most. */
const mostBytes = 8 * 1024 * 1024

/**
 * Reads lines, and goes on counting them in the background. With `waitMs` it waits for what is not written yet.
 * @throws AppError `invalid_request` where the query says more than one place; what reading throws
 */
export async function readLines(
  log: IndexedLog,
  read: ReadLogBytes,
  query: LinesQuery,
  signal: AbortSignal,
): Promise<LogLines> {
  refuseTwoPlaces(query)
  const endMs = performance.now() + (query.waitMs ?? 0)
  for (;;) {
    const page = await onCounted(log, read, (counted) => readPage(counted, query))
    const leftMs = Math.ceil(endMs - performance.now())
    if (!isToWait(page, query) || leftMs <= 0 || signal.aborted) return page
    await read(page.size, 1, leftMs)
  }
}

/** @throws AppError `invalid_request` where the query says more than one place */
export function refuseTwoPlaces({ from, offset, tail }: LinesQuery): void {
  const places = [from !== undefined, offset !== undefined, tail === true]
  if (places.filter((isGiven) => isGiven).length > 1)
    throw new AppError('invalid_request', 'from, offset and tail exclude each other: name one of them')
}

/** Is there nothing but what the caller has, and may there be more? */
export function isToWait(
  { items, nextOffset, size, countedBytes, isEnded }: LogLines,
  query: LinesQuery,
): boolean {
  if (isEnded || (query.seen !== undefined && query.seen !== size)) return false
  if (items.length === 0) return query.from === undefined || countedBytes >= size
  return query.seen !== undefined && items.length === 1 && items[0]?.offset === nextOffset
}

function readPage(log: CountedLog, query: LinesQuery): Promise<LogLines> {
  const count = query.count ?? 200
  if (query.tail === true) return lastPage(log, count)
  if (query.offset !== undefined) return pageFromByte(log, query.offset, count)
  return pageFromLine(log, query.from ?? 1, count)
}

async function pageFromLine(log: CountedLog, from: number, count: number): Promise<LogLines> {
  await log.reach((index) => index.placeOf(from) !== null, countMs)
  const place = log.index.placeOf(from)
  if (place !== null) return readForward(log, { ...place, count, firstLine: from })
  const { countedBytes } = log.index
  const bytes = await log.read(countedBytes, 1)
  return pageOf(log.index, bytes, { lines: [], nextOffset: countedBytes, firstLine: null, isOpen: false })
}

async function pageFromByte(log: CountedLog, offset: number, count: number): Promise<LogLines> {
  const firstLine = await log.lineOf(offset)
  return readForward(log, { offset, skip: 0, count, firstLine })
}

interface Forward {
  offset: number
  skip: number
  count: number
  firstLine: number | null
}

async function readForward(log: CountedLog, wanted: Forward): Promise<LogLines> {
  const { count, offset, skip, firstLine } = wanted
  const cutter = new LineCutter({
    offset,
    skip,
    count,
    headBytes: limits.logLineBytes,
    totalBytes: limits.logPageBytes,
  })
  let at = offset
  let bytes = await log.read(at, firstReadBytes)
  for (;;) {
    cutter.push(bytes.data)
    at += bytes.data.length
    const begin = cutter.lines[0]?.offset ?? cutter.nextOffset
    if (cutter.isFull || at >= bytes.size || bytes.data.length === 0 || at - begin >= mostBytes) break
    bytes = await log.read(at, readBytes)
  }
  const { lines, nextOffset, openLine } = cutter
  if (openLine === null) return pageOf(log.index, bytes, { lines, nextOffset, firstLine, isOpen: false })
  if (at >= bytes.size) return pageOf(log.index, bytes, withOpen(lines, openLine, firstLine, bytes))
  // a long one: the next answer begins with it
  if (lines.length > 0) return pageOf(log.index, bytes, { lines, nextOffset, firstLine, isOpen: false })
  return longLine(log, openLine, firstLine, bytes)
}

/** A line of which not even the end was read: the index may know it. */
async function longLine(
  log: CountedLog,
  line: CutLine,
  number: number | null,
  { size }: LogBytes,
): Promise<LogLines> {
  if (number !== null)
    await log.reach((index) => index.lineCount > number || index.countedBytes >= size, countMs)
  const next = number === null ? null : await log.startOf(number + 1)
  const bytes = await log.read(line.offset, 1)
  const { countedBytes, isLineOpen } = log.index
  const end = next !== null ? next - 1 : countedBytes >= size && !isLineOpen ? countedBytes - 1 : null
  if (end !== null) {
    const whole = { ...line, bytes: end - line.offset }
    return pageOf(log.index, bytes, { lines: [whole], nextOffset: end + 1, firstLine: number, isOpen: false })
  }
  const known = { ...line, bytes: Math.max(line.bytes, Math.min(countedBytes, bytes.size) - line.offset) }
  if (countedBytes >= bytes.size) return pageOf(log.index, bytes, withOpen([], known, number, bytes))
  return pageOf(log.index, bytes, {
    lines: [known],
    nextOffset: line.offset,
    firstLine: number,
    isOpen: true,
  })
}
