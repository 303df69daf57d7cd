/**
 * `npm run test:mutants`: puts each fault of the corpus into a copy of our programs, and looks whether what is to catch
 * it does. Prints a table; one that nothing noticed is a failure.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { renderTable } from '../../src/platform/table.ts'
import { corpus, type Mutant } from './corpus.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Nothing may take longer to notice a fault. */
const budgetMs = 300_000

interface Caught {
  mutant: Mutant
  /** What noticed it, in its own words; null: nothing did. */
  by: string | null
  seconds: number
}

function main(names: string[]): void {
  const wanted = corpus.filter(({ name }) => names.length === 0 || names.includes(name))
  const results = wanted.map((mutant) => {
    const result = hunt(mutant)
    process.stderr.write(`${mutant.name} ${result.by ?? 'WAS NOT CAUGHT'}\n`)
    return result
  })
  const columns = [
    { title: 'MUTANT' },
    { title: 'WHAT IS WRONG' },
    { title: 'CAUGHT BY' },
    { title: 'SECONDS' },
  ]
  const rows = results.map(({ mutant, by, seconds }) =>
    [mutant.name, mutant.what, by ?? 'NOTHING', seconds.toFixed(1)].map((text) => ({ text })),
  )
  process.stdout.write(
    `${renderTable(columns, rows, { width: null, paintTitle: (text) => text }).join('\n')}\n`,
  )
  const missed = results.filter(({ by }) => by === null)
  process.stdout.write(`${results.length - missed.length} of ${results.length} were caught.\n`)
  process.exitCode = missed.length === 0 ? 0 : 1
}

/** Runs the catcher on a copy with the mutant in it. */
function hunt(mutant: Mutant): Caught {
  const copy = mkdtempSync(join(tmpdir(), 'hakuriver-mutant-'))
  try {
    for (const name of [
      'src',
      'test',
      'package.json',
      'vitest.config.ts',
      'tsconfig.base.json',
      'tsconfig.tests.json',
    ])
      cpSync(join(root, name), join(copy, name), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    for (const name of ['dist', 'bin', 'docs', 'scripts', 'tools'])
      symlinkSync(join(root, name), join(copy, name))
    mkdirSync(join(copy, '.cache'))
    plant(mutant, join(copy, mutant.file))
    const begin = performance.now()
    const by =
      mutant.catcher.by === 'simulation' ? simulate(mutant.catcher.lives, copy) : test(mutant.catcher, copy)
    return { mutant, by, seconds: (performance.now() - begin) / 1000 }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

/** @throws Error where the text has moved on: the mutant has to follow it */
function plant({ name, find, put }: Mutant, path: string): void {
  const parts = readFileSync(path, 'utf8').split(find)
  if (parts.length !== 2) throw new Error(`mutant ${name}: ${path} holds its text ${parts.length - 1} times`)
  writeFileSync(path, parts.join(put))
}

function simulate(lives: number, cwd: string): string | null {
  const { status, stdout, stderr } = run(
    ['test/sim/main.ts', '--lives', String(lives), '--seed', '1', '--quick'],
    cwd,
  )
  if (status === 0) return null
  const found = /^(?:I\d+|crash|trace): .*/m.exec(stdout)?.[0]
  if (found === undefined) throw new Error(`the simulation did not run: ${stdout}${stderr}`)
  return `simulation, ${found.slice(0, 110)}`
}

function test({ by, files }: { by: 'unit' | 'system'; files: string[] }, cwd: string): string | null {
  const { status, stdout, stderr } = run(
    ['node_modules/vitest/vitest.mjs', 'run', '--project', by, '--bail=1', '--retry=0', ...files],
    cwd,
  )
  if (status === 0) return null
  // biome-ignore lint/suspicious/noControlCharactersInRegex: vitest paints
  const found = /FAIL\s+(.* > .*)/.exec(stdout.concat(stderr).replace(/\u001b\[[\d;]*m/g, ''))?.[1]
  if (found === undefined) throw new Error(`the tests did not run: ${stdout}${stderr}`)
  return found.replace(/\s+/g, ' ').slice(0, 120)
}

function run(argv: string[], cwd: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, argv, {
    cwd,
    encoding: 'utf8',
    timeout: budgetMs,
    killSignal: 'SIGKILL',
  })
}

main(process.argv.slice(2))
