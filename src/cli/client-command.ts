/** `hakuriver.client`: the flat flags of the original program, over the commands that `hakuriver` has. */
import { type Command, Option } from 'commander'
import { repeated, size, text, whole } from '../platform/option-types.ts'
import { version } from '../platform/version.ts'
import type { ClientOptions } from './commands/client.ts'
import type { Parts } from './declare.ts'

/** Adds it to the program, hidden: its own name is `hakuriver.client`. */
export function declareClient(program: Command, { act }: Parts): void {
  const client = program
    .command('client [command...]', { hidden: true })
    .description('Submit commands to the cluster, look at them, and end them.')
    .helpCommand(false)
  // `hakuriver --no-color client …` names it later
  client
    .configureHelp({
      ...program.configureHelp(),
      commandUsage: () => 'hakuriver.client [options] [-- command [argument...]]',
    })
    .version(`hakuriver.client ${version}`, '--version', 'print the version')
    .passThroughOptions()
    .addHelpText('before', examples)
    .optionsGroup('Submit:')
    .addOption(
      repeated(
        '--target <target>',
        'host, or host:numa for one of its NUMA nodes; may be repeated; else any',
      ),
    )
    .addOption(whole('--cores <number>', 'CPUs that it may use (default: 1)', 1, null))
    .addOption(size('--memory <size>', 'memory that it may use, like 512M or 1G (powers of 1024)'))
    .addOption(repeated('--env <name=value>', 'a variable for the task; may be repeated'))
    .option('--private-network', 'no network but its own loopback', false)
    .option('--private-pid', 'see no processes but its own', false)
    .option('--all-or-nothing', 'where one target is refused, submit to none', false)
    .option('--wait', 'wait for the end; the exit code is that of the task', false)
    .addOption(
      whole('--poll-interval <seconds>', 'no longer needed: the host tells of an end as it comes', 1, null),
    )
    .optionsGroup('Or one of:')
    .option('--list-nodes', 'the machines of the cluster (now: hakuriver nodes)', false)
    .addOption(new Option('--health [node]', 'what one machine has, or all (now: hakuriver node HOST)'))
    .addOption(text('--status <task>', 'everything about one task (now: hakuriver show ID)'))
    .addOption(text('--kill <task>', 'end a task (now: hakuriver kill ID)'))
    .action(
      act(async (context, words: string[], options: ClientOptions) => {
        const { client: run } = await import('./commands/client.ts')
        return run(words, options, context)
      }),
    )
}

const examples = `Examples:
  hakuriver.client --target node1 --cores 1 -- echo "Basic Task"
  hakuriver.client --target node1:0 --target node2 --cores 4 --env P=1 -- ./parallel_job.sh
  hakuriver.client --target node1 --wait -- make test && echo passed
  hakuriver.client --status 123
  hakuriver.client --list-nodes

\`hakuriver\` has a command for each of these and more, like logs, ps and sweep: hakuriver --help
`
