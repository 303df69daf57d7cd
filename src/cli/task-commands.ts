/** The commands about tasks and batches: their arguments, options and help. */
import { type Command, Option } from 'commander'
import { duration, repeated, size, text, whole } from '../platform/option-types.ts'
import type { EventsOptions } from './commands/events.ts'
import type { GrepOptions } from './commands/grep.ts'
import type { KillOptions } from './commands/kill.ts'
import type { LogsOptions } from './commands/logs.ts'
import type { DrainOptions } from './commands/operate.ts'
import type { PsOptions } from './commands/ps.ts'
import type { RerunOptions } from './commands/rerun.ts'
import type { SweepOptions } from './commands/sweep.ts'
import type { WaitCommandOptions } from './commands/wait.ts'
import type { CommandGroup, Parts } from './declare.ts'
import { statusList } from './status-option.ts'

/** The verbs, and the same again below the nouns `task` and `batch`. */
export const taskCommands: CommandGroup = {
  heading: 'Tasks:',
  commands: {
    submit: declareSubmit,
    sweep: declareSweep,
    ps: (program, parts) => declarePs(program, 'ps', parts),
    show: declareShow,
    logs: declareLogs,
    wait: declareWait,
    kill: declareKill,
    rerun: declareRerun,
    events: declareEvents,
    task: declareTask,
    batch: declareBatch,
  },
}

const eventsExamples = `Examples:
  hakuriver events last                what became of the newest task, step by step
  hakuriver events --node n2           when n2 joined, rebooted, was silent or drained
  hakuriver events --follow            all that happens, as it happens
`

function declareEvents(program: Command, { declare, act }: Parts): void {
  declare(program, 'events [task...]', 'what happened to tasks, a node or the whole cluster', (command) =>
    command
      .addHelpText('before', eventsExamples)
      .addOption(text('--node <name>', 'the history of a node'))
      .option('-f, --follow', 'go on with what happens from now', false)
      .action(
        act(async (context, words: string[], options: EventsOptions) => {
          const { events } = await import('./commands/events.ts')
          return events(words, options, context)
        }),
      ),
  )
}

function declareTask(program: Command, parts: Parts): void {
  const task = program
    .command('task')
    .description('the same under a noun: task submit, list, show, logs, wait, kill, rerun; also task forget')
    .helpCommand(false)
  declareSubmit(task, parts)
  declareSweep(task, parts)
  declarePs(task, 'list', parts)
  declareShow(task, parts)
  declareLogs(task, parts)
  declareWait(task, parts)
  declareKill(task, parts)
  declareRerun(task, parts)
  parts.declare(task, 'forget <task...>', 'give up tasks of silent nodes: they are lost', (command) =>
    command.addOption(text('--reason <words>', 'why, for those who look at them later')).action(
      parts.act(async (context, ids: string[], options: DrainOptions) => {
        const { forget } = await import('./commands/operate.ts')
        return forget(ids, options, context)
      }),
    ),
  )
}

const exitStatus = () =>
  new Option(
    '--exit-status <which>',
    "own: exit with the task's own code; never: 0 whenever the waiting went well",
  )
    .choices(['own', 'never'])
    .default('own')

function declareSubmit(parent: Command, { declare, act }: Parts): void {
  declare(
    parent,
    'submit [command...]',
    'run a command on one or more targets; prints the ids of the tasks',
    (command) =>
      submitOptions(command.addHelpText('before', submitExamples))
        .option(
          '--span',
          'read the spans in it: a task for each combination, as `hakuriver sweep` makes them',
          false,
        )
        .option('--zip', 'with --span: pair the spans instead of each with each', false)
        .option('--dry-run', 'say what would start where, and what would wait and why; submit nothing', false)
        .option('-y, --yes', 'with --span: do not ask, however many tasks it makes', false)
        .action(
          act(async (context, words: string[], options: SweepOptions & { span: boolean }) => {
            if (options.span || options.zip || options.yes) {
              const { submitSpans } = await import('./commands/sweep.ts')
              return submitSpans(words, options, context)
            }
            const { submit } = await import('./commands/submit.ts')
            return submit(words, options, context)
          }),
        ),
  )
}

function declareSweep(parent: Command, { declare, act }: Parts): void {
  declare(
    parent,
    'sweep [command...]',
    'submit a command with every combination of its spans: one batch',
    (command) =>
      submitOptions(command.addHelpText('before', sweepExamples))
        .option('--zip', 'pair the spans: first with first, second with second', false)
        .option(
          '--dry-run',
          'print the first commands, how many there are, and how many would start now; submit nothing',
          false,
        )
        .option('-y, --yes', 'do not ask, however many tasks it makes', false)
        .action(
          act(async (context, words: string[], options: SweepOptions) => {
            const { sweep } = await import('./commands/sweep.ts')
            return sweep(words, options, context)
          }),
        ),
  )
}

/** What a submit and a sweep may say of their tasks. */
function submitOptions(command: Command): Command {
  return command
    .usage('[options] -- command [argument...]')
    .passThroughOptions()
    .addOption(
      repeated(
        '-t, --target <target>',
        'any, a node (node1), or one of its NUMA nodes (node1:0); may be repeated',
      ),
    )
    .addOption(whole('-c, --cores <number>', 'CPUs that it may use', 1, 1))
    .addOption(size('-m, --memory <size>', 'memory that it may use, like 512M or 8G (powers of 1024)'))
    .addOption(duration('--timeout <time>', 'end it after so long, like 90s or 1h30m'))
    .addOption(
      repeated('-e, --env <name=value>', 'a variable for the task; NAME alone hands on your own value'),
    )
    .addOption(repeated('--env-file <path>', 'a file of NAME=value lines, taken literally'))
    .addOption(
      repeated(
        '--secret <name>',
        'a variable that only the task sees: NAME=@FILE, NAME=- (standard input), or NAME for your own value',
      ),
    )
    .addOption(repeated('--secret-file <path>', 'a file of NAME=value lines that only the task sees'))
    .addOption(text('--cwd <directory>', 'directory on the node to run in'))
    .addOption(text('-n, --name <name>', 'a name for people'))
    .option('--private-network', 'no network but its own loopback', false)
    .option('--private-pid', 'see no processes but its own', false)
    .addOption(
      whole(
        '--requeue [times]',
        'when its node is lost, start it again elsewhere, at most so often (3); a node that does not hear the host for 5 minutes ends it first',
        0,
        null,
      ).preset('3'),
    )
    .option('--all-or-nothing', 'where one target is refused, submit to none', false)
    .option('--no-queue', 'be refused rather than wait for a busy target')
    .option('-w, --wait', 'wait until it has ended, and exit with its code', false)
    .option(
      '-f, --follow',
      'show its output as it comes, of several each line behind its task, and exit with its code',
      false,
    )
    .addOption(exitStatus())
    .option('-q, --quiet', 'print the ids and nothing else', false)
}

const sweepExamples = `Examples:
  hakuriver sweep -- python train.py --lr 'span:[0.1,0.01]' --seed 'span:{1..5}'     10 tasks
  hakuriver sweep --zip -- ./job.sh 'span:{1..3}' 'span:[a,b,c]'                      3 tasks, paired
  hakuriver sweep --dry-run -- ./job.sh 'span:@inputs.txt'                            a task a line

Spans: {1..10}, {0..1..0.25}, {A..Z}, [a,b], @file, each after span: and in quotes, in any part of an argument.
`

const submitExamples = `Examples:
  hakuriver submit -- echo hello
  hakuriver submit --cores 4 --memory 8G -- python train.py --lr 0.1
  hakuriver submit -t node1 -t node2:0 -- ./shard.sh       the same on two targets
  hakuriver submit --dry-run --cores 64 -- ./big.sh        where it would start, or why it would wait
  id=$(hakuriver submit -- make) && hakuriver wait "$id"   in a script

All after -- is the command and its arguments, exactly as they are; no shell
reads them on the node.
`

function declarePs(parent: Command, name: string, { declare, act }: Parts): void {
  declare(parent, name, 'list tasks: all that have not ended, and the latest ends', (command) =>
    command
      .option('-a, --all', 'all tasks there are', false)
      .addOption(statusList('-s, --status <status>', 'only these, like failed,lost'))
      .addOption(text('--node <node>', 'only on this node'))
      .addOption(text('-b, --batch <batch>', 'only of this batch, or of the `last`'))
      .addOption(
        text('--search <text>', 'only those with this in their name, command line or id, in any case'),
      )
      .addOption(text('--user <user>', 'only those of this user').conflicts('mine'))
      .option('--mine', 'only your own', false)
      .addOption(whole('-n, --lines <number>', 'the newest so many', 1, null))
      .option('-w, --watch', 'keep the list live until q', false)
      .option('-q, --quiet', 'print ids only', false)
      .action(
        act(async (context, options: PsOptions) => {
          const { ps } = await import('./commands/ps.ts')
          return ps(options, context)
        }),
      ),
  )
}

function declareShow(parent: Command, { declare, act }: Parts): void {
  declare(
    parent,
    'show <task>',
    'everything about one task: why it waits, how it ended, what it used',
    (command) =>
      command.action(
        act(async (context, id: string) => {
          const { show } = await import('./commands/show.ts')
          return show(id, context)
        }),
      ),
  )
}

function declareLogs(parent: Command, { declare, act }: Parts): void {
  declare(
    parent,
    'logs <task>',
    'print what a task has written: its stdout to stdout, its stderr to stderr',
    (command) =>
      logOptions(command)
        .addHelpText('before', logsExamples)
        .addOption(whole('-n, --lines <number>', 'the last so many lines', 0, null))
        .addOption(whole('--offset <bytes>', 'from this byte on', 0, null))
        .addOption(
          text('--grep <text>', 'only the lines that have this text, in any case; 1 where there is none'),
        )
        .option('--match-case', 'with --grep: only in this case', false)
        .option('--line-numbers', 'with --grep: each line behind its number', false)
        .action(
          act(async (context, id: string, options: LogsCommandOptions) => {
            const { grep: sought } = options
            if (sought !== null) {
              const { grep } = await import('./commands/grep.ts')
              return grep(id, { ...chosenStreams(options), grep: sought }, context)
            }
            if (id.startsWith('batch:')) {
              const { batchLogs } = await import('./commands/batch-logs.ts')
              return batchLogs(id.slice('batch:'.length), chosenStreams(options), context)
            }
            const { logs } = await import('./commands/logs.ts')
            return logs(id, chosenStreams(options), context)
          }),
        ),
  )
}

type LogsCommandOptions = LogsOptions & Omit<GrepOptions, 'grep'> & { grep: string | null; both: boolean }

function logOptions(command: Command): Command {
  return command
    .option('-f, --follow', 'go on as it writes, until it has ended; may begin before it does', false)
    .option('--stdout', 'standard output only', false)
    .option('--stderr', 'standard error only', false)
    .option('--both', 'both (the default)', false)
}

function chosenStreams<T extends { stdout: boolean; stderr: boolean; both: boolean }>(options: T): T {
  const { both } = options
  return { ...options, stdout: both || options.stdout, stderr: both || options.stderr }
}

const logsExamples = `Examples:
  hakuriver logs -f last                the newest task, live
  hakuriver logs -n 20 123              the last 20 lines
  hakuriver logs 123 > out.txt          byte for byte
  hakuriver logs --grep error 123       the lines with "error", looked for on the host
  hakuriver logs -f batch:last          all tasks of the newest submit, each line behind its task
`

function declareWait(parent: Command, { declare, act }: Parts): void {
  declare(
    parent,
    'wait [task...]',
    "wait until tasks have ended; of one task the exit code is the task's own",
    (command) =>
      command
        .addOption(repeated('-b, --batch <batch>', 'all tasks of a batch'))
        .addOption(duration('--timeout <time>', 'give up after so long (exit code 6)'))
        .addOption(exitStatus())
        .option('-q, --quiet', 'print nothing', false)
        .action(
          act(async (context, ids: string[], options: WaitCommandOptions) => {
            const { wait } = await import('./commands/wait.ts')
            return wait(ids, options, context)
          }),
        ),
  )
}

function declareKill(parent: Command, { declare, act }: Parts): void {
  declare(parent, 'kill [task...]', 'end tasks', (command) =>
    command
      .addOption(repeated('-b, --batch <batch>', 'all tasks of a batch that have not ended'))
      .addOption(text('--reason <text>', 'why, for those who read it later'))
      .option('-w, --wait', 'wait until nothing of them is left', false)
      .option('-q, --quiet', 'print nothing but errors', false)
      .action(
        act(async (context, ids: string[], options: KillOptions) => {
          const { kill } = await import('./commands/kill.ts')
          return kill(ids, options, context)
        }),
      ),
  )
}

const rerunExamples = `Examples:
  hakuriver rerun 123                      the same command on the same target, as a new task
  hakuriver rerun --batch last --failed    what did not complete of the newest submit
`

function declareRerun(parent: Command, { declare, act }: Parts): void {
  declare(
    parent,
    'rerun [ended-task...]',
    'run tasks that have ended again, as one new batch; prints the ids of the new tasks',
    (command) =>
      rerunOptions(command.addHelpText('before', rerunExamples))
        .addOption(repeated('-b, --batch <batch>', 'all tasks of a batch that have ended'))
        .action(
          act(async (context, words: string[], options: RerunOptions) => {
            const { rerun } = await import('./commands/rerun.ts')
            return rerun(words, options, context)
          }),
        ),
  )
}

function rerunOptions(command: Command): Command {
  return command
    .option('--failed', 'of a batch only those that have not completed', false)
    .option('-w, --wait', 'wait until they have ended; of one task the exit code is its own', false)
    .addOption(exitStatus())
    .option('-q, --quiet', 'print the ids and nothing else', false)
}

function declareBatch(program: Command, { declare, act }: Parts): void {
  const batch = program
    .command('batch')
    .description('the tasks of one submit: batch list, show, logs, wait, kill, rerun')
    .helpCommand(false)
  declare(batch, 'list', 'the latest batches, counted by status', (command) =>
    command.addOption(whole('-n, --lines <number>', 'the newest so many', 1, 20)).action(
      act(async (context, options: { lines: number }) => {
        const { batchList } = await import('./commands/batch.ts')
        return batchList(options, context)
      }),
    ),
  )
  declare(batch, 'show <batch>', 'one batch: how far it is, target by target, and its tasks', (command) =>
    command.action(
      act(async (context, id: string) => {
        const { batchShow } = await import('./commands/batch.ts')
        return batchShow(id, context)
      }),
    ),
  )
  declare(batch, 'logs <batch>', 'print what its tasks have written, each line behind its task', (command) =>
    logOptions(command)
      .addOption(whole('-n, --lines <number>', 'the last so many lines of each', 0, null))
      .action(
        act(async (context, id: string, options: Omit<LogsOptions, 'offset'> & { both: boolean }) => {
          const { batchLogs } = await import('./commands/batch-logs.ts')
          return batchLogs(id, { ...chosenStreams(options), offset: null }, context)
        }),
      ),
  )
  declare(batch, 'wait <batch>', 'wait until all its tasks have ended', (command) =>
    command
      .addOption(duration('--timeout <time>', 'give up after so long (exit code 6)'))
      .addOption(exitStatus())
      .option('-q, --quiet', 'print nothing', false)
      .action(
        act(async (context, id: string, options: WaitCommandOptions) => {
          const { wait } = await import('./commands/wait.ts')
          return wait([], { ...options, batch: [id] }, context)
        }),
      ),
  )
  declare(batch, 'kill <batch>', 'end all its tasks', (command) =>
    command
      .addOption(text('--reason <text>', 'why, for those who read it later'))
      .option('-w, --wait', 'wait until nothing of them is left', false)
      .option('-q, --quiet', 'print nothing but errors', false)
      .action(
        act(async (context, id: string, options: KillOptions) => {
          const { kill } = await import('./commands/kill.ts')
          return kill([], { ...options, batch: [id] }, context)
        }),
      ),
  )
  declare(batch, 'rerun <batch>', 'run all its tasks that have ended again, as a new batch', (command) =>
    rerunOptions(command).action(
      act(async (context, id: string, options: RerunOptions) => {
        const { rerun } = await import('./commands/rerun.ts')
        return rerun([], { ...options, batch: [id] }, context)
      }),
    ),
  )
}
