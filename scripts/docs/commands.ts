/** docs/commands.md: every command with its options and examples, from the programs' own definitions. */
import type { OptionShape } from '../../src/platform/command-shape.ts'
import {
  blocksOf,
  type CommandPage,
  type CommandPages,
  environment,
  files,
  optionFlags,
  optionText,
} from './command-pages.ts'
import { exitMeanings } from './exit-codes.ts'

/** The whole page. */
export function describeCommands({ root, common, programs }: CommandPages): string {
  const sections = [
    '# Commands',
    'Made from the definitions of the command line by `npm run docs`. `hakuriver COMMAND --help` says the same.',
    contents([...root.commands, ...programs]),
    ...root.commands.flatMap((page) => section(page, '##')),
    '## What every command has',
    optionTable(common),
    table(['exit code', 'meaning'], exitMeanings),
    '[More about exit codes](exit-codes.md): those of tasks that were awaited.',
    table(
      ['variable', 'meaning'],
      environment.map(([name, text]) => [`\`${name}\``, text]),
    ),
    table(
      ['file', 'what it is'],
      files.map(([path, text]) => [`\`${path}\``, text]),
    ),
    ...programs.flatMap((page) => section(page, '##')),
  ]
  return `${sections.join('\n\n')}\n`
}

function contents(pages: CommandPage[]): string {
  return table(
    ['command', 'does'],
    pages.map(({ title, about }) => [`[\`${title}\`](#${anchor(title)})`, cell(about)]),
  )
}

function section(page: CommandPage, level: string): string[] {
  const { title, usage, about, texts, options, settings, sameAs, commands } = page
  const heading = `${level} ${title}`
  if (sameAs !== null) return [heading, `The same as [\`${sameAs}\`](#${anchor(sameAs)}).`]
  return [
    heading,
    `${about.charAt(0).toUpperCase()}${about.slice(1).replace(/\.?$/, '.')}`,
    fence(`${title} ${usage}`.trim()),
    ...texts.flatMap(blocksOf).map(({ isCode, text }) => (isCode ? fence(text) : cell(text))),
    ...(options.length > 0 ? [optionTable(options)] : []),
    ...(settings.length > 0 ? ['[All settings](configuration.md), also those without a flag.'] : []),
    ...commands.flatMap((below) => section(below, `${level}#`)),
  ]
}

function optionTable(options: OptionShape[]): string {
  return table(
    ['option', 'meaning'],
    options.map((option) => [`\`${optionFlags(option)}\``, cell(optionText(option))]),
  )
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

function fence(text: string): string {
  return `\`\`\`sh\n${text}\n\`\`\``
}

/** As GitHub makes it of a heading. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-')
}
