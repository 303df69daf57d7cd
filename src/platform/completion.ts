/** What fits at the end of a command line that somebody is typing: a pure look at the shape of the command. */
import type { ArgumentShape, CommandShape, OptionShape, ValueShape } from './command-shape.ts'

/** One word that fits. */
export interface Candidate {
  value: string
  /** For a person who chooses; empty: none. */
  about: string
}

/** Things that only the cluster, the environment or the shell can list. */
export type Kind =
  | 'target'
  | 'node'
  | 'task'
  | 'tasks'
  | 'ended'
  | 'batch'
  | 'status'
  | 'user'
  | 'token'
  | 'variable'
  | 'path'
  | 'directory'
  | 'command'

/** What a placeholder stands for, in every command. One that is not here is completed by nothing. */
const kinds: Readonly<Record<string, Kind>> = {
  target: 'target',
  node: 'node',
  task: 'task',
  'ended-task': 'ended',
  batch: 'batch',
  status: 'status',
  user: 'user',
  token: 'token',
  'name=value': 'variable',
  path: 'path',
  file: 'path',
  directory: 'directory',
  command: 'command',
}

/** What is to be completed. */
export interface Question {
  /** What fits by the shape alone; not yet compared with what has been typed. */
  words: Candidate[]
  /** What may stand there besides; null: nothing that has a list. */
  kind: Kind | null
  /** What has been typed of it. */
  typed: string
  /** Stands before `typed` in the same word, like `--target=`. */
  prefix: string
  /** Index of the word at which a command line of the shell's own begins; null: none does. */
  commandAt: number | null
  /** Values of the options so far, by their long names without the dashes. */
  given: Record<string, string>
}

interface Walk {
  shape: CommandShape
  /** The option whose value comes next. */
  pending: OptionShape | null
  /** Options are over: `--` was there. */
  isLiteral: boolean
  positionals: number
  used: Set<OptionShape>
  given: Record<string, string>
  commandAt: number | null
}

/** Looks at the words behind the program's name; the last one is being typed and may be empty. */
export function whatFits(root: CommandShape, words: readonly string[]): Question {
  const typed = words.at(-1) ?? ''
  const walk: Walk = {
    shape: root,
    pending: null,
    isLiteral: false,
    positionals: 0,
    used: new Set(),
    given: {},
    commandAt: null,
  }
  words.slice(0, -1).forEach((word, at) => {
    step(walk, word, at)
  })
  const question = { words: [], kind: null, typed, prefix: '', commandAt: walk.commandAt, given: walk.given }
  if (walk.commandAt !== null) return { ...question, kind: 'command' }
  if (walk.pending?.value) return { ...question, ...fitsValue(walk.pending.value) }
  if (!walk.isLiteral && typed.startsWith('-')) return { ...question, ...fitsOption(walk, typed) }
  const argument = argumentAt(walk)
  const rest = argument === null ? { words: [], kind: null } : fitsArgument(argument)
  const commands = walk.isLiteral || walk.positionals > 0 ? [] : walk.shape.commands
  const named = commands.map(({ name, description }) => ({ value: name, about: firstSentence(description) }))
  const isCommand = rest.kind === 'command'
  return {
    ...question,
    ...rest,
    words: [...named, ...rest.words],
    commandAt: isCommand ? words.length - 1 : null,
  }
}

/** Takes one whole word. */
function step(walk: Walk, word: string, at: number): void {
  if (walk.commandAt !== null) return
  if (walk.pending !== null) {
    note(walk, walk.pending, word)
    walk.pending = null
  } else if (!walk.isLiteral && word === '--') {
    walk.isLiteral = true
  } else if (!walk.isLiteral && word.startsWith('-') && word !== '-') {
    takeOption(walk, word)
  } else {
    takePositional(walk, word, at)
  }
}

function takePositional(walk: Walk, word: string, at: number): void {
  const below =
    walk.isLiteral || walk.positionals > 0 ? undefined : walk.shape.commands.find(({ name }) => name === word)
  if (below !== undefined) {
    Object.assign(walk, { shape: below, used: new Set() })
    return
  }
  const argument = argumentAt(walk)
  if (argument !== null && kindOf(argument) === 'command') walk.commandAt = at
  walk.positionals += 1
}

function takeOption(walk: Walk, word: string): void {
  const [, name = '', value] = /^(--[^=]+)(?:=(.*))?$/s.exec(word) ?? []
  if (name !== '') {
    const option = walk.shape.options.find(({ long }) => long === name)
    if (option === undefined) return
    if (value !== undefined) note(walk, option, value)
    else expectValue(walk, option)
    return
  }
  // `-wf`, `-t node1`, `-tnode1`
  for (let at = 1; at < word.length; at += 1) {
    const option = walk.shape.options.find(({ short }) => short === `-${word[at]}`)
    if (option === undefined) return
    const glued = word.slice(at + 1)
    if (option.value === null || glued === '') expectValue(walk, option)
    else return note(walk, option, glued)
  }
}

/** An optional value is told by `=` alone: the next word may as well be an argument. */
function expectValue(walk: Walk, option: OptionShape): void {
  walk.used.add(option)
  if (option.value !== null && !option.value.isOptional) walk.pending = option
}

function note(walk: Walk, option: OptionShape, value: string): void {
  walk.used.add(option)
  if (option.long !== null) walk.given[option.long.slice(2)] = value
}

function argumentAt({ shape, positionals }: Walk): ArgumentShape | null {
  const last = shape.arguments.at(-1)
  return shape.arguments[positionals] ?? (last?.isVariadic ? last : null)
}

type Fit = Pick<Question, 'words' | 'kind'>

function fitsOption(walk: Walk, typed: string): Partial<Question> {
  const [, name, value] = /^(--[^=]+)=(.*)$/s.exec(typed) ?? []
  if (name !== undefined) {
    const option = walk.shape.options.find(({ long }) => long === name)
    if (!option?.value) return {}
    return { ...fitsValue(option.value), typed: value ?? '', prefix: `${name}=` }
  }
  const open = walk.shape.options.filter((option) => option.isRepeatable || !walk.used.has(option))
  const isShort = /^-[^-]/.test(typed)
  const words = open.flatMap(({ short, long, description }) => {
    const value = isShort ? short : (long ?? short)
    return value === null ? [] : [{ value, about: firstSentence(description) }]
  })
  return { words }
}

function fitsValue(value: ValueShape): Fit {
  if (value.choices !== null)
    return { words: value.choices.map((choice) => ({ value: choice, about: '' })), kind: null }
  return { words: [], kind: kinds[value.placeholder] ?? null }
}

function fitsArgument(argument: ArgumentShape): Fit {
  const { words, kind } = fitsValue(argument)
  return { words, kind: kind === 'task' && argument.isVariadic ? 'tasks' : kind }
}

function kindOf({ placeholder, choices }: ValueShape): Kind | null {
  return choices === null ? (kinds[placeholder] ?? null) : null
}

/** Enough for a list of many. */
function firstSentence(text: string): string {
  return text.split(/[;:(]/, 1)[0]?.trim() ?? ''
}

/** Those that begin with what has been typed. */
export function matching(candidates: readonly Candidate[], typed: string): Candidate[] {
  return candidates.filter(({ value }) => value.startsWith(typed))
}

/**
 * What the shells' scripts read: a line for each word, with a tab before what it is about, and one line for what
 * the shell itself completes: `:files`, `:directories`, or `:command N` for a command line from word N on.
 */
export function renderAnswer(question: Question, candidates: readonly Candidate[]): string {
  const { kind, prefix, commandAt } = question
  const lines = candidates.map(({ value, about }) => `${prefix}${value}${about === '' ? '' : `\t${about}`}`)
  if (kind === 'path') lines.push(':files')
  if (kind === 'directory') lines.push(':directories')
  if (commandAt !== null) lines.push(`:command ${commandAt}`)
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/** Answers for a program that knows nothing but its own flags. `words` is what follows `__complete`. */
export function completeByShape(root: CommandShape, words: readonly string[]): string {
  const typed = words[0] === '--' ? words.slice(1) : words
  const question = whatFits(root, typed)
  return renderAnswer(question, matching(question.words, question.typed))
}
