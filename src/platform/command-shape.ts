/**
 * What a command takes, as plain data: read from commander's tree or from a table of settings. Completion, manual
 * pages and the command reference are made from it.
 */
import type { Argument, Command, Option } from 'commander'
import type { Setting } from './settings.ts'

/** The word in angle or square brackets behind an option, and what may stand there. */
export interface ValueShape {
  /** Tells what is completed there: see `completion.ts`. */
  placeholder: string
  /** It may be left out. */
  isOptional: boolean
  /** The only values there are; null: any. */
  choices: readonly string[] | null
}

export interface OptionShape {
  /** `-t`; null: none. */
  short: string | null
  /** `--target`; null: none. */
  long: string | null
  description: string
  /** null: a switch. */
  value: ValueShape | null
  isRepeatable: boolean
  /** Heading above it in the help. */
  group: string
}

export interface ArgumentShape extends ValueShape {
  isVariadic: boolean
}

export interface CommandShape {
  name: string
  /** What follows the name, like `[options] <task>`. */
  usage: string
  description: string
  /** Heading above it in the help of the command that it belongs to. */
  group: string
  options: OptionShape[]
  arguments: ArgumentShape[]
  commands: CommandShape[]
}

/** The shape of a command and of all below it; hidden ones are left out. */
export function shapeOfCommand(command: Command): CommandShape {
  const help = command.createHelp()
  return {
    name: command.name(),
    usage: command.usage(),
    description: command.description(),
    group: command.helpGroup() ?? '',
    options: help
      .visibleOptions(command)
      .map((option) => shapeOfOption(option, help.optionDescription(option))),
    arguments: command.registeredArguments.map(shapeOfArgument),
    commands: help.visibleCommands(command).map(shapeOfCommand),
  }
}

function shapeOfOption(option: Option, description: string): OptionShape {
  const { short, long, flags, argChoices, optional, defaultValue, helpGroupHeading } = option
  const [, placeholder] = /[<[]([^>\]]+?)(?:\.\.\.)?[>\]]/.exec(flags) ?? []
  return {
    short: short ?? null,
    long: long ?? null,
    description,
    value:
      placeholder === undefined ? null : { placeholder, isOptional: optional, choices: argChoices ?? null },
    isRepeatable: Array.isArray(defaultValue),
    group: helpGroupHeading ?? '',
  }
}

function shapeOfArgument(argument: Argument): ArgumentShape {
  return {
    placeholder: argument.name(),
    isOptional: !argument.required,
    choices: argument.argChoices ?? null,
    isVariadic: argument.variadic,
  }
}

/** The shape of a program whose flags are those of a table of settings, with `--config`, `--help` and `--version`. */
export function shapeOfSettings(
  name: string,
  description: string,
  table: Record<string, Setting>,
): CommandShape {
  const flags = Object.values(table).filter(({ flag }) => flag !== null)
  const option = (long: string, about: string, value: ValueShape | null): OptionShape => ({
    short: null,
    long: `--${long}`,
    description: about,
    value,
    isRepeatable: false,
    group: '',
  })
  const value = (placeholder: string, choices: readonly string[] | null): ValueShape => ({
    placeholder,
    isOptional: false,
    choices,
  })
  return {
    name,
    usage: '[options]',
    description,
    group: '',
    arguments: [],
    commands: [],
    options: [
      ...flags.map(({ flag, type, doc, choices = null }) =>
        option(flag ?? '', doc, type === 'switch' ? null : value(placeholderOf(flag ?? '', type), choices)),
      ),
      option('config', 'Configuration file (TOML)', value('path', null)),
      option('help', 'Print the help', null),
      option('version', 'Print the version', null),
    ],
  }
}

function placeholderOf(flag: string, type: Setting['type']): string {
  if (flag.endsWith('-file')) return 'path'
  if (flag.endsWith('-dir')) return 'directory'
  return type === 'number' ? 'number' : 'value'
}
