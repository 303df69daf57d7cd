/** `hakuriver`: hands `host` and `runner` over to their own programs, and runs everything else as one command. */
import { basename } from 'node:path'
import { AppError } from '../core/errors.ts'
import { processIo } from '../platform/io.ts'
import { runProgram } from './sibling.ts'

async function main([word, ...rest]: string[]): Promise<void> {
  if (word === 'host' || word === 'runner') return runProgram(word, rest)
  if (word === 'restore' && rest.length > 0 && !rest.some((each) => each === '--help' || each === '-h'))
    return restore(rest)
  if (word === completionWord) return answerTab(rest, null)
  if (rest[0] === completionWord && word !== undefined) return answerTab(rest.slice(1), word)
  const { runCli } = await import('./run.ts')
  const code = await runCli(word === undefined ? [] : [word, ...rest], processIo(process))
  // Everything is written: no idle connection or timer may keep the process.
  process.exit(code)
}

async function restore(words: string[]): Promise<void> {
  const { restoreWords } = await import('./restore-installed.ts')
  await runProgram('host', await restoreWords(words))
}

/** The first word with which the completion scripts ask what fits. */
const completionWord = '__complete'

/** The words of another program are its own to complete. */
async function answerTab(words: string[], command: string | null): Promise<void> {
  const [, word] = words
  if ((word === 'host' || word === 'runner') && words.length > 2)
    return runProgram(word, [completionWord, '--', ...words.slice(2)])
  const { complete } = await import('./completion.ts')
  await complete(words, command, processIo(process))
  process.exit(0)
}

function tell(error: unknown): string {
  return error instanceof AppError ? `${error.message}\n  ${error.details?.fix ?? ''}` : String(error)
}

/** Installed under a name of the original, `hakuriver.client …` is `hakuriver client …`. */
function wordsOf([, program = '', ...words]: string[]): string[] {
  const [, command] = /^hakuriver\.(client|init)$/.exec(basename(program)) ?? []
  return command === undefined ? words : [command, ...words]
}

main(wordsOf(process.argv)).catch((error: unknown) => {
  const isExpected = error instanceof AppError || !(error instanceof Error)
  process.stderr.write(`hakuriver: ${isExpected ? tell(error) : error.stack}\n`)
  process.exit(1)
})
