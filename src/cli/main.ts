/** `hakuriver`: hands `host` and `runner` over to their own programs, and runs everything else as one command. */
import { processIo } from './io.ts'
import { runProgram } from './sibling.ts'

async function main([word, ...rest]: string[]): Promise<void> {
  if (word === 'host' || word === 'runner') return runProgram(word, rest)
  const { runCli } = await import('./run.ts')
  const code = await runCli(word === undefined ? [] : [word, ...rest], processIo(process))
  // Everything is written: no idle connection or timer may keep the process.
  process.exit(code)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`hakuriver: ${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
})
