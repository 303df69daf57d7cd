/** `hakuriver ca`: the cluster's own authority for certificates, and its change for another one. */
import { exitCodes } from '../../core/errors.ts'
import { count, printable } from '../../core/text.ts'
import type { AuthorityState } from '../../protocol/schemas.ts'
import type { Context } from '../context.ts'

export interface FinishOptions {
  force: boolean
}

/** Prints what there is; with `pem` only the certificates. */
export async function showCa({ pem }: { pem: boolean }, context: Context): Promise<number> {
  const state = await (await context.host()).client.getAuthority({})
  if (context.json) await context.printJson(state)
  else if (pem) await context.print(state.ca.trimEnd())
  else await context.print(linesOf(state, context))
  return exitCodes.ok
}

/** Begins a change. */
export async function rotateCa(context: Context): Promise<number> {
  const state = await (await context.host()).client.rotateAuthority({ body: {} })
  if (context.json) {
    await context.printJson(state)
    return exitCodes.ok
  }
  await context.print([
    'There is a second authority now, and both are trusted.',
    ...linesOf(state, context),
    'Nodes that are linked get a certificate of it within seconds, others when they link.',
    'When none is left behind (hakuriver ca show):  hakuriver ca finish',
  ])
  return exitCodes.ok
}

/** Ends a change. */
export async function finishCa({ force }: FinishOptions, context: Context): Promise<number> {
  const state = await (await context.host()).client.finishAuthority({ body: { force } })
  if (context.json) {
    await context.printJson(state)
    return exitCodes.ok
  }
  await context.print([
    'The new authority has taken the place of the old one, which is trusted no more.',
    ...linesOf(state, context),
    'People on other machines log in again with a new invitation; invitations of before are void.',
  ])
  return exitCodes.ok
}

function linesOf(state: AuthorityState, { colors }: Context): string[] {
  const { current, next, hostCertificate, nodes } = state
  const row = (key: string, value: string) => `  ${colors.dim(key.padEnd(9))}  ${value}`
  const day = (instant: string) => instant.slice(0, 10)
  const { behind, joined } = nodes
  const left = behind.map(printable).join(', ')
  const how =
    next === null
      ? ''
      : behind.length === 0
        ? ', all with a certificate of the new one'
        : `; still with the old one: ${left}`
  return [
    row('authority', `${current.fingerprint}, until ${day(current.expiresAt)}`),
    ...(next === null ? [] : [row('new one', `${next.fingerprint}, until ${day(next.expiresAt)}`)]),
    row(
      'host',
      `its certificate holds until ${day(hostCertificate.expiresAt)}, for ${hostCertificate.names.join(', ')}`,
    ),
    row('nodes', `${count(joined, 'node')} joined${how}`),
  ]
}
