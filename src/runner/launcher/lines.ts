/** Lines of a byte stream, each of a bounded length. */
import { AppError } from '../../core/errors.ts'

const lineFeed = 0x0a

export class LineReader {
  private readonly maxBytes: number
  private parts: Buffer[] = []
  private held = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** The lines that this part ends, without their ends. @throws AppError `invalid_request` for one that is too long */
  feed(part: Buffer): string[] {
    const lines: string[] = []
    let from = 0
    for (let at = part.indexOf(lineFeed); at >= 0; at = part.indexOf(lineFeed, from)) {
      this.hold(part.subarray(from, at))
      lines.push(Buffer.concat(this.parts).toString('utf8'))
      this.parts = []
      this.held = 0
      from = at + 1
    }
    if (from < part.length) this.hold(Buffer.from(part.subarray(from)))
    return lines
  }

  private hold(part: Buffer): void {
    this.held += part.length
    if (this.held > this.maxBytes)
      throw new AppError('invalid_request', `a message is longer than ${this.maxBytes} bytes`)
    this.parts.push(part)
  }
}
