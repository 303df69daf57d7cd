/**
 * Configuration from flags, environment, a TOML file and defaults, in this order. One table of keys per program
 * is the source of its types, its checks and its help.
 */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parse as parseToml, TomlError } from 'smol-toml'
import { AppError } from '../core/errors.ts'

/** One setting. `key` is `section.name` in the file; null: not in the file. */
export interface Setting {
  key: string | null
  /** Without the dashes; null: no flag. */
  flag: string | null
  env: string | null
  type: 'text' | 'number' | 'switch'
  /** Text of the default; null: none. */
  default: string | number | boolean | null
  doc: string
}

export type Origin = 'flag' | 'environment' | 'file' | 'default'
export type Value = string | number | boolean | null

/** What was found for every setting, and where. */
export type Settings<T extends Record<string, Setting>> = {
  [K in keyof T]: { value: Value; origin: Origin }
}

export interface Sources {
  argv: readonly string[]
  env: Record<string, string | undefined>
}

/** Directory for the state and configuration of one user's cluster. */
export function hakuriverHome(env: Record<string, string | undefined>): string {
  return env.HAKURIVER_HOME || join(homedir(), '.hakuriver')
}

/**
 * Reads all settings of a table. The file is `--config`, else HAKURIVER_CONFIG, else `config.toml` in the home
 * directory where it exists. Keys of other programs (`known`) may stand in the same file.
 * @throws AppError `invalid_request` in one sentence that names the place
 */
export function readSettings<T extends Record<string, Setting>>(
  table: T,
  sources: Sources,
  known: readonly string[] = [],
): Settings<T> {
  const flags = readFlags(table, sources.argv)
  const named = flags.config ?? sources.env.HAKURIVER_CONFIG
  const path = typeof named === 'string' ? named : join(hakuriverHome(sources.env), 'config.toml')
  const file = readFile(path, named !== undefined)
  const fileKeys = Object.values(table).flatMap((setting) => setting.key ?? [])
  checkKeys(file, [...fileKeys, ...known], path)
  const entries = Object.entries(table).map(([name, setting]) => {
    const candidates: [unknown, Origin, string][] = [
      [setting.flag === null ? undefined : flags[setting.flag], 'flag', `--${setting.flag}`],
      [
        setting.env === null ? undefined : sources.env[setting.env] || undefined,
        'environment',
        String(setting.env),
      ],
      [setting.key === null ? undefined : file.get(setting.key), 'file', `${setting.key} in ${path}`],
    ]
    const found = candidates.find(([value]) => value !== undefined)
    if (found === undefined) return [name, { value: setting.default, origin: 'default' }]
    return [name, { value: convert(found[0], setting.type, found[2]), origin: found[1] }]
  })
  return Object.fromEntries(entries) as Settings<T>
}

/** The help text of a program's flags. */
export function describeFlags(table: Record<string, Setting>): string {
  const rows = Object.values(table).filter((setting) => setting.flag !== null)
  const left = (setting: Setting) => `  --${setting.flag}${setting.type === 'switch' ? '' : ' VALUE'}`
  const width = Math.max(...rows.map((setting) => left(setting).length))
  return rows
    .map((setting) => {
      const fallback =
        setting.default === null || setting.default === false ? '' : ` (default: ${setting.default})`
      return `${left(setting).padEnd(width)}  ${setting.doc}${fallback}`
    })
    .join('\n')
}

function readFlags(table: Record<string, Setting>, argv: readonly string[]): Record<string, unknown> {
  const flags = Object.values(table).flatMap((setting) =>
    setting.flag === null ? [] : [[setting.flag, { type: setting.type === 'switch' ? 'boolean' : 'string' }]],
  )
  const options = { ...Object.fromEntries(flags), config: { type: 'string' } }
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: false }).values
  } catch (error) {
    const unknown = /Unknown option '(--?[^']+)'/.exec(String(error))
    if (unknown === null) throw new AppError('invalid_request', messageOf(error))
    const near = nearest((unknown[1] ?? '').replace(/^-+/, ''), Object.keys(options))
    throw new AppError(
      'invalid_request',
      `there is no option ${unknown[1]}${near === null ? '' : `; did you mean --${near}?`}`,
    )
  }
}

function readFile(path: string, mustExist: boolean): Map<string, unknown> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (!mustExist && error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map()
    throw new AppError('invalid_request', `cannot read the configuration file ${path}: ${messageOf(error)}`)
  }
  try {
    const sections = Object.entries(parseToml(text))
    return new Map(
      sections.flatMap(([section, values]): (readonly [string, unknown])[] =>
        typeof values === 'object' && values !== null && !Array.isArray(values) && !(values instanceof Date)
          ? Object.entries(values).map(([name, value]) => [`${section}.${name}`, value] as const)
          : [[section, values] as const],
      ),
    )
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const [first = ''] = error.message.split('\n')
    throw new AppError('invalid_request', `${path}, line ${error.line}, column ${error.column}: ${first}`)
  }
}

function checkKeys(file: Map<string, unknown>, known: readonly string[], path: string): void {
  for (const key of file.keys()) {
    if (known.includes(key)) continue
    const near = nearest(key, known)
    const line = lineOf(path, key)
    throw new AppError(
      'invalid_request',
      `${path}, line ${line}: there is no setting ${key}${near === null ? '' : `; did you mean ${near}?`}`,
    )
  }
}

/** The line that sets a key; the file is known to parse. */
function lineOf(path: string, key: string): number {
  const name = key.slice(key.indexOf('.') + 1)
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.findIndex((line) => line.trimStart().startsWith(name)) + 1
}

function convert(raw: unknown, type: Setting['type'], place: string): Value {
  switch (type) {
    case 'text':
      if (typeof raw === 'string') return raw
      break
    case 'number': {
      const number = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : raw
      if (typeof number === 'number' && Number.isFinite(number)) return number
      if (typeof number === 'bigint') return Number(number)
      break
    }
    case 'switch':
      if (typeof raw === 'boolean') return raw
      if (raw === 'true' || raw === '1') return true
      if (raw === 'false' || raw === '0') return false
  }
  const wanted = { text: 'a text', number: 'a number', switch: 'true or false' }[type]
  throw new AppError('invalid_request', `${place} is ${JSON.stringify(raw)}: write ${wanted}`)
}

/** The known name nearest to a wrong one, where it is near enough to be meant (Levenshtein distance). */
export function nearest(wrong: string, known: readonly string[]): string | null {
  const ranked = known.map((name) => [distance(wrong, name), name] as const).sort(([a], [b]) => a - b)
  const [best] = ranked
  return best !== undefined && best[0] <= Math.max(2, Math.floor(wrong.length / 3)) ? best[1] : null
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
