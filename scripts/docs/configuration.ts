/** docs/configuration.md: every setting, from the one table of them. */
import { sectionsOf, sentenceOf } from '../../src/platform/config-text.ts'
import {
  fileTables,
  hostSettings,
  retiredKeys,
  runnerSettings,
  type Setting,
} from '../../src/platform/settings.ts'

/** The whole page. */
export function describeConfiguration(): string {
  const sections = [...sectionsOf()].map(
    ([section, settings]) => `## [${section}]\n\n${tableOf(settings, (setting) => `\`${nameOf(setting)}\``)}`,
  )
  const tables = Object.values(fileTables).map(
    ({ key, doc, example }) =>
      `## [${key}]\n\n${doc}.\n\n\`\`\`toml\n[${key}]\n${Object.entries(example)
        .map(([name, value]) => `${/^\w+$/.test(name) ? name : `"${name}"`} = "${value}"`)
        .join('\n')}\n\`\`\``,
  )
  const ownOf = (table: Record<string, Setting>) =>
    tableOf(
      Object.values(table).filter(({ key }) => key === null),
      ({ flag }) => `\`--${flag}\``,
    )
  const retired = [...retiredKeys].map(
    ([key, successor]) => `- \`${key}\`: ${successor === null ? 'remove it' : `write \`${successor}\``}`,
  )
  return `# Configuration

Made from \`src/platform/settings.ts\` by \`npm run docs\`.

\`hakuriver init\` writes \`~/.hakuriver/config.toml\` with every key in it, explained and switched off. All programs read
that one, or another by \`--config PATH\` or \`HAKURIVER_CONFIG\`. Flags win over variables of the environment, these over
the file, and the file over the defaults; \`hakuriver config show --origin\` tells where each value comes from. A key that
nobody knows, or a value that cannot be, is refused with its line.

A relative path of the file counts from the directory of the file, and \`~/\` is the home directory; of a flag or a
variable it counts from the working directory. An empty text is as none.

${[...sections, ...tables].join('\n\n')}

## Not in the file: the host

${ownOf(hostSettings)}

## Not in the file: a runner

${ownOf(runnerSettings)}

## Of the original, and of no use here

${retired.join('\n')}
`
}

function nameOf({ key }: Setting): string {
  return (key ?? '').split('.')[1] ?? ''
}

function tableOf(settings: readonly Setting[], title: (setting: Setting) => string): string {
  const rows = settings.map((setting) => {
    const flag = setting.flag === null ? '' : `\`--${setting.flag}\``
    const env = setting.env === null ? '' : `\`${setting.env}\``
    const fallback = setting.default === null ? '' : ` Default: \`${setting.default}\`.`
    return `| ${title(setting)} | ${setting.doc}. ${sentenceOf(setting)}.${fallback} | ${flag} | ${env} |`
  })
  return ['| setting | what it is | flag | variable |', '| --- | --- | --- | --- |', ...rows].join('\n')
}
