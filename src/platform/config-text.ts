/** The configuration file that `hakuriver init` writes: every key with what it is for, switched off by a `#`. */
import { wantedOf } from './config.ts'
import { fileSettings, type Setting } from './settings.ts'

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

/** The whole text. A setting without a default shows an example. */
export function configText(): string {
  const sections = [...sectionsOf()].map(([section, settings]) =>
    [`[${section}]`, ...settings.map(settingText)].join('\n\n'),
  )
  return `${[heading, ...sections].join('\n\n')}\n`
}

const heading = `# HakuRiver: one file for host, runners and commands; each reads what it needs.
# Flags win over variables of the environment, these over this file, and this over the defaults:
# \`hakuriver config show --origin\` tells where each value comes from. Take the # away to set a key.`

function settingText(setting: FileSetting): string {
  const name = setting.key.slice(setting.key.indexOf('.') + 1)
  const shown = setting.default ?? setting.example ?? false
  const ways = [
    ...(setting.flag === null ? [] : [`--${setting.flag}`]),
    ...(setting.env === null ? [] : [setting.env]),
  ]
  return [
    `# ${setting.doc}.`,
    `# ${capital(wantedOf(setting))}; also ${ways.join(' or ')}.`,
    `#${name} = ${JSON.stringify(shown)}`,
  ].join('\n')
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
