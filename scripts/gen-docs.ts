/** Writes the docs that are made from code; `--check` only compares. */
import { readFile, writeFile } from 'node:fs/promises'
import { describeConfiguration } from './docs/configuration.ts'
import { describeExitCodes } from './docs/exit-codes.ts'
import { describeStates } from './docs/states.ts'

const pages = {
  'docs/states.md': describeStates(),
  'docs/exit-codes.md': describeExitCodes(),
  'docs/configuration.md': describeConfiguration(),
}
const isCheck = process.argv.includes('--check')
let stale = 0

for (const [path, text] of Object.entries(pages)) {
  const written = await readFile(path, 'utf8').catch(() => '')
  if (written === text) continue
  if (!isCheck) {
    await writeFile(path, text)
    continue
  }
  stale += 1
  process.stderr.write(`${path} does not say what the code does any more: run npm run docs\n`)
}
process.exitCode = stale === 0 ? 0 : 1
