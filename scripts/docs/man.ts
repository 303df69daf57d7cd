/** Manual pages in man(7) macros, from the programs' own definitions: one for each command and program. */
import type { OptionShape } from '../../src/platform/command-shape.ts'
import type { Setting } from '../../src/platform/settings.ts'
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

/** The pages by their file names, like `hakuriver-submit.1`; `date` is `2026-11-23`. */
export function manPages(
  { root, common, programs }: CommandPages,
  version: string,
  date: string,
): Map<string, string> {
  const all = [...root.commands, ...programs]
  const pages = [
    rootPage(root, all, common),
    ...all.map((page) => commandPage(page, programs.includes(page))),
  ]
  return new Map(
    pages.map(({ name, lines }) => {
      const heading = `.TH ${literal(name.toUpperCase())} 1 "${date}" "HakuRiver ${literal(version)}" "HakuRiver"`
      return [`${name}.1`, `${[heading, ...lines.filter(isNeeded)].join('\n')}\n`]
    }),
  )
}

/** A heading begins a paragraph by itself. */
function isNeeded(line: string, at: number, lines: string[]): boolean {
  return line !== '.PP' || !lines[at - 1]?.startsWith('.SH')
}

interface Page {
  name: string
  lines: string[]
}

function rootPage(root: CommandPage, all: CommandPage[], common: OptionShape[]): Page {
  return {
    name: root.title,
    lines: [
      ...nameSection(root.title, root.about),
      '.SH SYNOPSIS',
      `.B ${literal(root.title)}`,
      '.I command',
      '[options]',
      ...texts(root),
      '.SH COMMANDS',
      ...all.flatMap((page) => item(`\\fB${literal(page.title)}\\fP`, page.about)),
      '.SH OPTIONS',
      'Every command has:',
      ...options([...root.options, ...common]),
      '.SH EXIT STATUS',
      ...exitMeanings.flatMap(([code, meaning]) => item(`\\fB${code}\\fP`, meaning)),
      '.SH ENVIRONMENT',
      ...environment.flatMap(([name, meaning]) => item(`\\fB${literal(name)}\\fP`, meaning)),
      '.SH FILES',
      ...files.flatMap(([path, meaning]) => item(`\\fI${literal(path)}\\fP`, meaning)),
      ...seeAlso(all.filter(({ title }) => title !== root.title).map(fileName)),
    ],
  }
}

function commandPage(page: CommandPage, isProgram: boolean): Page {
  const name = fileName(page)
  return {
    name,
    lines: [
      ...nameSection(name, page.about),
      '.SH SYNOPSIS',
      ...[page, ...page.commands]
        .flatMap(({ title, usage }) => [`.B ${literal(title)}`, literal(usage), '.br'])
        .slice(0, -1),
      ...texts(page),
      ...(page.settings.length > 0
        ? [
            '.SH SETTINGS',
            'A flag goes before a variable, a variable before the configuration file.',
            ...page.settings.flatMap(setting),
          ]
        : page.options.length > 0
          ? ['.SH OPTIONS', ...options(page.options)]
          : []),
      ...page.commands.flatMap(subsection),
      ...(isProgram ? [] : ['.PP', `What every command has is in \\fBhakuriver\\fP(1).`]),
      ...seeAlso(name === 'hakuriver' ? [] : ['hakuriver']),
    ],
  }
}

/** A command below a noun. */
function subsection({ title, usage, about, texts: own, options: ownOptions, sameAs }: CommandPage): string[] {
  const told = sameAs === null ? `${sentence(about)}` : `The same as \\fB${literal(sameAs)}\\fP(1).`
  return [
    `.SH ${quote(title.toUpperCase())}`,
    ...(sameAs === null
      ? [`.B ${literal(title)}`, literal(usage), '.PP', told, ...own.flatMap(blocks), ...options(ownOptions)]
      : [told]),
  ]
}

/** `hakuriver submit` is in hakuriver-submit(1), as git has it; the daemons have names of their own. */
function fileName({ title }: CommandPage): string {
  return title.replace(/^(hakuriver) (host|runner)$/, '$1.$2').replaceAll(' ', '-')
}

function nameSection(name: string, about: string): string[] {
  const [first = ''] = about.split(/(?<=\w)\.(?: |$)/)
  return ['.SH NAME', `${literal(name)} \\- ${inline(first)}`]
}

function texts(page: CommandPage): string[] {
  const [examples, rest] = [
    page.texts.filter((text) => text.startsWith('Example')),
    page.texts.filter((text) => !text.startsWith('Example')),
  ]
  return [
    '.SH DESCRIPTION',
    sentence(page.about),
    ...rest.flatMap(blocks),
    ...(examples.length === 0 ? [] : ['.SH EXAMPLES', ...examples.flatMap(blocks)]),
  ]
}

function blocks(text: string): string[] {
  return blocksOf(text).flatMap((block) =>
    block.isCode
      ? ['.PP', '.RS 4', '.nf', ...block.text.split('\n').map(literal), '.fi', '.RE']
      : ['.PP', ...block.text.split('\n').map(inline)],
  )
}

function options(all: OptionShape[]): string[] {
  return all.flatMap((option) => {
    const flags = literal(optionFlags(option)).replace(/<(.*)>|\[(.*)\]/, (_, value, optional) =>
      value === undefined ? `[\\fI${optional}\\fP]` : `\\fI${value}\\fP`,
    )
    return item(`\\fB${flags.replace(/(, | (?=\[?\\fI))/g, '\\fP$1\\fB')}\\fP`, optionText(option))
  })
}

function setting({ flag, env, key, default: value, doc }: Setting): string[] {
  const names = [flag === null ? null : `--${flag}`, env, key].filter((name) => name !== null)
  const fallback = value === null || value === false || value === '' ? '' : ` (default: ${value})`
  return item(names.map((name) => `\\fB${literal(name)}\\fP`).join(', '), `${doc}${fallback}`)
}

function item(term: string, text: string): string[] {
  return ['.TP', term, inline(text)]
}

function seeAlso(names: string[]): string[] {
  if (names.length === 0) return []
  return [
    '.SH SEE ALSO',
    ...names.map((name, at) => `.BR ${literal(name)} (1)${at < names.length - 1 ? ' ,' : ''}`),
  ]
}

function sentence(text: string): string {
  return inline(`${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.?$/, '.')}`)
}

/** Text of a paragraph; what stands in backticks is bold. */
function inline(text: string): string {
  return literal(text).replace(/\\`([^`]*?)\\`|`([^`]*)`/g, '\\fB$1$2\\fP')
}

/** So that every character stands for itself (groff_char(7)); a line may begin with a dot or an apostrophe. */
function literal(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')
    .replaceAll("'", '\\(aq')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
}

function quote(text: string): string {
  return `"${literal(text).replaceAll('"', '\\(dq')}"`
}
