/**
 * What a page knows of one log: some of its lines, how many there are (as far as they are counted, else about how many),
 * and where to go on reading. Its last lines are shown before they have numbers. Bounded, whatever the log's size. Pure.
 */
import type { LogLines } from '../../../src/protocol/schemas.ts'
import { type BlockBounds, blockLines, carried, type DocLine, LineBlocks } from './line-blocks.ts'

/** What is to be asked for: lines by number, or those before a byte. */
export type Wanted =
  | { kind: 'lines'; from: number; count: number }
  | { kind: 'before'; offset: number; bytes: number }

/** Lines without numbers that are kept. */
const mostLoose = 5_000
const mostLooseChars = 4_000_000
/** So many lines before those without numbers are read by their bytes. */
const linesBefore = 400
const mostBytesBefore = 1024 * 1024
const littleBytes = 256 * 1024

export class LogDoc {
  size = 0
  countedBytes = 0
  /** The task has ended: nothing will change. */
  isEnded = false
  /** Missing behind the end. */
  missingBytes = 0
  /** Grows with everything that is taken. */
  version = 0
  /** Byte to go on from, with its line's number where that is known; null: the end was not looked at so far. */
  end: { offset: number; number: number | null; size: number } | null = null

  /** Lines up to the end that was read last; null: they are not counted. */
  private readLines: number | null = null
  private readonly bounds: BlockBounds | undefined
  private blocks: LineBlocks
  /** The last lines, as long as their numbers are not known. */
  private loose: DocLine[] = []
  private bytesBefore = 0
  /** So many lines end before, or at, this byte. */
  private known = { bytes: 0, lines: 0 }

  constructor(bounds?: BlockBounds) {
    this.bounds = bounds
    this.blocks = new LineBlocks(bounds)
  }

  /** All lines are counted. */
  get isCounted(): boolean {
    return this.known.bytes >= this.size && this.loose.length === 0
  }

  /** It is worth to ask how far they are counted; what grows a little is counted by the way. */
  get needsCount(): boolean {
    return (
      !this.isCounted && (this.loose.length > 0 || this.isEnded || this.size - this.known.bytes > littleBytes)
    )
  }

  /** Lines of the log; about so many, as long as they are not counted. */
  get total(): number {
    const { known, size, loose } = this
    if (known.bytes >= size) return known.lines
    return Math.max(known.lines + Math.round((size - known.bytes) / this.bytesOfLine), loose.length)
  }

  /** Lines up to the end that was read last: there may be more by now. */
  get readTotal(): number {
    return this.readLines === null ? this.total : Math.min(this.total, this.readLines)
  }

  /** The first line without a number, counted from 0. */
  get looseFrom(): number {
    return this.total - this.loose.length
  }

  /** Lines that are at hand without numbers. */
  get looseCount(): number {
    return this.loose.length
  }

  /** Byte at which they begin; null: there are none. */
  get looseOffset(): number | null {
    return this.loose[0]?.offset ?? null
  }

  /** A line, counted from 0; null: it is not at hand. */
  lineAt(index: number): DocLine | null {
    const { looseFrom } = this
    if (this.loose.length > 0 && index >= looseFrom) return this.loose[index - looseFrom] ?? null
    return this.blocks.at(index + 1) ?? null
  }

  /** Number from 1 of a line that is counted from 0; null: it is not known. */
  numberAt(index: number): number | null {
    return this.loose.length > 0 && index >= this.looseFrom ? null : index + 1
  }

  /** Takes the last lines of the log. */
  takeTail(page: LogLines): void {
    this.begin(page)
    const lines = linesOf(page)
    const first = page.firstLine ?? this.numberWithin(lines)
    this.loose = []
    if (first === null) this.append(lines)
    else this.put(first, lines)
    this.setEnd(page, first)
  }

  /** Takes lines that were asked for by number. */
  takeLines(page: LogLines): void {
    this.begin(page)
    if (page.firstLine !== null) this.put(page.firstLine, linesOf(page))
  }

  /** Takes what follows `end`: it replaces a last line that had no end. Then `end` is further down, or null. */
  takeNext(page: LogLines): void {
    const { end } = this
    if (this.begin(page) || end === null) return
    const lines = linesOf(page)
    if (lines[0] !== undefined && lines[0].offset !== end.offset) {
      this.end = null
      return
    }
    const first = page.firstLine ?? end.number
    if (first === null) this.append(lines)
    else {
      if (this.loose.length > 0)
        this.number(first - this.loose.filter(({ offset }) => offset < end.offset).length)
      this.put(first, lines)
    }
    this.setEnd(page, first)
  }

  /** Takes lines before those without numbers, read from some byte on: the first of them may be the end of one. */
  takeBefore(page: LogLines, from: number): void {
    if (this.begin(page)) return
    const [first] = this.loose
    if (first === undefined) return
    const lines = linesOf(page).filter(({ offset }) => offset < first.offset)
    const whole = from === 0 ? lines : lines.slice(1)
    const last = whole[whole.length - 1]
    if (page.nextOffset < first.offset) this.bytesBefore = Math.floor((first.offset - from) / 2)
    else if (last === undefined) this.bytesBefore = Math.min(mostBytesBefore, 2 * (first.offset - from))
    else {
      this.bytesBefore = 0
      this.loose = withStates([...whole, ...this.loose])
    }
  }

  /** Takes a line that begins where those without numbers do: it may have one by now. Also what the page tells of the log. */
  takeCount(page: LogLines): void {
    if (this.begin(page)) return
    const [first] = this.loose
    if (first === undefined) return
    if (page.firstLine !== null && page.items[0]?.offset === first.offset) this.number(page.firstLine)
    else if (page.countedBytes >= page.size && page.size === this.end?.size)
      this.number(page.lineCount - this.loose.length + 1)
  }

  /** Only what a page tells of the log as a whole. */
  takeStats(page: LogLines): void {
    this.begin(page)
  }

  /** What of these lines (counted from 0) is not at hand, in the order in which it is shown; each at most one block. */
  missing(first: number, last: number): Wanted[] {
    const wanted: Wanted[] = []
    const { looseFrom, loose } = this
    const isLoose = loose.length > 0
    const isNearLoose = isLoose && last >= looseFrom - linesBefore && first < looseFrom
    if (
      isNearLoose &&
      loose.length < mostLoose &&
      (loose[0]?.offset ?? 0) > 0 &&
      this.bytesBefore < mostBytesBefore
    )
      return [this.wantedBefore()]
    const end = Math.min(last, (isLoose ? looseFrom : this.total) - 1)
    for (let number = Math.max(0, first) + 1; number <= end + 1; ) {
      const behind = nextBlock(number)
      if (this.isAtHand(number)) number += 1
      else {
        wanted.push({ kind: 'lines', from: number, count: behind - number })
        number = behind
      }
    }
    return wanted
  }

  /** Keeps these lines (counted from 0) longer than others. */
  touch(first: number, last: number): void {
    this.blocks.touch(first + 1, last + 1)
  }

  /** What it keeps. */
  get kept(): { blocks: number; chars: number } {
    return this.blocks.size
  }

  private isAtHand(number: number): boolean {
    const line = this.blocks.at(number)
    return line !== undefined && !(line.isOpen && line.size < this.size)
  }

  private wantedBefore(): Wanted {
    const offset = this.loose[0]?.offset ?? 0
    const bytes = Math.min(
      offset,
      this.bytesBefore || Math.ceil(this.bytesOfLine * linesBefore),
      mostBytesBefore,
    )
    return { kind: 'before', offset: offset - bytes, bytes }
  }

  /** What each page tells. true: the log is another, shorter one; nothing of what was known holds. */
  private begin(page: LogLines): boolean {
    const isAnother = page.size < this.size
    if (isAnother) {
      this.blocks = new LineBlocks(this.bounds)
      this.loose = []
      this.known = { bytes: 0, lines: 0 }
      this.end = null
      this.readLines = null
      this.bytesBefore = 0
    }
    this.version += 1
    this.size = page.size
    this.countedBytes = page.countedBytes
    this.isEnded = page.isEnded
    this.missingBytes = page.missingBytes
    this.learn(page.countedBytes, page.lineCount)
    return isAnother
  }

  private learn(bytes: number, lines: number): void {
    if (bytes > this.known.bytes || (bytes === this.known.bytes && lines > this.known.lines))
      this.known = { bytes, lines }
  }

  private setEnd({ items, nextOffset, size }: LogLines, first: number | null): void {
    const isOpen = items[items.length - 1]?.offset === nextOffset
    const number = first === null ? null : first + items.length - (isOpen ? 1 : 0)
    this.end = { offset: nextOffset, number, size }
    if (number === null) {
      this.readLines = null
      return
    }
    this.readLines = number - 1 + (isOpen ? 1 : 0)
    if (isOpen || nextOffset === size) this.learn(size, this.readLines)
  }

  /** The loose ones are found to begin with this number. */
  private number(first: number): void {
    const lines = this.loose
    this.loose = []
    this.bytesBefore = 0
    this.put(first, lines)
    const { end } = this
    if (end === null || end.number !== null) return
    const isOpen = lines[lines.length - 1]?.offset === end.offset
    end.number = first + lines.length - (isOpen ? 1 : 0)
    this.readLines = first + lines.length - 1
    if (isOpen || end.offset === end.size) this.learn(end.size, this.readLines)
  }

  private put(first: number, lines: readonly DocLine[]): void {
    this.blocks.put(first, lines)
    const last = lines[lines.length - 1]
    if (last !== undefined) this.learn(last.offset, first + lines.length - 2)
  }

  private append(lines: readonly DocLine[]): void {
    const [first] = lines
    const kept = first === undefined ? this.loose : this.loose.filter(({ offset }) => offset < first.offset)
    this.loose = withStates([...kept, ...lines])
    let chars = this.loose.reduce((sum, { text }) => sum + text.length, 0)
    while (this.loose.length > mostLoose || (chars > mostLooseChars && this.loose.length > 1))
      chars -= this.loose.shift()?.text.length ?? 0
  }

  /** Number of the first of these lines, by one of them that is at hand with its number. */
  private numberWithin(lines: readonly DocLine[]): number | null {
    for (const [at, { offset }] of lines.entries()) {
      const number = this.blocks.numberOf(offset)
      if (number !== null) return number - at
    }
    return null
  }

  /** On the average, of what is known. */
  private get bytesOfLine(): number {
    const { known, loose, size } = this
    if (known.lines > 1_000 || loose.length === 0) return Math.max(1, known.bytes / Math.max(1, known.lines))
    return Math.max(1, (size - (loose[0]?.offset ?? 0)) / loose.length)
  }
}

function nextBlock(number: number): number {
  return number + blockLines - ((number - 1) % blockLines)
}

function linesOf({ items, nextOffset, size }: LogLines): DocLine[] {
  return items.map((item) => ({ ...item, isOpen: item.offset === nextOffset, size, state: '', stateAge: 0 }))
}

function withStates(lines: readonly DocLine[]): DocLine[] {
  let before: DocLine | undefined
  return lines.map((line) => {
    before = carried(line, before)
    return before
  })
}
