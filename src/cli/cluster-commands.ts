/** The commands about machines and the cluster itself: their arguments, options and help. */
import type { Command } from 'commander'
import { text, whole } from '../platform/option-types.ts'
import { version } from '../platform/version.ts'
import type { AuditListOptions } from './commands/audit.ts'
import type { ConfigShowOptions } from './commands/config.ts'
import type { InitOptions } from './commands/init.ts'
import type { InitHostOptions } from './commands/init-host.ts'
import type { DrainOptions, RemoveOptions } from './commands/operate.ts'
import type { ServiceOptions } from './commands/service.ts'
import type { UpOptions } from './commands/up.ts'
import { declareCompletion } from './completion-command.ts'
import type { CommandGroup, Parts } from './declare.ts'
import { declareCa, declareJoin, declareJoinToken } from './join-commands.ts'

/** The machines, the daemons, and what is set. */
export const machineCommands: CommandGroup = {
  heading: 'Machines:',
  commands: { nodes: (program, parts) => declareNodes(program, 'nodes', parts), node: declareNode },
}

export const clusterCommands: CommandGroup = {
  heading: 'The cluster:',
  commands: {
    up: declareUp,
    down: declareDown,
    web: declareWeb,
    'join-token': declareJoinToken,
    join: declareJoin,
    ca: declareCa,
    doctor: declareDoctor,
    backup: declareBackup,
    audit: declareAudit,
    init: declareInit,
    config: declareConfig,
    // main.ts has taken these before any options are read: here they are for the help
    host: (program) =>
      declareDaemon(program, 'host', 'run the host alone; `hakuriver host --help` has its settings'),
    runner: (program) =>
      declareDaemon(
        program,
        'runner',
        'run a runner alone, on a machine that joins; `hakuriver runner --help`',
      ),
    restore: (program) =>
      declareDaemon(
        program,
        'restore',
        'put a backup in the place of the database of a host that is stopped: `hakuriver restore FILE`',
      ),
    version: declareVersion,
    completion: declareCompletion,
  },
}

function declareDaemon(program: Command, name: string, about: string): void {
  program.command(name).description(about).helpCommand(false)
}

function declareNode(program: Command, { declare, act }: Parts): void {
  const one = act(async (context, name: string | undefined) => {
    const { nodes } = await import('./commands/nodes.ts')
    if (name === undefined) return nodes({ quiet: false }, context)
    const commands = await import('./commands/node.ts')
    return commands.node(name, context)
  })
  const about = 'one machine, its NUMA nodes and its tasks'
  const node = declare(
    program,
    'node [node]',
    `${about}; also node list, show, drain, resume, revoke, remove`,
    (command) => command.action(one),
  )
  declareNodes(node, 'list', { declare, act })
  declare(node, 'show <node>', about, (command) => command.action(one))
  declareOperations(node, { declare, act })
}

function declareOperations(node: Command, { declare, act }: Parts): void {
  declare(node, 'drain <node...>', 'place nothing new there; what runs goes on', (command) =>
    command.addOption(text('--reason <words>', 'why, for who looks at the node or waits for it')).action(
      act(async (context, names: string[], options: DrainOptions) => {
        const { drain } = await import('./commands/operate.ts')
        return drain(names, options, context)
      }),
    ),
  )
  declare(node, 'resume <node...>', 'take a drain back', (command) =>
    command.action(
      act(async (context, names: string[]) => {
        const { resume } = await import('./commands/operate.ts')
        return resume(names, context)
      }),
    ),
  )
  declare(node, 'revoke <node...>', 'take its credential back: its link ends at once', (command) =>
    command.action(
      act(async (context, names: string[]) => {
        const { revoke } = await import('./commands/operate.ts')
        return revoke(names, context)
      }),
    ),
  )
  declare(node, 'end-unknown <node...>', 'end what runs there and the host does not know', (command) =>
    command.action(
      act(async (context, names: string[]) => {
        const { endUnknown } = await import('./commands/operate.ts')
        return endUnknown(names, context)
      }),
    ),
  )
  declare(node, 'remove <node...>', 'forget machines that do not come back', (command) =>
    command.option('--force', 'also where tasks may still run there: they are lost', false).action(
      act(async (context, names: string[], options: RemoveOptions) => {
        const { remove } = await import('./commands/operate.ts')
        return remove(names, options, context)
      }),
    ),
  )
}

function declareUp(program: Command, { declare, act }: Parts): void {
  declare(program, 'up', 'start a cluster on this machine: a host and a runner, until Ctrl-C', (command) =>
    command
      .addOption(
        whole(
          '--port <number>',
          'port of the host, 0: any free one (default: host_port of the configuration, else 8000)',
          0,
          null,
        ),
      )
      .option('-d, --detach', 'go to the background once it works', false)
      .action(
        act(async (context, options: UpOptions) => {
          const { up } = await import('./commands/up.ts')
          return up(options, context)
        }),
      ),
  )
}

function declareDown(program: Command, { declare, act }: Parts): void {
  declare(program, 'down', 'stop what `up` started; tasks go on', (command) =>
    command.action(
      act(async (context) => {
        const { down } = await import('./commands/down.ts')
        return down(context)
      }),
    ),
  )
}

function declareWeb(program: Command, { declare, act }: Parts): void {
  declare(program, 'web', 'print a link that opens the web page and logs the browser in, once', (command) =>
    command.addHelpText('before', webExamples).action(
      act(async (context) => {
        const { web } = await import('./commands/web.ts')
        return web(context)
      }),
    ),
  )
}

const webExamples = `Examples:
  hakuriver web                            click on it, or copy it
  xdg-open "$(hakuriver web)"              opens it in the browser of this machine
`

function declareAudit(program: Command, { declare, act }: Parts): void {
  const list = (command: Command) =>
    command
      .addOption(text('--user <name>', 'only what this user did'))
      .addOption(text('--action <name>', 'only this endpoint, like killTask'))
      .addOption(text('--of <id>', 'only what was about this task, batch, node or user'))
      .addOption(text('--since <moment>', 'how long ago, like 2h, or a date'))
      .addOption(text('--until <moment>', 'up to before this'))
      .addOption(whole('--limit <number>', 'so many rows at most', 1, 100))
      .action(
        act(
          async (
            context,
            { of: target, ...options }: Omit<AuditListOptions, 'target'> & { of: string | null },
          ) => {
            const { auditList } = await import('./commands/audit.ts')
            return auditList({ ...options, target }, context)
          },
        ),
      )
  const about = 'who did what, newest first'
  const audit = declare(program, 'audit', `${about}; also audit list, verify, export`, list)
  declare(audit, 'list', about, list)
  declare(audit, 'verify', 'say whether nobody has changed or removed a row', (command) =>
    command
      .addOption(text('--file <path>', 'check this export in place of the host that runs'))
      .addOption(text('--head <hash>', 'a hash that was kept elsewhere: one of the rows has to have it'))
      .action(
        act(async (context, options: { file: string | null; head: string | null }) => {
          const { auditVerify } = await import('./commands/audit.ts')
          return auditVerify(options, context)
        }),
      ),
  )
  declare(audit, 'export', 'all rows as lines of JSON, oldest first', (command) =>
    command.addOption(text('--out <path>', 'into this file, whole or not at all')).action(
      act(async (context, options: { out: string | null }) => {
        const { auditExport } = await import('./commands/audit.ts')
        return auditExport(options, context)
      }),
    ),
  )
}

function declareBackup(program: Command, { declare, act }: Parts): void {
  declare(
    program,
    'backup [file]',
    'save a copy of all that the host keeps, while it goes on; the way back is hakuriver restore',
    (command) =>
      command.addHelpText('before', backupExamples).action(
        act(async (context, file: string | undefined) => {
          const { backup } = await import('./commands/backup.ts')
          return backup(file, context)
        }),
      ),
  )
}

const backupExamples = `Examples:
  hakuriver backup                         to hakuriver-backup-DATE.db in this directory
  hakuriver backup /mnt/nas/cluster.db     whole or not at all: what was there before is replaced
`

function declareVersion(program: Command, { declare, act }: Parts): void {
  declare(program, 'version', 'print the version', (command) =>
    command.action(
      act(async (context) => {
        if (context.json) await context.printJson({ version: version, node: process.versions.node })
        else await context.print(`hakuriver ${version} (Node ${process.versions.node})`)
        return 0
      }),
    ),
  )
}

function declareNodes(parent: Command, name: string, { declare, act }: Parts): void {
  declare(
    parent,
    name,
    'list the machines: what they have, what is taken, whether they can be heard',
    (command) =>
      command.option('-q, --quiet', 'print names only', false).action(
        act(async (context, options: { quiet: boolean }) => {
          const { nodes } = await import('./commands/nodes.ts')
          return nodes(options, context)
        }),
      ),
  )
}

function declareDoctor(program: Command, { declare, act }: Parts): void {
  const about = 'check this machine and its way to the host, and say what to do about what is wrong'
  declare(program, 'doctor [words...]', about, (command) =>
    command
      .usage('[options] [host | runner] [-- flags of that program]')
      .addHelpText('before', doctorExamples)
      .action(
        act(async (context, words: string[]) => {
          const { doctor } = await import('./commands/doctor.ts')
          return doctor(words, context)
        }),
      ),
  )
}

const doctorExamples = `Examples:
  hakuriver doctor                                    all that applies to this machine
  hakuriver doctor runner -- --task-user worker       as a runner with these flags would find it
  hakuriver doctor host                               the host's part alone
  hakuriver doctor --json | jq '.[] | select(.status == "problem")'

Exit code 0: no problem, though there may be warnings; 1: a problem.
`

function declareInit(program: Command, { declare, act }: Parts): void {
  const init = declare(
    program,
    'init',
    'write the configuration file; also init host, init service',
    (command) =>
      command.option('--force', 'write it anew where it is there already', false).action(
        act(async (context, options: InitOptions) => {
          const { init: run } = await import('./commands/init.ts')
          return run(options, context)
        }),
      ),
  )
  const hostAbout = 'make this machine the host of a cluster: configuration, service, and what comes next'
  declare(init, 'host', hostAbout, (command) =>
    command
      .addHelpText('before', initHostExamples)
      .addOption(
        text(
          '--address <address>',
          'name or address by which others reach it (default: one of its addresses)',
        ),
      )
      .addOption(text('--shared-dir <dir>', 'directory that the machines share, for the output of tasks'))
      .action(
        act(async (context, options: InitHostOptions) => {
          const { initHost } = await import('./commands/init-host.ts')
          return initHost(options, context)
        }),
      ),
  )
  const about = 'print systemd units that start host and runner at boot, or install them'
  declare(init, 'service', about, (command) =>
    command
      .addHelpText('before', serviceExamples)
      .option('--host', 'the host', false)
      .option('--runner', 'the runner of this machine', false)
      .option('--install', 'write them to /etc/systemd/system, and start them at every boot', false)
      .option('--now', 'with --install: start them now as well', false)
      .option('--force', 'with --install: also over a unit that is not of this command', false)
      .addOption(
        text(
          '--user <name>',
          'whom they run as, with the state and configuration of that user (default: the system user hakuriver, with a launcher that is root)',
        ),
      )
      .option('--root', 'run them as root, with the state and configuration of root', false)
      .action(
        act(async (context, options: ServiceOptions) => {
          const { service } = await import('./commands/service.ts')
          return service(options, context)
        }),
      ),
  )
}

const initHostExamples = `Examples:
  sudo hakuriver init host                                   on the machine that is to be the host
  sudo hakuriver init host --address node1.example --shared-dir /shared/hakuriver
`

const serviceExamples = `Examples:
  hakuriver init service --host                              see the unit
  sudo hakuriver init service --host --install --now         on the machine of the host
  sudo hakuriver init service --runner --install --now
`

const configExamples = `Examples:
  hakuriver config show --origin                        all settings, and where each comes from
  hakuriver config show runner -- --task-user worker    as a runner with these flags has them
`

function declareConfig(program: Command, { declare, act }: Parts): void {
  const config = program
    .command('config')
    .description('what is set here: config show, config path')
    .helpCommand(false)
  declare(config, 'show [words...]', 'every setting, with the value that holds', (command) =>
    command
      .usage('[options] [host | runner] [-- flags of that program]')
      .addHelpText('before', configExamples)
      .option('--origin', 'say where each value comes from', false)
      .action(
        act(async (context, words: string[], options: ConfigShowOptions) => {
          const { configShow } = await import('./commands/config.ts')
          return configShow(words, options, context)
        }),
      ),
  )
  declare(config, 'path', 'the file that is read', (command) =>
    command.action(
      act(async (context) => {
        const { configFile } = await import('./commands/config.ts')
        return configFile(context)
      }),
    ),
  )
}
