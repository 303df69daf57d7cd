/** Large logs, written fast: each line has its number, and all have the same length. */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** Of one line with its end. */
export const bigLogLineBytes = 100

const numberDigits = 9
/** Digits that are the same for all lines that are written at a time. */
const highDigits = 6
const linesAtOnce = 10 ** (numberDigits - highDigits)

/** Text of a line, by its number from 1. */
export function bigLogLine(line: number, mark = ''): string {
  const number = String(line).padStart(numberDigits, '0')
  return `step ${number} ${mark === '' ? 'INFO  loss=0.693147 accuracy=0.912 lr=3.0e-4 gpu=97%' : mark}`.padEnd(
    bigLogLineBytes - 1,
    '.',
  )
}

/** Writes a log of so many lines. Those with a mark say that in place of their usual text. */
export function bigLog(path: string, lines: number, marks: Readonly<Record<number, string>> = {}): void {
  mkdirSync(dirname(path), { recursive: true })
  const file = openSync(path, 'w')
  try {
    // lines 0 to 999: of the next thousand only the first digits are others
    const block = Buffer.from(
      Array.from({ length: linesAtOnce }, (_, line) => `${bigLogLine(line)}\n`).join(''),
    )
    const numberAt = 'step '.length
    for (let first = 0; first <= lines; first += linesAtOnce) {
      const digits = Buffer.from(String(first / linesAtOnce).padStart(highDigits, '0'))
      for (let at = numberAt; at < block.length; at += bigLogLineBytes) digits.copy(block, at)
      const from = first === 0 ? 1 : 0 // there is no line 0
      const count = Math.min(linesAtOnce, lines + 1 - first)
      writeSync(file, block, from * bigLogLineBytes, (count - from) * bigLogLineBytes)
    }
    for (const [line, mark] of Object.entries(marks))
      writeSync(
        file,
        Buffer.from(bigLogLine(Number(line), mark)),
        0,
        bigLogLineBytes - 1,
        (Number(line) - 1) * bigLogLineBytes,
      )
  } finally {
    closeSync(file)
  }
}
