/** `hakuriver config show|path`: what holds here, and where it comes from. */
import { AppError, exitCodes } from '../../core/errors.ts'
import { printable } from '../../core/text.ts'
import { configPath, type Origin, readSettings } from '../../platform/config.ts'
import {
  fileSettings,
  fileTables,
  hostSettings,
  runnerSettings,
  type Setting,
  type Value,
} from '../../platform/settings.ts'
import { type Cell, type Column, renderTable } from '../../platform/table.ts'
import type { Context } from '../context.ts'

export interface ConfigShowOptions {
  origin: boolean
}

/** One setting as it is shown. */
interface Row {
  /** `section.name`; of one that is not in the file its variable, or its flag. */
  key: string
  /** null: none, or a secret. */
  value: Value
  origin: Origin
  place: string
}

/** What the commands show to the host; read beside the table of settings, as they start without it. */
const token: Setting = {
  key: null,
  flag: null,
  env: 'HAKURIVER_TOKEN',
  type: 'text',
  default: null,
  isSecret: true,
  doc: 'Token of whoever types the commands',
}

const tables: Readonly<Record<string, Record<string, Setting>>> = {
  // what two programs call the same is there once
  all: {
    ...fileSettings,
    ...fileTables,
    host: runnerSettings.host,
    token,
    joinToken: runnerSettings.joinToken,
    logLevel: hostSettings.logLevel,
  },
  host: hostSettings,
  runner: runnerSettings,
}

/**
 * Every setting with the value that holds for a program that is started here; of `host` or `runner` alone, with the
 * flags that follow.
 */
export async function configShow(
  words: string[],
  options: ConfigShowOptions,
  context: Context,
): Promise<number> {
  const { table, flags } = readWords(words)
  const { argv, env } = sourcesOf(context)
  const found = readSettings(table, { argv: [...argv, ...flags], env })
  const rows = Object.entries(table).map(([name, setting]): Row => {
    const { value, origin, place } = found[name] ?? { value: null, origin: 'default', place: 'default' }
    return { key: labelOf(setting), value: setting.isSecret ? null : value, origin, place }
  })
  if (context.json) await context.printJson({ settings: rows })
  else await context.print(tableOf(rows, options.origin, context))
  return exitCodes.ok
}

function readWords(words: string[]): { table: Record<string, Setting>; flags: string[] } {
  const [program = 'all', ...flags] = words
  const table = Object.hasOwn(tables, program) ? tables[program] : undefined
  if (table !== undefined && (program !== 'all' || flags.length === 0)) return { table, flags }
  throw new AppError(
    'invalid_request',
    `the settings are those of the host or of a runner, not of "${program}"`,
    {
      details: { fix: 'Write hakuriver config show, config show host, or config show runner -- FLAGS.' },
    },
  )
}

function labelOf({ key, env, flag }: Setting): string {
  return key ?? env ?? `--${flag}`
}

/** The file that would be read. */
export async function configFile(context: Context): Promise<number> {
  const { path } = configPath(context.configFile, sourcesOf(context).env)
  if (context.json) await context.printJson({ path })
  else await context.print(path)
  return exitCodes.ok
}

function sourcesOf({ io, home, configFile: named }: Context) {
  const argv = named === null ? [] : ['--config', named]
  return { argv, env: { ...io.env, HAKURIVER_HOME: home } }
}

const columns: Column[] = [
  { title: 'KEY', shrinkTo: 12, keepEnd: true },
  { title: 'VALUE', shrinkTo: 12 },
]

function tableOf(rows: Row[], hasOrigin: boolean, { io, colors }: Context): string[] {
  const width = io.stdout.isTty ? io.stdout.size().columns : null
  const cells = rows.map(({ key, value, origin, place }): Cell[] => [
    { text: key },
    { text: value !== null ? printable(JSON.stringify(value)) : origin === 'default' ? '-' : 'not shown' },
    ...(hasOrigin ? [{ text: printable(place), ...(origin === 'default' && { paint: colors.dim }) }] : []),
  ])
  const origin: Column[] = hasOrigin ? [{ title: 'FROM', shrinkTo: 12 }] : []
  return renderTable([...columns, ...origin], cells, { width, paintTitle: colors.dim })
}
