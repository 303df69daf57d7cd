/** Writes the docs that are made from code; `--check` only compares. */
import { readFile, writeFile } from 'node:fs/promises'
import { describeAccess } from './docs/access.ts'
import { commandPages } from './docs/command-pages.ts'
import { describeCommands } from './docs/commands.ts'
import { describeConfiguration } from './docs/configuration.ts'
import { describeExitCodes } from './docs/exit-codes.ts'
import { describeFaults } from './docs/faults.ts'
import { describeLimits } from './docs/limits.ts'
import { manPages } from './docs/man.ts'
import { describeStates } from './docs/states.ts'
import { describeThreats } from './docs/threats.ts'

const commands = commandPages()

/** The package has to name each manual page; the build writes them. */
async function packageWithMan(): Promise<string> {
  const description: object = JSON.parse(await readFile('package.json', 'utf8'))
  const man = [...manPages(commands, '', '').keys()].map((name) => `dist/man/${name}`)
  return `${JSON.stringify({ ...description, man }, null, 2)}\n`
}

const pages = {
  'docs/access.md': describeAccess(),
  'docs/states.md': describeStates(),
  'docs/exit-codes.md': describeExitCodes(),
  'docs/faults.md': describeFaults(),
  'docs/threats.md': describeThreats(),
  'docs/configuration.md': describeConfiguration(),
  'docs/limits.md': describeLimits(),
  'docs/commands.md': describeCommands(commands),
  'package.json': await packageWithMan(),
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
