/** One call of the command line: reads the words, runs the command, tells a failure, and gives the exit code. */
import { CommanderError } from 'commander'
import { exitCodes } from '../core/errors.ts'
import { BrokenPipeError, type Io } from '../platform/io.ts'
import { shownOn } from './context.ts'
import { tellError } from './output/error.ts'
import { createProgram } from './program.ts'

/** As a shell has it for a writer whose reader went away: 128 + SIGPIPE. */
const brokenPipeCode = 141

/** Runs one command and resolves with the exit code when everything is written. Never rejects. */
export async function runCli(words: string[], io: Io): Promise<number> {
  try {
    return await parseAndRun(words, io)
  } catch (error) {
    if (error instanceof BrokenPipeError) return brokenPipeCode
    const told =
      error instanceof CommanderError ? tellUsage(error, words) : tellError(error, words.includes('--debug'))
    await io.stderr.write(`${shownOn(io.stderr, told.lines.join('\n'))}\n`).catch(() => {})
    return told.exitCode
  }
}

async function parseAndRun(words: string[], io: Io): Promise<number> {
  let exitCode: number = exitCodes.ok
  let help = ''
  const program = createProgram({
    io,
    firstWord: words[0],
    onExit: (code) => {
      exitCode = code
    },
    onHelp: (text) => {
      help += text
    },
  })
  try {
    await program.parseAsync(words.length === 0 ? ['--help'] : words, { from: 'user' })
  } catch (error) {
    // Help and version are thrown with 0, after they were written.
    if (!(error instanceof CommanderError) || error.exitCode !== 0) throw error
  }
  if (help !== '') await io.stdout.write(help)
  return exitCode
}

function tellUsage(error: CommanderError, words: string[]): { lines: string[]; exitCode: number } {
  if (error.code === 'commander.help')
    return {
      lines: ['hakuriver: a command is missing', helpHint(words, false)],
      exitCode: exitCodes.usage,
    }
  const [cause = '', ...more] = error.message.replace(/^error: /, '').split('\n')
  const guess = /^\(Did you mean (.+)\?\)$/.exec(more.at(-1) ?? '')
  const rest = guess === null ? more : more.slice(0, -1)
  const fix = guess === null ? [] : [`  Did you mean ${guess[1]}?`]
  return {
    lines: [
      `hakuriver: ${cause.trimEnd()}`,
      ...rest,
      ...fix,
      helpHint(words, error.code === 'commander.unknownCommand'),
    ],
    exitCode: exitCodes.usage,
  }
}

function helpHint(words: string[], isUnknown: boolean): string {
  if (words[0] === 'client') return '  See hakuriver.client --help'
  const command = words.slice(0, 2).filter((word) => /^[a-z]+$/.test(word))
  const isNoun = ['task', 'batch', 'node', 'token', 'user'].includes(command[0] ?? '')
  // Of an unknown command there is no help: that of the level above names those that are.
  const known = command.slice(0, (isNoun ? 2 : 1) - (isUnknown ? 1 : 0))
  return `  See ${['hakuriver', ...known, '--help'].join(' ')}`
}
