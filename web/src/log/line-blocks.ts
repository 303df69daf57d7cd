/**
 * Lines of a log that are at hand, by their numbers from 1, in blocks; those that were looked at last are kept. Each knows
 * which colours are open where it begins, as far as the lines before it are at hand.
 */
import type { LogLine } from '../../../src/protocol/schemas.ts'
import { type StyleState, stateAfter } from './ansi.ts'
import { hasStyles } from './escapes.ts'

/** A line as it was told, which does not change: one that has grown is another. */
export interface DocLine extends LogLine {
  /** It had no end when the log had `size` bytes. */
  isOpen: boolean
  size: number
  /** Colours and decorations that are on before it. */
  state: StyleState
  /** So many lines ago they were set. */
  stateAge: number
}

export const blockLines = 256
/** A colour that nobody ends does not go on for ever. */
const longestCarry = 1_000

interface Block {
  /** By their place in the block. */
  lines: (DocLine | undefined)[]
  chars: number
}

export interface BlockBounds {
  blocks: number
  chars: number
}

export class LineBlocks {
  private readonly bounds: BlockBounds
  /** By their number; the one that was touched last is the last. */
  private readonly blocks = new Map<number, Block>()
  private chars = 0

  constructor(bounds: BlockBounds = { blocks: 64, chars: 6_000_000 }) {
    this.bounds = bounds
  }

  get size(): { blocks: number; chars: number } {
    return { blocks: this.blocks.size, chars: this.chars }
  }

  at(number: number): DocLine | undefined {
    return this.blocks.get(blockOf(number))?.lines[placeOf(number)]
  }

  /** Takes lines that follow each other in the log. Returns how many it has let go of. */
  put(first: number, lines: readonly DocLine[]): void {
    let before = this.at(first - 1)
    let number = first
    for (const line of lines) {
      before = carried(line, before)
      this.set(number, before)
      number += 1
    }
    // what is at hand behind them may look other now
    for (let next = this.at(number); next !== undefined; number += 1, next = this.at(number)) {
      const now = carried(next, before)
      if (now.state === next.state && now.stateAge === next.stateAge) break
      this.set(number, now)
      before = now
    }
    this.shrink()
  }

  /** Keeps these longer than others. */
  touch(first: number, last: number): void {
    for (let block = blockOf(Math.max(1, first)); block <= blockOf(last); block += 1) {
      const found = this.blocks.get(block)
      if (found === undefined) continue
      this.blocks.delete(block)
      this.blocks.set(block, found)
    }
  }

  /** Number of the line that begins at this byte, if it is at hand. */
  numberOf(offset: number): number | null {
    for (const [block, { lines }] of this.blocks) {
      const known = lines.filter((line) => line !== undefined)
      const [first] = known
      const last = known[known.length - 1]
      if (first === undefined || last === undefined || offset < first.offset || offset > last.offset) continue
      const place = lines.findIndex((line) => line?.offset === offset)
      if (place >= 0) return block * blockLines + place + 1
    }
    return null
  }

  private set(number: number, line: DocLine): void {
    const key = blockOf(number)
    const block = this.blocks.get(key) ?? { lines: [], chars: 0 }
    const place = placeOf(number)
    const more = line.text.length - (block.lines[place]?.text.length ?? 0)
    block.lines[place] = line
    block.chars += more
    this.chars += more
    this.blocks.delete(key)
    this.blocks.set(key, block)
  }

  private shrink(): void {
    for (const [key, { chars }] of this.blocks) {
      if (this.blocks.size <= this.bounds.blocks && this.chars <= this.bounds.chars) return
      if (this.blocks.size === 1) return
      this.blocks.delete(key)
      this.chars -= chars
    }
  }
}

/** The line with what is on where it begins. */
export function carried(line: DocLine, before: DocLine | undefined): DocLine {
  const isSetBefore = before !== undefined && hasStyles(before.text)
  const age = before === undefined || isSetBefore ? 0 : before.stateAge + 1
  const open = before === undefined || age > longestCarry ? '' : stateAfter(before.text, before.state)
  const stateAge = open === '' ? 0 : age
  return line.state === open && line.stateAge === stateAge ? line : { ...line, state: open, stateAge }
}

function blockOf(number: number): number {
  return Math.floor((number - 1) / blockLines)
}

function placeOf(number: number): number {
  return (number - 1) % blockLines
}
