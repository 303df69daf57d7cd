/** What there is to say of each command, read from the trees and tables that the programs themselves are made of. */
import { execFileSync } from 'node:child_process'
import { isDeepStrictEqual } from 'node:util'
import type { Command } from 'commander'
import { createProgram } from '../../src/cli/program.ts'
import { createCommand } from '../../src/hakurun/options.ts'
import {
  type CommandShape,
  type OptionShape,
  shapeOfCommand,
  shapeOfSettings,
} from '../../src/platform/command-shape.ts'
import { processIo } from '../../src/platform/io.ts'
import { hostSettings, runnerSettings, type Setting } from '../../src/platform/settings.ts'

export interface CommandPage {
  /** `hakuriver submit`. */
  title: string
  usage: string
  about: string
  /** Examples and what else stands before and behind the help. */
  texts: string[]
  /** Its own options; those that every command has are left out. */
  options: OptionShape[]
  /** The settings of a program that is no command line tool. */
  settings: Setting[]
  /** Title of a command that is just the same; null: there is none. */
  sameAs: string | null
  /** Below it, like `batch list`. */
  commands: CommandPage[]
}

/** Heading of the options that are told of once. */
const commonGroup = 'Every command has:'

/** The variables that the command line reads. */
export const environment: readonly (readonly [name: string, meaning: string])[] = [
  ['HAKURIVER_HOST_URL', 'the host to talk to, like http://192.168.1.10:8000'],
  ['HAKURIVER_TOKEN', 'the token to show to it'],
  ['HAKURIVER_CONFIG', 'the configuration file'],
  ['HAKURIVER_CA_FILE', 'authorities by which a host that speaks TLS is known, as PEM'],
  ['HAKURIVER_HOME', 'directory for state and configuration instead of ~/.hakuriver'],
  ['NO_COLOR', 'not empty: no colours'],
  ['FORCE_COLOR', 'not empty: colours also where the output is no terminal'],
]

/** The files that the command line reads and writes. */
export const files: readonly (readonly [path: string, meaning: string])[] = [
  ['~/.hakuriver/config.toml', 'configuration of host, runner and command line'],
  ['~/.hakuriver/host.json', 'where the host of this machine listens; written by the host'],
  ['~/.hakuriver/admin-token', 'the token of this user, for the host of this machine'],
  ['~/.hakuriver/credentials.json', 'the tokens of your logins, each for one host, for you alone'],
  [
    '~/.hakuriver/join-token',
    'the token with which runners join a host that speaks plain HTTP, on this machine',
  ],
  ['~/.hakuriver/ca/', 'keys and certificates of the authority, where the host of this machine speaks TLS'],
  ['~/.hakuriver/runner/identity/', 'key and certificate of this machine, where it has joined'],
]

/** All programs. */
export interface CommandPages {
  /** `hakuriver` with its commands. */
  root: CommandPage
  /** The options that every command of it has. */
  common: OptionShape[]
  /** The other programs. */
  programs: CommandPage[]
}

/** Reads them all. */
export function commandPages(): CommandPages {
  const nothing = { io: processIo(process), onExit: () => {}, onHelp: () => {} }
  const tree = createProgram({ ...nothing, firstWord: undefined })
  const daemons = [daemonPage('host', hostSettings), daemonPage('runner', runnerSettings)]
  const root = pageOf(tree, '')
  root.commands = root.commands.filter(({ title }) => !daemons.some((page) => page.title === title))
  markTwins(root.commands)
  const clientTree = createProgram({ ...nothing, firstWord: 'client' })
  const client = clientTree.commands.find((command) => command.name() === 'client')
  const hakurun = createCommand(async () => {})
  const clientPage =
    client === undefined
      ? []
      : [{ ...pageOf(client, ''), title: 'hakuriver.client', usage: '[options] [-- command [argument...]]' }]
  return {
    root,
    common: shapeOfCommand(tree).options.filter(({ group }) => group === commonGroup),
    programs: [...daemons, ...clientPage, pageOf(hakurun, '')],
  }
}

function pageOf(command: Command, above: string): CommandPage {
  const shape = shapeOfCommand(command)
  const title = `${above} ${shape.name}`.trim()
  const visible = command.createHelp().visibleCommands(command)
  return {
    title,
    usage: shape.usage.replace(/^\[options\] \[command\]$/, 'command'),
    about: shape.description,
    texts: helpTexts(command),
    options: ownOptions(shape),
    settings: [],
    sameAs: null,
    commands: visible.map((below) => pageOf(below, title)),
  }
}

function ownOptions({ options }: CommandShape): OptionShape[] {
  return options.filter(({ group }) => group !== commonGroup)
}

/** Commander gives these only together with the help itself. */
function helpTexts(command: Command): string[] {
  let text = ''
  command.configureOutput({
    writeOut: (part) => {
      text += part
    },
  })
  command.outputHelp()
  return text
    .split(command.helpInformation())
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** The page of host or runner: what they say of themselves, and their settings. */
function daemonPage(name: 'host' | 'runner', settings: Record<string, Setting>): CommandPage {
  const help = execFileSync(process.execPath, [`src/${name}/main.ts`, '--help'], { encoding: 'utf8' })
  const [, about = '', ...rest] = help.split('\n\n')
  return {
    title: `hakuriver ${name}`,
    usage: '[options]',
    about: about.replaceAll('\n', ' '),
    texts: rest.filter((part) => part.startsWith('Example')),
    options: ownOptions(shapeOfSettings(`hakuriver ${name}`, about, settings)),
    settings: Object.values(settings),
    sameAs: null,
    commands: [],
  }
}

/** `task submit` is `submit` again: told once. */
function markTwins(pages: CommandPage[]): void {
  for (const page of pages.flatMap(({ commands }) => commands)) {
    const isTwin = (other: CommandPage) =>
      other.about === page.about && isDeepStrictEqual(other.options, page.options)
    page.sameAs = pages.find(isTwin)?.title ?? null
  }
}

/** A part of the texts around the help: prose, or lines to be kept as they are. */
export interface Block {
  isCode: boolean
  text: string
}

/** Indented lines are code, all else is prose. A remark behind an example becomes a comment of the shell. */
export function blocksOf(text: string): Block[] {
  return text
    .replace(/^Examples?:\n/, '')
    .split(/\n\n|(?<=:)\n(?= {2})|\n(?=\S)(?<= {2}.*\n)/)
    .map((part) => {
      const isCode = part.startsWith('  ')
      return {
        isCode,
        text: isCode
          ? part.replace(/^ {2}/gm, '').replace(/^((?:haku|id=|source ).*?\S {3,})(?=\S)/gm, '$1# ')
          : part,
      }
    })
}

/** `-t, --target <target>`. */
export function optionFlags({ short, long, value }: OptionShape): string {
  const [open, close] = value?.isOptional ? '[]' : '<>'
  const names = [short, long].filter((name) => name !== null).join(', ')
  return value === null ? names : `${names} ${open}${value.placeholder}${close}`
}

/** What an option does; the values that it may have. */
export function optionText({ description, value }: OptionShape): string {
  const choices = value?.choices ?? []
  return choices.every((choice) => description.includes(choice))
    ? description
    : `${description} (${choices.join(', ')})`
}
