/** `hakuriver web`: the way into the web page. */

import { isLoopback } from '../../core/address.ts'
import { exitCodes } from '../../core/errors.ts'
import type { Context } from '../context.ts'
import { makeLoginLink } from '../login-link.ts'

/** Prints a link for a browser; alone on standard output, so that it can be handed to a program. */
export async function web(context: Context): Promise<number> {
  const { io } = context
  const link = await makeLoginLink(await context.host())
  if (context.json) {
    await context.printJson(link)
    return exitCodes.ok
  }
  await context.print(link.url)
  const { hash, hostname, port: given } = new URL(link.url)
  const port = given || '80'
  await context.note(
    hash !== ''
      ? 'It logs one browser in, within five minutes; that stays logged in for 30 days.'
      : 'The host asks for no tokens: nobody has to log in.',
  )
  if (io.env.SSH_CONNECTION && isLoopback(hostname))
    await context.note(
      `Is your browser on another machine? Type there first: ssh -L ${port}:127.0.0.1:${port} THIS-MACHINE`,
    )
  return exitCodes.ok
}
