/** Where a key stands in a TOML text: the parser tells values, not places. */
import { parse } from 'smol-toml'

/**
 * The keys of the first two levels, as TOML writes them, each with what it is set to. A table of the first level is
 * no key itself unless it is empty.
 */
export function keysOf(text: string): Map<string, unknown> {
  const keys = new Map<string, unknown>()
  for (const [section, value] of Object.entries(parse(text))) {
    const entries = isTable(value) ? Object.entries(value) : []
    if (entries.length === 0) keys.set(bare(section), value)
    for (const [name, inner] of entries) keys.set(`${bare(section)}.${bare(name)}`, inner)
  }
  return keys
}

/**
 * The line, from 1, on which each key of `keysOf` is first set. A text is read to the end of its first line, its
 * second, and so on: what a line begins is there as soon as the text up to its end can be read.
 */
export function linesOfKeys(text: string): Map<string, number> {
  const found = new Map<string, number>()
  let upTo = ''
  let begins = 1
  for (const [at, line] of text.split('\n').entries()) {
    upTo += `${line}\n`
    const keys = keysOfWhole(upTo)
    if (keys === null) continue
    for (const key of keys.keys()) if (!found.has(key)) found.set(key, begins)
    begins = at + 2
  }
  return found
}

/** The name behind the section of such a key; null: it is a section, or a key of none. */
export function nameInKey(key: string): string | null {
  const at = key.startsWith('"') ? -1 : key.indexOf('.')
  if (at < 0) return null
  const name = key.slice(at + 1)
  return name.startsWith('"') ? (JSON.parse(name) as string) : name // as bare() writes it
}

export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** null: the text ends within a value of several lines. */
function keysOfWhole(text: string): Map<string, unknown> | null {
  try {
    return keysOf(text)
  } catch {
    return null
  }
}

function bare(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)
}
