/** A form as a command line, and back: the flags of `hakuriver submit` and `hakuriver sweep` and what they mean. */
import { isVariableName } from './carry.ts'
import { AppError } from './errors.ts'
import { badLine, readShellWords, type ShellWord } from './shell-words.ts'
import { emptyForm, type SubmitForm } from './submit-form.ts'
import { shellQuote } from './text.ts'
import { formatExactDuration, formatExactSize, parseDuration, parseSize } from './units.ts'

/** The shortest line that says what the form says, but for what its secrets are. */
export function formatSubmitLine(form: SubmitForm): string {
  const { targets, cores, memoryBytes, timeoutMs, env, secrets, cwd, name, requeue } = form
  const words = [
    'hakuriver',
    form.sweep === null ? 'submit' : 'sweep',
    ...targets.flatMap((target) => ['-t', target]),
    ...(cores === 1 ? [] : ['-c', String(cores)]),
    ...(memoryBytes === null ? [] : ['-m', formatExactSize(memoryBytes)]),
    ...(timeoutMs === null ? [] : ['--timeout', formatExactDuration(timeoutMs)]),
    ...Object.entries(env).flatMap(([variable, value]) => ['-e', `${variable}=${value}`]),
    // a shell hands its own variable of that name on: what it is stands in no line
    ...Object.keys(secrets).flatMap((secret) => ['--secret', secret]),
    ...(cwd === null ? [] : ['--cwd', cwd]),
    ...(name === null ? [] : ['-n', name]),
    ...(form.privateNetwork ? ['--private-network'] : []),
    ...(form.privatePids ? ['--private-pid'] : []),
    ...(requeue === 0 ? [] : [requeue === presetRequeue ? '--requeue' : `--requeue=${requeue}`]),
    ...(form.allOrNothing ? ['--all-or-nothing'] : []),
    ...(form.queue ? [] : ['--no-queue']),
    ...(form.sweep === 'zip' ? ['--zip'] : []),
    '--',
    ...form.words,
  ]
  return words.map(shellQuote).join(' ')
}

/**
 * Reads a line as the command line does, with or without `$ ` before it.
 * @throws AppError `invalid_request` that says what cannot be read, or is of no use but in a terminal
 */
export function parseSubmitLine(text: string): SubmitForm {
  // blanks in place of the prompt: columns stay
  const line = text.replace(/^\s*\$(?=\s)/, (prompt) => prompt.replace('$', ' '))
  return new LineReader(line).form()
}

/** What `--requeue` alone means. */
const presetRequeue = 3

/** A form on the way, and the switches that only together make one. */
interface Draft {
  form: SubmitForm
  span: boolean
  zip: boolean
}

/** One option of the commands. */
export interface SubmitLineOption {
  long: string
  short: string | null
  /** Does a value follow? `optional`: behind `=`, or where the next word is no option. */
  value: 'none' | 'required' | 'optional'
  /** Commands that have it. */
  of: 'both' | 'submit'
  /** Puts it into the form; a text: why it is of no use here. `value` is null where none follows. */
  effect: string | ((draft: Draft, value: string | null) => void)
}

/** All options of `hakuriver submit` and `hakuriver sweep`. */
export const submitLineOptions: readonly SubmitLineOption[] = [
  valued('--target', '-t', ({ form }, value) => form.targets.push(value)),
  valued('--cores', '-c', ({ form }, value) => {
    form.cores = wholeNumber(value, 1)
  }),
  valued('--memory', '-m', ({ form }, value) => {
    form.memoryBytes = parseSize(value)
  }),
  valued('--timeout', null, ({ form }, value) => {
    form.timeoutMs = parseDuration(value)
  }),
  valued('--env', '-e', ({ form }, value) => setVariable(form.env, value)),
  valued('--secret', null, ({ form }, value) => setSecret(form.secrets, value)),
  valued('--cwd', null, ({ form }, value) => {
    form.cwd = value
  }),
  valued('--name', '-n', ({ form }, value) => {
    form.name = value
  }),
  flag('--private-network', null, ({ form }) => {
    form.privateNetwork = true
  }),
  flag('--private-pid', null, ({ form }) => {
    form.privatePids = true
  }),
  {
    ...flag('--requeue', null, ({ form }, value) => {
      form.requeue = value === null ? presetRequeue : wholeNumber(value, 0)
    }),
    value: 'optional',
  },
  flag('--all-or-nothing', null, ({ form }) => {
    form.allOrNothing = true
  }),
  flag('--no-queue', null, ({ form }) => {
    form.queue = false
  }),
  {
    ...flag('--span', null, (draft) => {
      draft.span = true
    }),
    of: 'submit',
  },
  flag('--zip', null, (draft) => {
    draft.zip = true
  }),
  valued('--env-file', null, 'the file is read there: write -e NAME=value for each of its lines'),
  valued('--secret-file', null, 'the file is read there: write --secret NAME for each of its lines'),
  flag('--wait', '-w', 'leave it out'),
  flag('--follow', '-f', 'leave it out'),
  valued('--exit-status', null, 'leave it out'),
  flag('--quiet', '-q', 'leave it out'),
  flag('--dry-run', null, 'leave it out'),
  flag('--yes', '-y', 'leave it out'),
  valued('--host', null, 'leave it out'),
  valued('--config', null, 'leave it out'),
  valued('--token-file', null, 'leave it out'),
  valued('--ca-file', null, 'leave it out'),
  flag('--json', null, 'leave it out'),
  flag('--no-color', null, 'leave it out'),
  flag('--debug', null, 'leave it out'),
  flag('--help', '-h', 'leave it out'),
]

function flag(long: string, short: string | null, effect: SubmitLineOption['effect']): SubmitLineOption {
  return { long, short, value: 'none', of: 'both', effect }
}

function valued(
  long: string,
  short: string | null,
  effect: string | ((draft: Draft, value: string) => void),
): SubmitLineOption {
  const set =
    typeof effect === 'string' ? effect : (draft: Draft, value: string | null) => effect(draft, value ?? '')
  return { long, short, value: 'required', of: 'both', effect: set }
}

const beginning = 'a line begins with hakuriver submit or hakuriver sweep'

class LineReader {
  readonly #line: string
  readonly #words: ShellWord[]
  #next = 0
  #isSweep = false
  readonly #draft: Draft = { form: emptyForm(), span: false, zip: false }

  constructor(line: string) {
    this.#line = line
    this.#words = readShellWords(line)
  }

  form(): SubmitForm {
    this.#command()
    for (;;) {
      const word = this.#words[this.#next]
      if (word === undefined) break
      if (word.text === '--') {
        this.#next += 1
        break
      }
      // the first word that is no option begins the command
      if (!isOption(word.text)) break
      this.#next += 1
      this.#option(word)
    }
    const { form, span, zip } = this.#draft
    const isSweep = this.#isSweep || span
    if (zip && !isSweep)
      throw new AppError('invalid_request', '--zip goes with --span, or with hakuriver sweep')
    const words = this.#words.slice(this.#next).map(({ text }) => text)
    return { ...form, words, sweep: isSweep ? (zip ? 'zip' : 'product') : null }
  }

  #command(): void {
    const [program, ...rest] = this.#words
    if (program === undefined) throw new AppError('invalid_request', `the line is empty: ${beginning}`)
    if (program.text !== 'hakuriver') throw badLine(this.#line, program.at, beginning)
    const verbAt = rest[0]?.text === 'task' ? 1 : 0
    const verb = rest[verbAt]
    if (verb !== undefined && isOption(verb.text)) throw this.#uselessBefore(verb)
    if (verb?.text !== 'submit' && verb?.text !== 'sweep')
      throw badLine(this.#line, verb?.at ?? this.#line.length, beginning)
    this.#isSweep = verb.text === 'sweep'
    this.#next = verbAt + 2
  }

  /** An option of all commands may stand before the verb. */
  #uselessBefore(word: ShellWord): AppError {
    const [long = ''] = word.text.split('=')
    const option = this.#find(long)
    if (option === undefined) return badLine(this.#line, word.at, beginning)
    return this.#useless(option, word)
  }

  #find(text: string): SubmitLineOption | undefined {
    return submitLineOptions.find(
      ({ long, short, of }) => (long === text || short === text) && (of === 'both' || !this.#isSweep),
    )
  }

  /** `--name value`, `--name=value`, `-n value`, `-nvalue`, or several short ones in one word. */
  #option(word: ShellWord): void {
    const { text } = word
    const exact = this.#find(text)
    if (exact !== undefined) return this.#apply(exact, word, this.#valueAfter(exact, word))
    const equals = /^--[^=]+=/.exec(text)
    const long = equals === null ? undefined : this.#find(text.slice(0, equals[0].length - 1))
    if (equals !== null && long !== undefined && long.value !== 'none')
      return this.#apply(long, word, text.slice(equals[0].length))
    const short = text.startsWith('--') ? undefined : this.#find(text.slice(0, 2))
    if (short === undefined) throw badLine(this.#line, word.at, `there is no option ${text}`)
    if (short.value === 'required') return this.#apply(short, word, text.slice(2))
    this.#apply(short, word, null)
    this.#option({ text: `-${text.slice(2)}`, at: word.at })
  }

  #valueAfter(option: SubmitLineOption, word: ShellWord): string | null {
    if (option.value === 'none') return null
    const next = this.#words[this.#next]
    if (option.value === 'optional' && (next === undefined || isOption(next.text))) return null
    if (next === undefined) throw badLine(this.#line, word.at, `${word.text} needs a value`)
    this.#next += 1
    return next.text
  }

  #apply(option: SubmitLineOption, word: ShellWord, value: string | null): void {
    if (typeof option.effect === 'string') throw this.#useless(option, word)
    try {
      option.effect(this.#draft, value)
    } catch (error) {
      throw error instanceof AppError
        ? badLine(this.#line, word.at, `${option.long}: ${error.message}`)
        : error
    }
  }

  #useless({ long, effect }: SubmitLineOption, word: ShellWord): AppError {
    const fix = typeof effect === 'string' ? effect : 'write it behind submit'
    const why = typeof effect === 'string' ? `${long} is for the terminal` : `${long} belongs to submit`
    return badLine(this.#line, word.at, why, fix)
  }
}

/** `-` and negative numbers are none. */
function isOption(text: string): boolean {
  return text.length > 1 && text.startsWith('-') && !/^-(\d+|\d*\.\d+)([eE][+-]?\d+)?$/.test(text)
}

function wholeNumber(value: string, least: number): number {
  if (/^\d{1,15}$/.test(value) && Number(value) >= least) return Number(value)
  throw new AppError('invalid_request', `write a whole number from ${least} on`)
}

function setVariable(env: Record<string, string>, entry: string): void {
  const equals = entry.indexOf('=')
  const name = equals < 0 ? entry : entry.slice(0, equals)
  if (!isVariableName(name))
    throw new AppError(
      'invalid_request',
      `"${name}" is not the name of an environment variable: write NAME=value`,
    )
  if (equals < 0)
    throw new AppError(
      'invalid_request',
      `only a terminal has a value of ${name} to hand on: write ${name}=value`,
    )
  define(env, name, entry.slice(equals + 1))
}

/** `NAME` alone: what it is has still to be written. */
function setSecret(secrets: Record<string, string>, entry: string): void {
  const [name = ''] = entry.split('=', 1)
  if (!isVariableName(name))
    throw new AppError(
      'invalid_request',
      `"${name}" is not the name of a secret: write its name, as of a variable`,
    )
  const value = entry.slice(name.length + 1)
  if (value === '-' || value.startsWith('@'))
    throw new AppError(
      'invalid_request',
      `only a terminal can read what ${name} is from elsewhere: write ${name} alone, and its value into its field`,
    )
  define(secrets, name, value)
}

/** Also where it is called __proto__. */
function define(variables: Record<string, string>, name: string, value: string): void {
  Object.defineProperty(variables, name, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  })
}
