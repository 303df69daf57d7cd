/** `hakurun`: runs a command on this machine with every combination of the values that its spans stand for. */
import { constants } from 'node:os'
import { CommanderError } from 'commander'
import { AppError, errorTable, exitCodes } from '../core/errors.ts'
import { BrokenPipeError, processIo } from '../platform/io.ts'
import { killAll } from './child.ts'
import { createCommand, settleParallel } from './options.ts'
import { hakurun } from './run.ts'

const io = processIo(process)

async function main(words: string[]): Promise<number> {
  let exitCode: number = exitCodes.ok
  let help = ''
  const command = createCommand(async (target, options) => {
    exitCode = await hakurun(target, options, io)
  })
  command.exitOverride().configureOutput({
    writeOut: (text) => {
      help += text
    },
    writeErr: () => {},
    outputError: () => {},
    getOutHelpWidth: () => (io.stdout.isTty ? Math.min(io.stdout.size().columns, 110) : 100),
  })
  if (words[0] === '__complete') {
    const { completeByShape } = await import('../platform/completion.ts')
    const { shapeOfCommand } = await import('../platform/command-shape.ts')
    await io.stdout.write(completeByShape(shapeOfCommand(command), words.slice(1)))
    return exitCode
  }
  try {
    const given = words.length === 0 ? ['--help'] : settleParallel(words, command)
    await command.parseAsync(given, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError) || error.exitCode !== 0) throw error
  }
  if (help !== '') await io.stdout.write(help)
  return exitCode
}

async function tell(error: unknown): Promise<number> {
  if (error instanceof BrokenPipeError) return 128 + constants.signals.SIGPIPE
  if (error instanceof CommanderError) {
    await io.stderr.write(`hakurun: ${error.message.replace(/^error: /, '')}\n  See hakurun --help\n`)
    return exitCodes.usage
  }
  if (!(error instanceof AppError)) throw error
  const fix = typeof error.details?.fix === 'string' ? `  ${error.details.fix}\n` : ''
  await io.stderr.write(`hakurun: ${error.message}\n${fix}`)
  return errorTable[error.code].exit
}

main(process.argv.slice(2))
  .catch(tell)
  .then((code) => process.exit(code))
  .catch((error: unknown) => {
    killAll()
    process.stderr.write(`hakurun: ${error instanceof Error ? error.stack : String(error)}\n`)
    process.exit(exitCodes.failed)
  })
