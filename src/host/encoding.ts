/** Compressed answers (RFC 9110, section 8.4): which ones a client takes, and JSON made small while it is sent. */
import { promisify } from 'node:util'
import { brotliCompress, gzip, constants as zlib } from 'node:zlib'

export type Encoding = 'br' | 'gzip'

/** Does an `Accept-Encoding` header name this one, and not with a weight of 0? */
export function isAccepted(header: string | undefined, encoding: Encoding): boolean {
  return (header ?? '').split(',').some((part) => {
    const [name = '', ...parameters] = part.split(';').map((word) => word.trim().toLowerCase())
    return name === encoding && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
  })
}

const leastBytes = 2 * 1024
/** Of the four threads that wait for all files of the host (libuv), so many may be busy with this. */
const maxAtOnce = 2
const gzipAsync = promisify(gzip)
const brotliAsync = promisify(brotliCompress)

/** Makes answers small where that is worth it, quick rather than well. */
export class Packer {
  private running = 0

  /** `encoding` null: as it was, for it is short, or the client takes nothing else, or others are being packed. */
  async pack(
    text: string,
    accepted: string | undefined,
  ): Promise<{ body: string | Buffer; encoding: Encoding | null }> {
    const encoding = (['br', 'gzip'] as const).find((name) => isAccepted(accepted, name))
    if (text.length < leastBytes || encoding === undefined || this.running >= maxAtOnce)
      return { body: text, encoding: null }
    this.running += 1
    try {
      const body =
        encoding === 'br'
          ? await brotliAsync(text, { params: { [zlib.BROTLI_PARAM_QUALITY]: 1 } })
          : await gzipAsync(text, { level: 1 })
      return { body, encoding }
    } finally {
      this.running -= 1
    }
  }
}
