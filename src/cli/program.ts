/** The commands, their options and their help. What each one does lies in commands/, loaded when it is called. */
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { AppError } from '../core/errors.ts'
import { type Status, statuses } from '../core/task.ts'
import { parseDuration, parseSize } from '../core/units.ts'
import type { KillOptions } from './commands/kill.ts'
import type { LogsOptions } from './commands/logs.ts'
import type { PsOptions } from './commands/ps.ts'
import type { SubmitOptions } from './commands/submit.ts'
import type { UpOptions } from './commands/up.ts'
import type { WaitCommandOptions } from './commands/wait.ts'
import { type CommonOptions, type Context, createContext } from './context.ts'
import type { Io } from './io.ts'

export interface ProgramOptions {
  io: Io
  /** Takes the exit code of the command that ran. */
  onExit: (code: number) => void
  /** Takes what commander says on standard output (help) and standard error. */
  write: (text: string, to: 'stdout' | 'stderr') => void
}

type Make = (name: string) => Command

/** Makes the tree of commands; parsing it runs one. */
export function createProgram({ io, onExit, write }: ProgramOptions): Command {
  const program = new Command('hakuriver')
  const output = {
    writeOut: (text: string) => write(text, 'stdout'),
    writeErr: (text: string) => write(text, 'stderr'),
    outputError: () => {},
    getOutHelpWidth: () => (io.stdout.isTty ? Math.min(io.stdout.size().columns, 110) : 100),
  }
  program.exitOverride().configureOutput(output).enablePositionalOptions().helpCommand(false)
  const act =
    (run: (context: Context, ...rest: never[]) => Promise<number>) =>
    async (...given: unknown[]) => {
      const command = given.pop()
      if (!(command instanceof Command)) throw new Error('commander passes the command last')
      const context = createContext(command.optsWithGlobals<CommonOptions>(), io)
      onExit(await run(context, ...(given as never[])))
    }
  const common = (command: Command) =>
    command
      .option('--host <url>', 'the host to talk to (else HAKURIVER_HOST_URL)')
      .option('--token-file <path>', 'file with the token (else HAKURIVER_TOKEN)')
      .option('--json', 'print JSON')
      .option('--no-color', 'print without colours (as NO_COLOR does)')
      .option('--debug', 'more about a failure')

  common(program)
    .description('Run commands on your machines, with real limits, and see what became of them.')
    .version(`hakuriver ${version}`, '-V, --version', 'print the version')
    .addHelpText('before', examples(
      'hakuriver up                                  start a cluster on this machine',
      'hakuriver submit -- echo hello                run a command somewhere',
      'hakuriver submit -t node1:0 --cores 4 --memory 8G -- python train.py --lr 0.1',
      'hakuriver logs -f last                        see its output as it comes',
      'hakuriver ps --watch                          see everything live',
    )) // biome-ignore format: columns
  addTasks(program, common, act)
  addCluster(program, common, act)
  return program
}
