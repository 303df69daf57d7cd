/** The tree of commands: what all of them share, and how one is run. Their options are declared beside this file. */
import { Command, Help, type Option } from 'commander'
import type { Io } from '../platform/io.ts'
import { version } from '../platform/version.ts'
import { declareClient } from './client-command.ts'
import { clusterCommands, machineCommands } from './cluster-commands.ts'
import { type CommonOptions, type Context, createContext } from './context.ts'
import type { Act, Declare, Parts } from './declare.ts'
import { peopleCommands } from './people-commands.ts'
import { taskCommands } from './task-commands.ts'

export interface ProgramOptions {
  io: Io
  /** The first word. Where it names a command, only that one is made: a good part of the start-up. */
  firstWord: string | undefined
  /** Takes the exit code of the command that ran. */
  onExit: (code: number) => void
  /** Takes the help that was asked for. */
  onHelp: (text: string) => void
}

/** Makes the tree of commands; parsing it runs one. */
export function createProgram({ io, firstWord, onExit, onHelp }: ProgramOptions): Command {
  const program = new Command('hakuriver')
  program
    .exitOverride()
    .configureOutput({
      writeOut: onHelp,
      writeErr: () => {},
      outputError: () => {},
      getOutHelpWidth: () => (io.stdout.isTty ? Math.min(io.stdout.size().columns, 110) : 100),
    })
    .configureHelp({ optionDescription: describeOption, formatItem, minWidthToWrap: 24 })
    .enablePositionalOptions()
    .helpCommand(false)
    .description('Run commands on your machines with real limits, and see what became of them.')
    .version(`hakuriver ${version}`, '-V, --version', 'print the version')
    .addHelpText('before', rootExamples)

  const builds: { command: Command; build: (command: Command) => unknown }[] = []
  const declare: Declare = (parent, usage, description, build) => {
    const command = parent.command(usage).description(description).helpCommand(false)
    builds.push({ command, build })
    return command
  }
  const act: Act =
    <Arguments extends unknown[]>(run: (context: Context, ...given: Arguments) => Promise<number>) =>
    async (...given: unknown[]) => {
      // commander hands on the arguments, then the options, then the command itself.
      const command = given.pop()
      if (!(command instanceof Command)) throw new Error('the command comes last')
      const context = createContext(allOptions(command), io)
      // The declaration of the command beside the action names the arguments and options: commander has no types for them.
      onExit(await run(context, ...(given as Arguments)))
    }
  declareCommands(program, firstWord, { declare, act })
  for (const { command, build } of builds) build(command)
  addCommonOptions(program)
  return program
}

const groups = [taskCommands, machineCommands, peopleCommands, clusterCommands]

/** Makes the command that is asked for, or all of them where that is none of ours. */
function declareCommands(program: Command, firstWord: string | undefined, parts: Parts): void {
  // its own name is `hakuriver.client`: among these it is hidden
  if (firstWord === 'client') return declareClient(program, parts)
  const holder = groups.find(({ commands }) => firstWord !== undefined && Object.hasOwn(commands, firstWord))
  const asked = holder?.commands[firstWord ?? '']
  if (asked !== undefined) return asked(program, parts)
  for (const { heading, commands } of groups) {
    program.commandsGroup(heading)
    for (const declareOne of Object.values(commands)) declareOne(program, parts)
  }
  declareClient(program, parts)
}

/** Last, so that the help of a command begins with its own options. */
function addCommonOptions(command: Command): void {
  command.optionsGroup('Every command has:')
  // `init service --host` talks to none
  if (!command.options.some(({ long }) => long === '--host'))
    command.option('--host <url>', 'the host to talk to (else HAKURIVER_HOST_URL)')
  command
    .option('--config <path>', 'configuration file (else HAKURIVER_CONFIG, else ~/.hakuriver/config.toml)')
    .option('--token-file <path>', 'file with the token (else HAKURIVER_TOKEN)')
    .option(
      '--ca-file <path>',
      'authorities by which an https host is known, as PEM (else HAKURIVER_CA_FILE)',
    )
    .option('--json', 'print JSON')
    .option('--no-color', 'print without colours, as NO_COLOR does')
    .option('--debug', 'tell more about a failure')
    .helpOption('-h, --help', 'print this')
  for (const child of command.commands) addCommonOptions(child)
}

/** The options given here and at every level above. Nobody asks for colour, so the default of one level means nothing. */
function allOptions(command: Command): CommonOptions {
  const given = command.optsWithGlobals<CommonOptions>()
  const isPlain = lineage(command).some((each) => each.opts<CommonOptions>().color === false)
  return { ...given, color: !isPlain }
}

function lineage(command: Command): Command[] {
  return command.parent === null ? [command] : [command, ...lineage(command.parent)]
}

/** Where there is no room for two columns, the description goes below its term. */
function formatItem(this: Help, term: string, termWidth: number, description: string, help: Help): string {
  const width = this.helpWidth ?? 80
  if (width - termWidth - 4 >= this.minWidthToWrap)
    return Help.prototype.formatItem.call(this, term, termWidth, description, help)
  const below = help.boxWrap(description, width - 6).replace(/^/gm, '      ')
  return `  ${term}\n${below}`
}

/** Commander would tell of every default, also where it only means that the option is left out. */
function describeOption({ description, defaultValue }: Option): string {
  const isTold = typeof defaultValue === 'number' || typeof defaultValue === 'string'
  return isTold ? `${description} (default: ${defaultValue})` : description
}

const rootExamples = `Examples:
  hakuriver up                             start a cluster on this machine
  hakuriver submit -- echo hello           run a command on any machine
  hakuriver submit -t node1:0 --cores 4 --memory 8G -- python train.py --lr 0.1
  hakuriver logs -f last                   the output of the newest task, live
  hakuriver ps --watch                     see everything, live
`
