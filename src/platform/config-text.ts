/** The configuration file that `hakuriver init` writes: every key with what it is for, switched off by a `#`. */
import { wantedOf } from './config-value.ts'
import { fileSettings, fileTables, type Setting, type Table } from './settings.ts'

type FileSetting = Setting & { key: string }

/** The settings of the file, by their sections, in the order of the file. */
export function sectionsOf(): Map<string, FileSetting[]> {
  const sections = new Map<string, FileSetting[]>()
  for (const setting of Object.values<FileSetting>(fileSettings)) {
    const [section = ''] = setting.key.split('.')
    sections.set(section, [...(sections.get(section) ?? []), setting])
  }
  return sections
}

/**
 * The whole text. A setting without a default shows an example: that of `examples`, by its key, where there is one,
 * or one that fits anywhere. Those of `set` are set, and the sections of `tables` have these entries.
 */
export function configText(
  examples: Readonly<Record<string, string>> = {},
  set: Readonly<Record<string, string>> = {},
  given: Readonly<Record<string, Table>> = {},
): string {
  const sections = [...sectionsOf()].map(([section, settings]) =>
    [
      `[${section}]`,
      ...settings.map((setting) => settingText(setting, examples[setting.key], set[setting.key])),
    ].join('\n\n'),
  )
  const tables = Object.values<Setting & { key: string; example: Table }>(fileTables).map((setting) =>
    tableText(setting, given[setting.key]),
  )
  return `${[heading, ...sections, ...tables].join('\n\n')}\n`
}

/** A section that is there without an entry means something: the whole of it is switched off. */
function tableText(
  { key, doc, example }: { key: string; doc: string; example: Table },
  given: Table | undefined,
): string {
  const off = given === undefined ? '#' : ''
  const lines = Object.entries(given ?? example).map(
    ([name, value]) => `${off}${/^\w+$/.test(name) ? name : JSON.stringify(name)} = ${JSON.stringify(value)}`,
  )
  return [`# ${doc}.`, `${off}[${key}]`, ...lines].join('\n')
}

const heading = `# HakuRiver: one file for host, runners and commands; each reads what it needs.
# Flags win over variables of the environment, these over this file, and this over the defaults:
# \`hakuriver config show --origin\` tells where each value comes from. Take the # away to set a key.`

function settingText(setting: FileSetting, example: string | undefined, value: string | undefined): string {
  const name = setting.key.slice(setting.key.indexOf('.') + 1)
  const shown = setting.default ?? example ?? setting.example ?? false
  const ways = [
    ...(setting.flag === null ? [] : [`--${setting.flag}`]),
    ...(setting.env === null ? [] : [setting.env]),
  ]
  return [
    `# ${setting.doc}.`,
    `# ${sentenceOf(setting)}${ways.length === 0 ? '' : `; also ${ways.join(' or ')}`}.`,
    value === undefined ? `#${name} = ${JSON.stringify(shown)}` : `${name} = ${JSON.stringify(value)}`,
  ].join('\n')
}

/** What it may be, as the beginning of a sentence: names of choices are left as they are written. */
export function sentenceOf(setting: Setting): string {
  const wanted = wantedOf(setting)
  return setting.choices === undefined
    ? wanted.slice(0, 1).toUpperCase() + wanted.slice(1)
    : `One of ${wanted}`
}
