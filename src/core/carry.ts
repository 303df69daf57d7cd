/** Which commands can be carried unchanged from a submit to a process, and why another cannot. */
import { AppError } from './errors.ts'
import type { TaskSpec } from './task.ts'

/** One argument or `NAME=value`: the kernel's MAX_ARG_STRLEN less the closing NUL (execve(2)). */
export const maxArgumentBytes = 131_071
/** All arguments and the environment together; the kernel gives a quarter of an 8 MiB stack (execve(2)). */
export const maxCommandLineBytes = 1024 * 1024

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Secrets of one task: so many, of so many bytes each and all together. */
export const maxSecrets = 100
export const maxSecretBytes = 64 * 1024
export const maxSecretsBytes = 256 * 1024

/** Can an `sh` assign and export it? What every other name lacks is a way through the shell. */
export function isVariableName(name: string): boolean {
  return variableName.test(name)
}

/**
 * Variables that some `sh` makes read-only, recomputes or refuses values for: found by trying dash, bash and
 * busybox ash.
 */
const shellVariables = new Set(
  (
    '_ BASHOPTS BASHPID BASH_ARGC BASH_ARGV BASH_COMMAND BASH_LINENO BASH_SOURCE BASH_SUBSHELL BASH_VERSINFO ' +
    'DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD LINENO OPTIND PIPESTATUS PPID RANDOM ' +
    'SECONDS SHELLOPTS SHLVL SRANDOM UID'
  ).split(' '),
)

/** The variables that the runner sets itself. */
const reservedPrefix = 'HAKURIVER_'

/**
 * Refuses what cannot arrive unchanged at the task's process.
 * @param secrets Variables that only the task sees; what they are is in no refusal
 * @throws AppError `invalid_request` that names the place and what to do instead
 */
export function checkCarriable(spec: TaskSpec, secrets: Readonly<Record<string, string>> = {}): void {
  if (spec.command === '') throw refuse('the command is empty: write the program to run')
  let total = checkText('the command', spec.command)
  spec.arguments.forEach((argument, index) => {
    total += checkText(`argument ${index + 1}`, argument)
  })
  for (const [name, value] of Object.entries(spec.env))
    total += checkVariable('environment variable', name, value)
  total += checkSecrets(spec.env, secrets)
  if (total > maxCommandLineBytes) {
    throw refuse(
      `the command, its arguments and its environment take ${total} bytes together, more than the ${maxCommandLineBytes} that a program can be given: put the data into a file`,
    )
  }
  if (spec.cwd !== null) {
    checkText('the working directory', spec.cwd)
    if (!spec.cwd.startsWith('/')) {
      throw refuse(`the working directory "${spec.cwd}" is not absolute: write it from / on`)
    }
  }
}

/** Bytes of all of them as variables. */
function checkSecrets(env: Record<string, string>, secrets: Readonly<Record<string, string>>): number {
  const entries = Object.entries(secrets)
  if (entries.length > maxSecrets)
    throw refuse(
      `it has ${entries.length} secrets, more than ${maxSecrets}: put them into one, as a document`,
    )
  let [total, bytesOfAll] = [0, 0]
  for (const [name, value] of entries) {
    if (Object.hasOwn(env, name))
      throw refuse(`${name} is both an environment variable and a secret: give it once`)
    total += checkVariable('secret', name, value)
    const bytes = utf8Length(value)
    bytesOfAll += bytes
    if (bytes > maxSecretBytes)
      throw refuse(`the secret ${name} takes ${bytes} bytes, more than ${maxSecretBytes}: put it into a file`)
  }
  if (bytesOfAll > maxSecretsBytes)
    throw refuse(
      `its secrets take ${bytesOfAll} bytes together, more than ${maxSecretsBytes}: put them into a file`,
    )
  return total
}

function checkVariable(what: 'environment variable' | 'secret', name: string, value: string): number {
  if (!isVariableName(name)) {
    throw refuse(
      `the ${what} name ${JSON.stringify(name)} cannot be set by a shell: use letters, digits and _, not beginning with a digit`,
    )
  }
  if (shellVariables.has(name))
    throw refuse(`the ${what} ${name} belongs to the shell that starts the task: use another name`)
  if (name.startsWith(reservedPrefix)) {
    throw refuse(
      `the ${what} ${name} is set by the runner itself: use a name that does not begin with ${reservedPrefix}`,
    )
  }
  return checkText(`the ${what} ${name}`, `${name}=${value}`)
}

/** Bytes of the text with its closing NUL. */
function checkText(what: string, text: string): number {
  if (text.includes('\0')) throw refuse(`${what} holds a NUL byte, which no program can be given`)
  if (!text.isWellFormed()) throw refuse(`${what} holds half of a surrogate pair, which is no text`)
  const bytes = utf8Length(text)
  if (bytes > maxArgumentBytes) {
    throw refuse(
      `${what} takes ${bytes} bytes, more than the ${maxArgumentBytes} that the kernel allows: put the data into a file`,
    )
  }
  return bytes + 1
}

/** Bytes of a well-formed text in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    // a surrogate pair is two units and four bytes: two for each half
    bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2
  }
  return bytes
}

function refuse(why: string): AppError {
  return new AppError('invalid_request', `cannot take this task: ${why}`)
}
