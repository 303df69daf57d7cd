/** The commands by which machines join, and about the authority that their certificates come from. */
import type { Command } from 'commander'
import { duration, text, whole } from '../platform/option-types.ts'
import type { FinishOptions } from './commands/ca.ts'
import type { JoinOptions } from './commands/join.ts'
import type { JoinTokenOptions } from './commands/join-token.ts'
import type { Parts } from './declare.ts'

export function declareJoinToken(program: Command, { declare, act }: Parts): void {
  const about = 'invite machines: prints what to paste on each of them; good once, and for an hour'
  declare(program, 'join-token', about, (command) =>
    command
      .addHelpText('before', tokenExamples)
      .addOption(whole('--count <number>', 'for so many machines', 1, 1))
      .addOption(
        text('--node <node>', 'for that name alone, also where there is such a node: it is replaced'),
      )
      .addOption(duration('--ttl <duration>', 'how long they are good (default: 1h, at most 7d)'))
      .action(
        act(async (context, options: JoinTokenOptions) => {
          const { joinToken } = await import('./commands/join-token.ts')
          return joinToken(options, context)
        }),
      ),
  )
}

const tokenExamples = `Examples:
  hakuriver join-token                       a line to paste on the new machine
  hakuriver join-token --count 10 --ttl 8h   for ten machines, today
  hakuriver join-token --node node3          node3 was installed anew, or revoked
`

export function declareJoin(program: Command, { declare, act }: Parts): void {
  const about = 'make this machine a node, by an invitation of `hakuriver join-token`'
  declare(program, 'join <invitation>', about, (command) =>
    command
      .addHelpText('before', joinExamples)
      .addOption(text('--name <name>', 'name of the node (default: that of this machine)'))
      .addOption(
        text(
          '--task-user <user>',
          'local user that tasks run as, "=" for that of the same name as the user of HakuRiver (default: hakuriver-task, made for them)',
        ),
      )
      .addOption(text('--shared-dir <dir>', 'directory that the machines share, for the output of tasks'))
      .option('--no-service', 'do not install the runner as a service (root under systemd does it)')
      .action(
        act(async (context, invitation: string, options: JoinOptions) => {
          const { join } = await import('./commands/join.ts')
          return join(invitation, options, context)
        }),
      ),
  )
}

const joinExamples = `Examples:
  sudo hakuriver join 'https://host:8000#…'            as pasted: joins, and starts the runner at every boot
  sudo hakuriver join --task-user = 'https://…'        tasks of alice run as alice of this machine
  hakuriver join --no-service 'https://host:8000#…'    joins only
  hakuriver join - < invitation                        read from standard input
`

export function declareCa(program: Command, { declare, act }: Parts): void {
  const ca = program
    .command('ca')
    .description("the cluster's own authority for certificates: ca show, rotate, finish")
    .helpCommand(false)
  declare(ca, 'show', 'its fingerprint and end, and which nodes have a certificate of it', (command) =>
    command.option('--pem', 'print its certificate', false).action(
      act(async (context, options: { pem: boolean }) => {
        const { showCa } = await import('./commands/ca.ts')
        return showCa(options, context)
      }),
    ),
  )
  declare(ca, 'rotate', 'begin to change it: nodes get certificates of a new one by themselves', (command) =>
    command.action(
      act(async (context) => {
        const { rotateCa } = await import('./commands/ca.ts')
        return rotateCa(context)
      }),
    ),
  )
  declare(ca, 'finish', 'end the change: the old one is trusted no more', (command) =>
    command.option('--force', 'also where nodes are cut off by it: they join again', false).action(
      act(async (context, options: FinishOptions) => {
        const { finishCa } = await import('./commands/ca.ts')
        return finishCa(options, context)
      }),
    ),
  )
}
