/** The configuration file: every key has to be one of ours and every value what it may be, whoever reads it. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { TomlError } from 'smol-toml'
import { AppError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { checkedEntry, checkedValue } from './config-value.ts'
import { fileSettings, fileTables, retiredKeys, type Setting, type Value } from './settings.ts'
import { isTable, keysOf, linesOfKeys, nameInKey } from './toml-lines.ts'

const settings = new Map<string, Setting>(Object.values(fileSettings).map((each) => [each.key, each]))
const keys = [...settings.keys()]
const tables = new Map<string, Setting>(Object.values(fileTables).map((each) => [each.key, each]))
const sections = [...new Set([...keys.map(sectionOf), ...tables.keys()])]

export interface ConfigFile {
  /** By `section.name`; paths are absolute. */
  values: ReadonlyMap<string, Value>
  /** `PATH, line N`. */
  placeOf: (key: string) => string
}

/**
 * Reads a file and checks the whole of it; where it need not be there, a missing one is empty.
 * @throws AppError `invalid_request` in one sentence with path, line and what to write instead
 */
export function readConfigFile(path: string, mustExist: boolean): ConfigFile {
  const text = readText(path, mustExist)
  const found = parseKeys(text, path)
  let lines: Map<string, number> | null = null
  const lineOf = (key: string) => {
    lines ??= linesOfKeys(text)
    return lines.get(key) ?? 1
  }
  const placeOf = (key: string) => `${path}, line ${lineOf(key)}`
  refuseRetired(found, path, lineOf)
  for (const [key, value] of found) {
    const problem = problemOfKey(key, value)
    if (problem !== null) throw new AppError('invalid_request', `${placeOf(key)}: ${problem}`)
  }
  const values = [...found].flatMap(([key, raw]): [string, Value][] => {
    const setting = settings.get(key)
    if (setting === undefined) return []
    const value = checkedValue(raw, setting, 'file', () => `${placeOf(key)}: ${key}`)
    return [[key, setting.type === 'path' ? absolute(String(value), path) : value]]
  })
  return { values: new Map([...values, ...tablesIn(found, placeOf)]), placeOf }
}

/** The tables that are there, also empty ones. */
function tablesIn(found: Map<string, unknown>, placeOf: (key: string) => string): [string, Value][] {
  return [...tables].flatMap(([section, setting]): [string, Value][] => {
    const inside = [...found].filter(([key]) => sectionOf(key) === section)
    if (inside.length === 0) return []
    const entries = inside.flatMap(([key, raw]) => {
      const name = nameInKey(key)
      return name === null ? [] : [[name, checkedEntry(name, raw, setting, () => placeOf(key))]]
    })
    return [[section, Object.fromEntries(entries)]]
  })
}

function readText(path: string, mustExist: boolean): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (!mustExist && code === 'ENOENT') return ''
    const why = code === 'ENOENT' ? 'there is none' : error instanceof Error ? error.message : String(error)
    throw new AppError('invalid_request', `cannot read the configuration file ${path}: ${why}`)
  }
}

function parseKeys(text: string, path: string): Map<string, unknown> {
  try {
    return keysOf(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const [first = ''] = error.message.replace('Invalid TOML document: ', '').split('\n')
    throw new AppError(
      'invalid_request',
      `${path}, line ${error.line}, column ${error.column}: this is not TOML: ${first}`,
    )
  }
}

/** All at once: who comes from the original has several of them. */
function refuseRetired(found: Map<string, unknown>, path: string, lineOf: (key: string) => number): void {
  const useless: string[] = []
  const renamed: string[] = []
  for (const [key, value] of found) {
    const place = `${key} (line ${lineOf(key)})`
    const successor = retiredKeys.get(key)
    if (typeof successor === 'string' && value !== '') renamed.push(`${place} is called ${successor} here`)
    else if (successor !== undefined || (key.includes('.') && retiredKeys.has(`${sectionOf(key)}.*`)))
      useless.push(place)
  }
  const all = useless.length === 1 ? 'is a key' : 'are keys'
  const sentence =
    useless.length === 0
      ? []
      : [
          `${listed(useless)} ${all} of the original HakuRiver and of no use here: remove ${useless.length === 1 ? 'it' : 'them'}`,
        ]
  const parts = [...renamed, ...sentence]
  if (parts.length > 0) throw new AppError('invalid_request', `${path}: ${parts.join('; ')}`)
}

/** Why this is no key of ours, and what may have been meant; null: it is one, or an empty section of ours. */
function problemOfKey(key: string, value: unknown): string | null {
  if (settings.has(key) || (key.includes('.') && tables.has(sectionOf(key)))) return null
  if (sections.includes(key))
    return isTable(value) ? null : `${key} is a section: write [${key}], and its settings below`
  if (isTable(value) && !key.includes('.')) {
    if (retiredKeys.has(`${key}.*`)) return null
    const near = nearest(key, sections)
    return `there is no section [${key}]${near === null ? '; remove it' : `; did you mean [${near}]?`}`
  }
  const near = sameName(key) ?? nearest(key, keys)
  return `there is no setting ${key}${near === null ? '; remove it' : `; did you mean ${near}?`}`
}

/** The key of the same name in another section. */
function sameName(key: string): string | null {
  const name = key.slice(key.indexOf('.') + 1)
  return keys.find((known) => known.endsWith(`.${name}`)) ?? null
}

function sectionOf(key: string): string {
  return key.split('.')[0] ?? ''
}

/** A path of the file counts from where the file is: a daemon has no working directory that means something. */
function absolute(path: string, file: string): string {
  if (path === '') return ''
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : resolve(dirname(file), path)
}

function listed(words: readonly string[]): string {
  return words.length === 1 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}
