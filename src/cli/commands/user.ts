/** `hakuriver user list|add|invite|set|disable|enable`: who may use the cluster, and as what. */
import { isLoopback } from '../../core/address.ts'
import { AppError, exitCodes } from '../../core/errors.ts'
import { isUserName, type Role } from '../../core/roles.ts'
import { printable, shellQuote } from '../../core/text.ts'
import { type Cell, type Column, renderTable } from '../../platform/table.ts'
import type { Invitation, UserView } from '../../protocol/schemas.ts'
import type { Colors, Context } from '../context.ts'
import { each } from '../one-by-one.ts'
import { untilText } from '../output/people.ts'
import { ago } from '../output/text.ts'
import type { Host } from '../transport.ts'

/** Lists all users by name. */
export async function userList(context: Context): Promise<number> {
  const { client, now } = await context.host()
  const { items } = await client.listUsers({})
  const { stdout } = context.io
  if (context.json) await context.printJson({ items })
  else
    await context.print(userTable(items, now(), stdout.isTty ? stdout.size().columns : null, context.colors))
  return exitCodes.ok
}

const columns: Column[] = [
  { title: 'USER', shrinkTo: 8 },
  { title: 'ROLE' },
  { title: 'STATUS' },
  { title: 'TOKENS', align: 'right', dropOrder: 2 },
  { title: 'USED', dropOrder: 1 },
  { title: 'ADDED', dropOrder: 3 },
]

function userTable(items: UserView[], nowMs: number, width: number | null, colors: Colors): string[] {
  const rows = items.map((user): Cell[] => [
    { text: printable(user.name) },
    { text: user.role },
    { text: statusOf(user), paint: user.isDisabled ? colors.yellow : colors.green },
    { text: String(user.tokens) },
    { text: user.lastUsedAt === null ? 'never' : ago(user.lastUsedAt, nowMs) },
    { text: ago(user.createdAt, nowMs) },
  ])
  return renderTable(columns, rows, { width, paintTitle: colors.dim })
}

function statusOf({ isDisabled, tokens }: UserView): string {
  if (isDisabled) return 'disabled'
  return tokens === 0 ? 'not logged in' : 'active'
}

export interface UserAddOptions extends InviteOptions {
  role: Role
}

export interface InviteOptions {
  /** How long the invitation waits, in milliseconds; null: as long as the host gives. */
  expires: number | null
}

/** Makes a user, and what to send to that person. */
export async function userAdd(name: string, options: UserAddOptions, context: Context): Promise<number> {
  checkName(name)
  const host = await context.host()
  const user = await host.client.createUser({ body: { name, role: options.role } })
  const invitation = await invite(name, options, host).catch((error: unknown) => {
    if (!(error instanceof AppError)) throw error
    throw new AppError(error.code, `${name} is added, but could not be invited: ${error.message}`, {
      cause: error,
      details: { ...error.details, fix: `Once that is right: hakuriver user invite ${name}` },
    })
  })
  if (context.json) await context.printJson({ user, ...invitation })
  else {
    await context.note(`${name} is added as ${user.role}. Send this to that person and nobody else:`)
    await tellInvitation(invitation, host, context)
  }
  return exitCodes.ok
}

/** Makes a further invitation: for a machine more, or for who has lost the first. */
export async function userInvite(name: string, options: InviteOptions, context: Context): Promise<number> {
  checkName(name)
  const host = await context.host()
  const invitation = await invite(name, options, host)
  if (context.json) await context.printJson(invitation)
  else await tellInvitation(invitation, host, context)
  return exitCodes.ok
}

function invite(name: string, { expires }: InviteOptions, { client }: Host): Promise<Invitation> {
  const body = expires === null ? {} : { ttlSeconds: Math.ceil(expires / 1000) }
  return client.inviteUser({ params: { name }, body })
}

/** The line to send stands alone on standard output. */
async function tellInvitation(
  { invitation, link, expiresAt }: Invitation,
  host: Host,
  context: Context,
): Promise<void> {
  await context.print(`hakuriver login ${shellQuote(invitation)}`)
  await context.note(`Or, for a browser: ${link}`)
  await context.note(`One of the two can be used, once, ${untilText(expiresAt, host.now())}.`)
  if (isLoopback(new URL(link).hostname))
    await context.note(
      'Both lead to this machine alone: a host for others listens on an address that they can reach (host_bind_ip).',
    )
}

/** Gives a user another role. */
export function userSet(names: string[], { role }: { role: Role }, context: Context): Promise<number> {
  return each(names, context, {
    run: (name, host) => host.client.updateUser({ params: { name }, body: { role } }),
    tell: (user: UserView) =>
      `${printable(user.name)} is ${user.role} now. No token of before may more than it did: for that, log in again.`,
  })
}

/** Keeps users out, or lets them in again. */
export function userSwitch(names: string[], isDisabled: boolean, context: Context): Promise<number> {
  return each(names, context, {
    run: (name, host) => host.client.updateUser({ params: { name }, body: { isDisabled } }),
    tell: (user: UserView) =>
      user.isDisabled
        ? `${printable(user.name)} can do nothing more; tasks of that name go on. Back again: hakuriver user enable ${printable(user.name)}`
        : `${printable(user.name)} may work again, as ${user.role}.`,
  })
}

function checkName(name: string): void {
  if (isUserName(name)) return
  throw new AppError('invalid_request', `"${printable(name)}" is no name for a user`, {
    details: {
      fix: 'Small letters, digits, _ and -, at most 32, with a letter or _ first: as useradd has them.',
    },
  })
}
