/** The host's and the runner's programs, which lie beside this one: found by path, never imported. */
import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

export type ProgramName = 'host' | 'runner'

/** This program's own file, links followed. */
export function ownFile(): string {
  return realpathSync(process.argv[1] ?? '')
}

/** The file of a sibling program: `host.cjs` beside a bundle, `../host/main.ts` from source. */
export function programFile(name: ProgramName, own: string): string {
  return own.endsWith('.ts') ? join(dirname(own), '..', name, 'main.ts') : join(dirname(own), `${name}.cjs`)
}

/** Becomes that program: it sees its own file and words in `process.argv`, and gets signals as its own. */
export async function runProgram(name: ProgramName, words: string[]): Promise<void> {
  const file = programFile(name, ownFile())
  process.argv = [process.argv[0] ?? 'node', file, ...words]
  await import(pathToFileURL(file).href)
}
