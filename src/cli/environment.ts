/** The environment that a task is given by `--env` and `--env-file`. */
import { readFileSync } from 'node:fs'
import { isVariableName } from '../core/carry.ts'
import { AppError } from '../core/errors.ts'

export type Environment = Record<string, string>

/**
 * Puts the variables together: files first, then single ones, the later wins. `NAME` alone takes the value
 * from `own`, the environment of this command.
 * @throws AppError `invalid_request`
 */
export function taskEnvironment(
  files: string[],
  entries: string[],
  own: Readonly<Record<string, string | undefined>>,
): Environment {
  const lines = files.flatMap((path) => linesOf(readFile(path)).map((text) => ({ text, from: path })))
  const flags = entries.map((text) => ({ text, from: '--env' }))
  return Object.fromEntries([...lines, ...flags].map(({ text, from }) => readEntry(text, from, own)))
}

/** `NAME=value` a line, taken literally (no quotes, no expansion); empty lines and `#` lines are skipped. */
export function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'))
}

function readEntry(
  text: string,
  from: string,
  own: Readonly<Record<string, string | undefined>>,
): [string, string] {
  const equals = text.indexOf('=')
  const name = equals < 0 ? text : text.slice(0, equals)
  if (!isVariableName(name)) {
    throw new AppError('invalid_request', `"${name}" (${from}) is not the name of an environment variable`, {
      details: { fix: 'Write NAME=value, or NAME alone to hand on your own value of it.' },
    })
  }
  if (equals >= 0) return [name, text.slice(equals + 1)]
  const value = own[name]
  if (value === undefined) {
    throw new AppError('invalid_request', `${name} (${from}) is not set here`, {
      details: { fix: `Write ${name}=value, or export it first.` },
    })
  }
  return [name, value]
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed'
    throw new AppError('invalid_request', `cannot read the environment file ${path} (${code})`)
  }
}
