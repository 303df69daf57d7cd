/** Configuration from flags, environment, a TOML file and defaults, in this order, by the table of settings. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parse as parseToml, TomlError } from 'smol-toml'
import { AppError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { fileKeys, type Setting } from './settings.ts'
import { lineOfKey } from './toml-lines.ts'

export type Origin = 'flag' | 'environment' | 'file' | 'default'
export type Value = string | number | boolean | null

export interface Found {
  value: Value
  origin: Origin
  /** Where it was found, for people: `--port`, `HAKURIVER_HOST_PORT`, `config.toml, line 3`, `default`. */
  place: string
}

/** What was found for every setting, and where. */
export type Settings<T extends Record<string, Setting>> = { [K in keyof T]: Found }

export interface Sources {
  argv: readonly string[]
  env: Record<string, string | undefined>
}

/** Directory for the state and configuration of one user's cluster. */
export function hakuriverHome(env: Record<string, string | undefined>): string {
  return env.HAKURIVER_HOME || join(homedir(), '.hakuriver')
}

/**
 * The configuration file: `--config`, else HAKURIVER_CONFIG, else `config.toml` in the home directory. Only one that
 * was named has to be there.
 */
export function configPath(
  flag: string | null,
  env: Record<string, string | undefined>,
): { path: string; isNamed: boolean } {
  const named = flag ?? (env.HAKURIVER_CONFIG || null)
  return { path: named ?? join(hakuriverHome(env), 'config.toml'), isNamed: named !== null }
}

/**
 * Reads all settings of a table. The whole file is checked, also what is there for other programs.
 * @throws AppError `invalid_request` in one sentence that names the place
 */
export function readSettings<T extends Record<string, Setting>>(table: T, sources: Sources): Settings<T> {
  const flags = readFlags(table, sources.argv)
  const { path, isNamed } = configPath(typeof flags.config === 'string' ? flags.config : null, sources.env)
  const file = readConfigFile(path, isNamed)
  const entries = Object.entries(table).map(([name, setting]) => [
    name,
    find(setting, flags, sources.env, file),
  ])
  return Object.fromEntries(entries) as Settings<T> // one entry for each of its keys
}

function find(
  setting: Setting,
  flags: Record<string, unknown>,
  env: Record<string, string | undefined>,
  file: ConfigFile,
): Found {
  const candidates: [unknown, Origin, string][] = [
    [setting.flag === null ? undefined : flags[setting.flag], 'flag', `--${setting.flag}`],
    [setting.env === null ? undefined : env[setting.env] || undefined, 'environment', String(setting.env)],
    [
      setting.key === null ? undefined : file.values.get(setting.key),
      'file',
      file.placeOf(setting.key ?? ''),
    ],
  ]
  const found = candidates.find(([value]) => value !== undefined)
  if (found === undefined) return { value: setting.default, origin: 'default', place: 'default' }
  const [raw, origin, place] = found
  // of the file it is said which key; a flag and a variable say it by themselves
  const value = checked(raw, setting, origin === 'file' ? `${place}: ${setting.key}` : place)
  return { value, origin, place }
}

/** The help text of a program's flags. */
export function describeFlags(table: Record<string, Setting>): string {
  const rows = Object.values(table).filter((setting) => setting.flag !== null)
  const left = (setting: Setting) => `  --${setting.flag}${setting.type === 'switch' ? '' : ' VALUE'}`
  const width = Math.max(...rows.map((setting) => left(setting).length))
  return rows
    .map((setting) => {
      const choices = setting.choices === undefined ? '' : `: ${setting.choices.join(', ')}`
      const fallback =
        setting.default === null || setting.default === false ? '' : ` (default: ${setting.default})`
      return `${left(setting).padEnd(width)}  ${setting.doc}${choices}${fallback}`
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

/** A configuration file: its values by `section.name`, and where each stands. */
export interface ConfigFile {
  values: ReadonlyMap<string, unknown>
  /** `PATH, line N`. */
  placeOf: (key: string) => string
}

/**
 * Reads a file and checks that every key of it is one of ours.
 * @throws AppError `invalid_request` with path, line and the nearest right name
 */
export function readConfigFile(path: string, mustExist: boolean): ConfigFile {
  const text = readText(path, mustExist)
  const placeOf = (key: string) => `${path}, line ${lineOfKey(text, key)}`
  const values = parseValues(text, path)
  for (const key of values.keys()) {
    if (fileKeys.includes(key)) continue
    const near = nearest(key, fileKeys) ?? sameName(key)
    throw new AppError(
      'invalid_request',
      `${placeOf(key)}: there is no setting ${key}${near === null ? '; remove it' : `; did you mean ${near}?`}`,
    )
  }
  return { values, placeOf }
}

/** The right name in the wrong section. */
function sameName(key: string): string | null {
  const name = key.slice(key.lastIndexOf('.') + 1)
  return fileKeys.find((known) => known.endsWith(`.${name}`)) ?? null
}

function readText(path: string, mustExist: boolean): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (!mustExist && error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw new AppError('invalid_request', `cannot read the configuration file ${path}: ${messageOf(error)}`)
  }
}

function parseValues(text: string, path: string): Map<string, unknown> {
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

/** The value as the setting's type, within its bounds. */
function checked(raw: unknown, setting: Setting, place: string): Value {
  const value = converted(raw, setting.type)
  const wanted = wantedOf(setting)
  const isRight =
    value !== null &&
    (setting.choices === undefined || setting.choices.includes(String(value))) &&
    (typeof value !== 'number' ||
      (value >= (setting.min ?? -Infinity) &&
        value <= (setting.max ?? Infinity) &&
        (setting.isWhole !== true || Number.isInteger(value))))
  if (isRight) return value
  const near = setting.choices === undefined ? null : nearest(String(raw), setting.choices)
  const guess = near === null ? '' : `; did you mean ${near}?`
  throw new AppError('invalid_request', `${place} is ${shown(raw)}: write ${wanted}${guess}`)
}

/** null: it is of another type. */
function converted(raw: unknown, type: Setting['type']): Value {
  switch (type) {
    case 'text':
      return typeof raw === 'string' ? raw : null
    case 'number': {
      const number = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : raw
      if (typeof number === 'bigint') return Number(number)
      return typeof number === 'number' && Number.isFinite(number) ? number : null
    }
    case 'switch':
      if (raw === true || raw === 'true' || raw === '1') return true
      return raw === false || raw === 'false' || raw === '0' ? false : null
  }
}

/** "a whole number from 0 to 65535", "auto, process or fake". */
export function wantedOf({ type, choices, min, max, isWhole }: Setting): string {
  if (choices !== undefined) return `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`
  if (type === 'text') return 'a text in quotes'
  if (type === 'switch') return 'true or false'
  const range = min === undefined || max === undefined ? '' : ` from ${min} to ${max}`
  return `${isWhole === true ? 'a whole number' : 'a number'}${range}`
}

function shown(raw: unknown): string {
  return typeof raw === 'bigint' ? String(raw) : (JSON.stringify(raw) ?? String(raw)).slice(0, 60)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
