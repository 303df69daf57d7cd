/** Configuration from flags, environment, a TOML file and defaults, in this order, by the table of settings. */
import { isIPv6 } from 'node:net'
import { homedir, hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { isLoopback } from '../core/address.ts'
import { AppError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { type ConfigFile, readConfigFile } from './config-file.ts'
import { checkedValue } from './config-value.ts'
import type { Machine, Setting, tlsChoices, Value, ValueOf } from './settings.ts'

export type Origin = 'flag' | 'environment' | 'file' | 'default'

export interface Found<V extends Value = Value> {
  value: V
  origin: Origin
  /** Where it was found, for people: `--port`, `HAKURIVER_HOST_PORT`, `config.toml, line 3`, `default`. */
  place: string
}

/** What was found for every setting, and where. */
export type Settings<T extends Record<string, Setting>> = { [K in keyof T]: Found<ValueOf<T[K]>> }

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

/** The URL of a host by its address, which may be a whole URL already. */
export function urlOfHost(address: string, port: number, isTls = false): string {
  if (/^https?:\/\//.test(address)) return address
  return `http${isTls ? 's' : ''}://${isIPv6(address) ? `[${address}]` : address}:${port}`
}

/** Does a host speak TLS, by the setting `network.tls`? Plain HTTP is for what leads to this machine alone. */
export function speaksTls(choice: (typeof tlsChoices)[number], ...addresses: readonly string[]): boolean {
  return choice === 'auto' ? !addresses.every(isLoopback) : choice === 'on'
}

/**
 * Reads all settings of a table. The whole file is checked, also what is there for other programs. An empty text is
 * as none: it stands for the default.
 * @throws AppError `invalid_request` in one sentence that names the place
 */
export function readSettings<T extends Record<string, Setting>>(table: T, sources: Sources): Settings<T> {
  const { env } = sources
  const flags = readFlags(table, sources.argv)
  const { path, isNamed } = configPath(typeof flags.config === 'string' ? flags.config : null, env)
  const file = readConfigFile(path, isNamed)
  const machine = { home: hakuriverHome(env), hostName: hostname(), tempDir: tmpdir() }
  const find = (setting: Setting): Found =>
    findSet(setting, flags, env, file) ?? {
      value: defaultOf(setting, machine, settingOf),
      origin: 'default',
      place: 'default',
    }
  const settingOf = (key: string): Value => {
    const setting = Object.values(table).find((each) => each.key === key)
    if (setting === undefined) throw new Error(`${key} is not read by this program`)
    return find(setting).value
  }
  const entries = Object.entries(table).map(([name, setting]) => [name, find(setting)])
  return Object.fromEntries(entries) as Settings<T> // checked by the setting of each name
}

function defaultOf(
  { default: fixed, derive }: Setting,
  machine: Machine,
  settingOf: (key: string) => Value,
): Value {
  return derive === undefined ? fixed : derive(machine, settingOf)
}

/** null: it is set nowhere, or to nothing. */
function findSet(
  setting: Setting,
  flags: Record<string, unknown>,
  env: Record<string, string | undefined>,
  file: ConfigFile,
): Found | null {
  const { key, flag, env: variable } = setting
  const given = flag === null ? undefined : flags[flag]
  if (given !== undefined) return fromText(given, setting, 'flag', `--${flag}`)
  const exported = variable === null ? undefined : env[variable]
  if (exported) return fromText(exported, setting, 'environment', String(variable))
  const value = key === null ? undefined : file.values.get(key)
  if (value === undefined || value === '') return null
  return { value, origin: 'file', place: file.placeOf(key ?? '') }
}

function fromText(raw: unknown, setting: Setting, origin: Origin, place: string): Found | null {
  if (raw === '') return null
  const value = checkedValue(raw, setting, 'text', () => place)
  return { value: setting.type === 'path' ? resolve(String(value)) : value, origin, place }
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
    const told = error instanceof Error ? error.message : String(error)
    const unknown = /Unknown option '(--?[^']+)'/.exec(told)
    if (unknown === null) throw new AppError('invalid_request', told)
    const near = nearest((unknown[1] ?? '').replace(/^-+/, ''), Object.keys(options))
    throw new AppError(
      'invalid_request',
      `there is no option ${unknown[1]}${near === null ? '' : `; did you mean --${near}?`}`,
    )
  }
}
