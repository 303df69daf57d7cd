/** The commands about people: who I am, my tokens, and the users of the cluster. */
import { type Command, Option } from 'commander'
import { roles } from '../core/roles.ts'
import { duration, durationOr, text } from '../platform/option-types.ts'
import type { LogoutOptions } from './commands/logout.ts'
import type { TokenListOptions, TokenMakeOptions } from './commands/token.ts'
import type { InviteOptions, UserAddOptions } from './commands/user.ts'
import type { CommandGroup, Parts } from './declare.ts'

export const peopleCommands: CommandGroup = {
  heading: 'People:',
  commands: {
    login: declareLogin,
    logout: declareLogout,
    whoami: declareWhoami,
    token: declareToken,
    user: declareUser,
  },
}

function declareLogin(program: Command, { declare, act }: Parts): void {
  const about = 'log in to a host, by an invitation or by a token that is asked for'
  declare(program, 'login [invitation]', about, (command) =>
    command
      .usage('[options] [invitation | url]')
      .addHelpText('before', loginExamples)
      .action(
        act(async (context, word: string | undefined) => {
          const { login } = await import('./commands/login.ts')
          return login(word ?? null, context)
        }),
      ),
  )
}

const loginExamples = `Examples:
  hakuriver login 'https://node1:8000#…'   by what an admin has sent you; it can be used once
  hakuriver login                          the same, asked for: nothing of it stays in the shell's history
  hakuriver login https://node1:8000       asks for a token that you have
  hakuriver login http://127.0.0.1:8000 < token-file

Commands go to the host of the newest login where nothing else names one. What is kept lies in
~/.hakuriver/credentials.json, for you alone.
`

function declareLogout(program: Command, { declare, act }: Parts): void {
  declare(program, 'logout [url]', 'revoke the token of a login, and forget it', (command) =>
    command.option('--all', 'of all hosts', false).action(
      act(async (context, word: string | undefined, options: LogoutOptions) => {
        const { logout } = await import('./commands/logout.ts')
        return logout(word ?? null, options, context)
      }),
    ),
  )
}

function declareWhoami(program: Command, { declare, act }: Parts): void {
  declare(program, 'whoami', 'print as whom the host takes you, your role and your token', (command) =>
    command.action(
      act(async (context) => {
        const { whoami } = await import('./commands/whoami.ts')
        return whoami(context)
      }),
    ),
  )
}

const role = (description: string) => new Option('--role <role>', description).choices(roles)

function declareToken(program: Command, { declare, act }: Parts): void {
  const token = program
    .command('token')
    .description('what programs and other machines of yours show in your place: token list, make, revoke')
    .helpCommand(false)
  declare(token, 'list', 'your tokens and the browsers in which you are logged in', (command) =>
    command
      .addOption(text('--user <user>', 'those of another; for admins').conflicts('all'))
      .option('--all', 'those of all users; for admins', false)
      .action(
        act(async (context, options: TokenListOptions) => {
          const { tokenList } = await import('./commands/token.ts')
          return tokenList(options, context)
        }),
      ),
  )
  declare(token, 'make', 'make a token, and print it: this once', (command) =>
    command
      .addHelpText('before', makeExamples)
      .addOption(new Option('--label <words>', 'what it is for, to know it again').makeOptionMandatory())
      .addOption(role('what it may do, at most what you may (default: as much)').default(null, ''))
      .addOption(
        durationOr('--expires <time>', 'how long it holds, like 30d, or never (default: 90d)', 'never'),
      )
      .addOption(text('--user <user>', 'for another; for admins'))
      .action(
        act(async (context, options: TokenMakeOptions) => {
          const { tokenMake } = await import('./commands/token.ts')
          return tokenMake(options, context)
        }),
      ),
  )
  declare(token, 'revoke <token...>', 'end tokens and logins of browsers, by their ids', (command) =>
    command.action(
      act(async (context, ids: string[]) => {
        const { tokenRevoke } = await import('./commands/token.ts')
        return tokenRevoke(ids, context)
      }),
    ),
  )
}

const makeExamples = `Examples:
  hakuriver token make --label dashboard --role viewer --expires never
  (umask 077; hakuriver token make --label nightly > ~/.nightly-token)
  hakuriver ps --token-file ~/.nightly-token
`

function declareUser(program: Command, { declare, act }: Parts): void {
  const user = program
    .command('user')
    .description('who may use the cluster, for admins: user list, add, invite, set, disable, enable')
    .helpCommand(false)
  declare(user, 'list', 'all users, what they may do, and when they were last seen', (command) =>
    command.action(
      act(async (context) => {
        const { userList } = await import('./commands/user.ts')
        return userList(context)
      }),
    ),
  )
  declare(user, 'add <name>', 'add a user, and print the line by which that person logs in', (command) =>
    inviteOptions(command)
      .addHelpText('before', roleHelp)
      .addOption(role('what the user may do').default('submitter'))
      .action(
        act(async (context, name: string, options: UserAddOptions) => {
          const { userAdd } = await import('./commands/user.ts')
          return userAdd(name, options, context)
        }),
      ),
  )
  declare(user, 'invite <user>', 'print a further line to log in by, for one machine more', (command) =>
    inviteOptions(command).action(
      act(async (context, name: string, options: InviteOptions) => {
        const { userInvite } = await import('./commands/user.ts')
        return userInvite(name, options, context)
      }),
    ),
  )
  declareUserChanges(user, { declare, act })
}

function inviteOptions(command: Command): Command {
  return command.addOption(
    duration('--expires <time>', 'how long the invitation can be used, at most 7d (default: 1h)'),
  )
}

function declareUserChanges(user: Command, { declare, act }: Parts): void {
  declare(user, 'set <user...>', 'give users another role; it holds at once', (command) =>
    command
      .addHelpText('before', roleHelp)
      .addOption(role('what they may do').makeOptionMandatory())
      .action(
        act(async (context, names: string[], options: { role: UserAddOptions['role'] }) => {
          const { userSet } = await import('./commands/user.ts')
          return userSet(names, options, context)
        }),
      ),
  )
  const switches = [
    { usage: 'disable <user...>', about: 'keep users out, at once; their tasks go on', isDisabled: true },
    { usage: 'enable <user...>', about: 'let disabled users in again', isDisabled: false },
  ]
  for (const { usage, about, isDisabled } of switches)
    declare(user, usage, about, (command) =>
      command.action(
        act(async (context, names: string[]) => {
          const { userSwitch } = await import('./commands/user.ts')
          return userSwitch(names, isDisabled, context)
        }),
      ),
    )
}

const roleHelp = `Roles, each may all that those before it may:
  viewer      look at nodes, tasks and batches
  submitter   run commands; end tasks of its own, and read what they write
  operator    the same with everybody's tasks; drain and remove nodes
  admin       users and their tokens, invitations of machines, certificates, the log of who did what, backups
`
