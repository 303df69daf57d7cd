/**
 * `hakuriver __complete -- WORD…`: answers the completion scripts of the shells, also with what the cluster has now.
 * It is asked at every Tab: it is quick or leaves it, and never prints an error.
 */
import { shapeOfCommand } from '../platform/command-shape.ts'
import { matching, renderAnswer, whatFits } from '../platform/completion.ts'
import type { Io } from '../platform/io.ts'
import { inTime } from '../platform/wait.ts'
import { listCandidates } from './completion-lists.ts'
import { createProgram } from './program.ts'

/** Longer than this, and people think that the shell hangs. */
const deadlineMs = 1_000

/**
 * Prints what fits at the end of a command line. `words` follow `__complete`: `--`, then what stands behind the
 * program's name, the last of it still being typed. `command`: the program's name stands for this command.
 */
export async function complete(words: readonly string[], command: string | null, io: Io): Promise<void> {
  const typed = words[0] === '--' ? words.slice(1) : words
  const answer = await answerTo(typed, command, io).catch(() => '')
  await io.stdout.write(answer).catch(() => {})
}

async function answerTo(words: readonly string[], name: string | null, io: Io): Promise<string> {
  const firstWord = name ?? (words.length > 1 ? words[0] : undefined)
  const program = createProgram({ io, firstWord, onExit: () => {}, onHelp: () => {} })
  const command = name === null ? program : program.commands.find((each) => each.name() === name)
  if (command === undefined) return ''
  const question = whatFits(shapeOfCommand(command), words)
  const listed = await inTime(listCandidates(question, io), deadlineMs, [])
  return renderAnswer(question, [...matching(question.words, question.typed), ...listed])
}
