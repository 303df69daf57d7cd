/** `hakuriver config show|path`: what holds here, and where it comes from. */
import { exitCodes } from '../../core/errors.ts'
import { printable } from '../../core/text.ts'
import { configPath, type Found, readSettings } from '../../platform/config.ts'
import { fileSettings } from '../../platform/settings.ts'
import { type Cell, type Column, renderTable } from '../../platform/table.ts'
import type { Context } from '../context.ts'

export interface ConfigShowOptions {
  origin: boolean
}

/** Every key of the file with the value that holds for a program that is started here without flags. */
export async function configShow(options: ConfigShowOptions, context: Context): Promise<number> {
  const found = readSettings(fileSettings, sourcesOf(context))
  const rows = Object.entries<Found>(found).map(([name, { value, origin, place }]) => {
    const { key } = fileSettings[name as keyof typeof fileSettings] // the table's own names
    return { key, value, origin, place }
  })
  if (context.json) await context.printJson({ settings: rows })
  else await context.print(tableOf(rows, options.origin, context))
  return exitCodes.ok
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

function tableOf(
  rows: { key: string; value: Found['value']; origin: string; place: string }[],
  hasOrigin: boolean,
  { io, colors }: Context,
): string[] {
  const width = io.stdout.isTty ? io.stdout.size().columns : null
  const cells = rows.map(({ key, value, origin, place }): Cell[] => [
    { text: key },
    { text: value === null ? '-' : printable(JSON.stringify(value)) },
    ...(hasOrigin ? [{ text: printable(place), ...(origin === 'default' && { paint: colors.dim }) }] : []),
  ])
  const origin: Column[] = hasOrigin ? [{ title: 'FROM', shrinkTo: 12 }] : []
  return renderTable([...columns, ...origin], cells, { width, paintTitle: colors.dim })
}
