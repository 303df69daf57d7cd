/** `hakuriver join-token`: lines to paste, by each of which one machine joins. */
import { exitCodes } from '../../core/errors.ts'
import { shellQuote } from '../../core/text.ts'
import type { Context } from '../context.ts'
import { untilText } from '../output/people.ts'

export interface JoinTokenOptions {
  count: number
  node: string | null
  /** Milliseconds; null: the host's default. */
  ttl: number | null
}

/** Prints them alone on standard output, and what they are for beside it. */
export async function joinToken({ count, node, ttl }: JoinTokenOptions, context: Context): Promise<number> {
  const { client, now } = await context.host()
  const { items } = await client.makeJoinTokens({
    body: {
      count,
      ...(node !== null && { node }),
      ...(ttl !== null && { ttlSeconds: Math.max(1, Math.ceil(ttl / 1000)) }),
    },
  })
  if (context.json) {
    await context.printJson({ items })
    return exitCodes.ok
  }
  await context.note(
    `Paste ${count === 1 ? 'this' : 'one of these'} on the machine that is to join${node === null ? '' : ` as ${node}`}, where HakuRiver is installed:`,
  )
  await context.print(items.map(({ invitation }) => `sudo hakuriver join ${shellQuote(invitation)}`))
  const [first] = items
  await context.note(
    `${count === 1 ? 'It is' : 'Each is'} good once, ${untilText(first?.expiresAt ?? null, now())}. Whoever has it can join.`,
  )
  return exitCodes.ok
}
