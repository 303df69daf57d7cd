/** `hakuriver whoami`: as whom the host takes this user, and by what. */
import { exitCodes } from '../../core/errors.ts'
import { printable } from '../../core/text.ts'
import type { Context } from '../context.ts'
import { untilText } from '../output/people.ts'

/** Prints the user, the role, the host and the token. */
export async function whoami(context: Context): Promise<number> {
  const host = await context.host()
  const me = await host.client.whoAmI({})
  if (context.json) {
    await context.printJson({ host: host.address.url, ...me })
    return exitCodes.ok
  }
  const { bold, dim } = context.colors
  const row = (key: string, value: string) => `  ${dim(key.padEnd(5))}  ${value}`
  const byToken =
    me.tokenId === null ? [] : [row('token', `${me.tokenId}, ${untilText(me.expiresAt, host.now())}`)]
  await context.print([
    `${bold(printable(me.name))}  ${me.role}`,
    row('host', `${host.address.url}  ${dim(`(${host.address.urlFrom})`)}`),
    ...(me.via === 'open'
      ? [row('token', 'none: the host asks for no tokens, and takes everybody for its admin')]
      : byToken),
  ])
  return exitCodes.ok
}
