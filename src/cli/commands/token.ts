/** `hakuriver token list|make|revoke`: what programs and other machines of a user show in its place. */
import { AppError, exitCodes } from '../../core/errors.ts'
import type { Role } from '../../core/roles.ts'
import { printable } from '../../core/text.ts'
import { type Cell, type Column, renderTable } from '../../platform/table.ts'
import type { TokenView } from '../../protocol/schemas.ts'
import type { Colors, Context } from '../context.ts'
import { each } from '../one-by-one.ts'
import { lifeText, untilText } from '../output/people.ts'
import { ago } from '../output/text.ts'

export interface TokenListOptions {
  user: string | null
  /** Of all users. */
  all: boolean
}

/** Lists tokens and browsers, newest first. */
export async function tokenList({ user, all }: TokenListOptions, context: Context): Promise<number> {
  const { client, now } = await context.host()
  const query = { ...(user !== null && { user }), ...(all && { all: true }) }
  const [{ items }, { tokenId }] = await Promise.all([client.listTokens({ query }), client.whoAmI({})])
  if (context.json) {
    await context.printJson({ items })
    return exitCodes.ok
  }
  if (items.length === 0) {
    await context.note('There is no token. Make one: hakuriver token make --label backup-script')
    return exitCodes.ok
  }
  const { stdout } = context.io
  const width = stdout.isTty ? stdout.size().columns : null
  const table = { items, ownId: tokenId, hasUsers: all }
  await context.print(tokenTable(table, now(), width, context.colors))
  return exitCodes.ok
}

interface Listed {
  items: TokenView[]
  /** The one that this command has shown itself. */
  ownId: string | null
  hasUsers: boolean
}

const columns: Column[] = [
  { title: 'ID' },
  { title: 'LABEL', shrinkTo: 10 },
  { title: 'ROLE' },
  { title: 'KIND', dropOrder: 3 },
  { title: 'USED', dropOrder: 1 },
  { title: 'FROM', dropOrder: 4 },
  { title: 'MADE', dropOrder: 2 },
  { title: 'ENDS' },
]
const userColumn: Column = { title: 'USER', shrinkTo: 8 }

function tokenTable(
  { items, ownId, hasUsers }: Listed,
  nowMs: number,
  width: number | null,
  colors: Colors,
): string[] {
  const rows = items.map((token): Cell[] => {
    const isLive = token.revokedAt === null && !isOver(token.expiresAt, nowMs)
    const paint = isLive ? undefined : { paint: colors.dim }
    const cells = [
      token.id,
      ...(hasUsers ? [printable(token.user)] : []),
      printable(token.label) + (token.id === ownId ? ' (this one)' : ''),
      token.role,
      token.kind === 'api' ? 'token' : 'browser',
      token.lastUsedAt === null ? 'never' : ago(token.lastUsedAt, nowMs),
      token.lastUsedFrom === null ? '-' : printable(token.lastUsedFrom),
      ago(token.createdAt, nowMs),
      lifeText(token, nowMs),
    ]
    return cells.map((text) => ({ text, ...paint }))
  })
  const all = hasUsers ? columns.toSpliced(1, 0, userColumn) : columns
  return renderTable(all, rows, { width, paintTitle: colors.dim })
}

function isOver(expiresAt: string | null, nowMs: number): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= nowMs
}

export interface TokenMakeOptions {
  label: string
  role: Role | null
  /** Milliseconds; `never`: it does not end; null: as long as the host gives. */
  expires: number | 'never' | null
  user: string | null
}

/** Makes a token. It stands alone on standard output, so that it can be handed to a program. */
export async function tokenMake(options: TokenMakeOptions, context: Context): Promise<number> {
  const { label, role, expires, user } = options
  const { client, now } = await context.host()
  const made = await client.createToken({
    body: {
      label,
      ...(role !== null && { role }),
      ...(user !== null && { user }),
      ...(expires !== null && { expiresInSeconds: expires === 'never' ? null : Math.ceil(expires / 1000) }),
    },
  })
  if (context.json) {
    await context.printJson(made)
    return exitCodes.ok
  }
  await context.print(made.token)
  const whose = `${printable(made.user)} (${made.role})`
  await context.note(
    `Token ${made.id} of ${whose}, ${untilText(made.expiresAt, now())}. It is shown this once.`,
  )
  return exitCodes.ok
}

/** Ends tokens and logins of browsers. */
export function tokenRevoke(ids: string[], context: Context): Promise<number> {
  return each(ids, context, {
    run: async (id, host) => {
      if (!/^\d+$/.test(id))
        throw new AppError(
          'invalid_request',
          `"${printable(id)}" is no id of a token: hakuriver token list has them`,
        )
      return host.client.revokeToken({ params: { id }, body: {} })
    },
    tell: (token: TokenView) =>
      `Token ${token.id} of ${printable(token.user)} (${printable(token.label)}) is revoked.`,
  })
}
