/** Values that are to be found nowhere, and the search for them in whatever form they might have got there. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A secret to search for. Its second line is what is searched; the first has what texts are escaped for. */
export interface Canary {
  value: string
  core: string
}

export function canary(): Canary {
  const core = randomBytes(16).toString('hex')
  return { value: `it's "odd" \\ ü\n${core}`, core }
}

/** As it is (also escaped, or a line of it alone), reversed, in hex, in UTF-16, and in base64 wherever in a text it stands. */
export function needlesOf(canaries: readonly Canary[]): string[] {
  return canaries.flatMap(({ core }) => {
    const bytes = Buffer.from(core)
    const hex = bytes.toString('hex')
    // of three bytes four characters are made: what stands before moves it by none, one or two
    const base64 = [0, 1, 2].map((before) => {
      const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
      return encoded.slice(before === 0 ? 0 : 4, 4 * Math.floor((before + bytes.length) / 3))
    })
    const reversed = [...core].reverse().join('')
    return [core, reversed, hex, hex.toUpperCase(), [...core].join('\0'), ...base64]
  })
}

/** The needles that are in a text or in bytes. */
export function foundIn(needles: readonly string[], haystack: string | Uint8Array): string[] {
  const text = typeof haystack === 'string' ? haystack : Buffer.from(haystack).toString('latin1')
  return needles.filter((needle) => text.includes(needle))
}

/** The files below a directory that hold one. */
export function filesWith(needles: readonly string[], dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => foundIn(needles, readIfThere(path)).length > 0)
}

/** A journal or a temporary file may go while it is looked for. */
function readIfThere(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch {
    return new Uint8Array()
  }
}
