/** The host's and the runner's programs, which lie beside this one: found by path, never imported. */
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { AppError } from '../core/errors.ts'

export type ProgramName = 'host' | 'runner' | 'launcher'

/** This program's own file, links followed. */
export function ownFile(): string {
  return realpathSync(process.argv[1] ?? '')
}

/**
 * The file of a sibling program: `host.cjs` beside a bundle, `../host/main.ts` from source.
 * @throws AppError where it is not there
 */
export function programFile(name: ProgramName, own: string): string {
  const source = name === 'launcher' ? 'runner/launcher' : name
  const file = own.endsWith('.ts')
    ? join(dirname(own), '..', source, 'main.ts')
    : join(dirname(own), `${name}.cjs`)
  if (existsSync(file)) return file
  throw new AppError('conflict', `cannot find the ${name}'s program at ${file}`, {
    details: { fix: 'This installation is not complete: install hakuriver again, or build it.' },
  })
}

/** Becomes that program: it sees its own file and words in `process.argv`, and gets signals as its own. */
export async function runProgram(name: ProgramName, words: string[]): Promise<void> {
  const file = programFile(name, ownFile())
  process.argv = [process.argv[0] ?? 'node', file, ...words]
  await import(pathToFileURL(file).href)
}
