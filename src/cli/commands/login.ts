/** `hakuriver login`: who I am on a host, kept in a file of mine. */
import { hostname } from 'node:os'
import { isLoopback } from '../../core/address.ts'
import { AppError, exitCodes } from '../../core/errors.ts'
import { type Invitation, parseInvitation } from '../../core/invitation.ts'
import type { Role } from '../../core/roles.ts'
import { printable } from '../../core/text.ts'
import { isUntrusted } from '../../platform/network-reason.ts'
import { ownUserName } from '../../platform/own-user.ts'
import { askSecret } from '../ask-secret.ts'
import type { Context } from '../context.ts'
import { type Credential, loginAt, readCredentials, withLogin, writeCredentials } from '../credentials.ts'
import { normalUrl } from '../host-address.ts'
import { untilText } from '../output/people.ts'
import { createHost, type Host } from '../transport.ts'

interface Login {
  url: string
  credential: Credential
  role: Role
  expiresAt: string | null
}

const noInvitation =
  'no invitation was given: paste the line that an admin sent you, or write hakuriver login URL'

/** Logs this user in to a host, by an invitation or by a token that is asked for. */
export async function login(word: string | null, context: Context): Promise<number> {
  // before anything is used up: a file that cannot be kept would cost the invitation
  const before = readCredentials(context.home)
  const { url, credential, role, expiresAt } = await (word === null || word.includes('#')
    ? byInvitation(
        word ?? (await askSecret('Paste the invitation (it is not shown): ', context.io, noInvitation)),
        context,
      )
    : byToken(word, context))
  await writeCredentials(context.home, withLogin(before, url, credential))
  await endFormer(loginAt(before, url), credential, url, context)
  if (context.json) {
    await context.printJson({ host: url, user: credential.user, role, expiresAt })
    return exitCodes.ok
  }
  await context.print(
    `Logged in to ${url} as ${printable(credential.user)} (${role}), ${untilText(expiresAt, context.io.now())}.`,
  )
  const usual = await context.address()
  if (usual.url !== url)
    await context.note(
      `Commands go to ${usual.url} all the same (${usual.urlFrom}): write --host ${url} where you mean the other.`,
    )
  return exitCodes.ok
}

/** Nobody holds the token of the login before any more: it ends as by a logout. */
async function endFormer(
  former: Credential | null,
  { token, ca }: Credential,
  url: string,
  context: Context,
): Promise<void> {
  if (former === null || former.token === token) return
  try {
    const { client } = await hostOf({ url, token: former.token, ca }, context)
    const { tokenId } = await client.whoAmI({})
    if (tokenId !== null) await client.revokeToken({ params: { id: tokenId }, body: {} })
  } catch (error) {
    // one that has ended by itself is what is wanted
    if (error instanceof AppError && error.code === 'unauthenticated') return
    await context.note('The token of the login before may still be good: hakuriver token list.')
  }
}

async function byInvitation(text: string, context: Context): Promise<Login> {
  const invitation = parseInvitation(text)
  const { url, secret } = invitation
  if (secret.startsWith('hakuriver_join_'))
    throw new AppError('invalid_request', "this invitation is for a machine: sudo hakuriver join '…'")
  const ca = await authorityOf(invitation)
  const body = { secret, label: `${ownUserName()}@${hostname()}` }
  const { client } = await hostOf({ url, token: null, ca }, context)
  const answer = await client.claimLogin({ body })
  const { token, user, role, expiresAt } = answer
  return { url, credential: { token, user, ca }, role, expiresAt }
}

/** The certificate that the invitation names, as the host shows it. */
async function authorityOf({ url, fingerprint }: Invitation): Promise<string | null> {
  if (fingerprint === null) return null
  const { trustByFingerprint } = await import('../../platform/tls-pin.ts')
  return trustByFingerprint(url, fingerprint)
}

async function byToken(word: string, context: Context): Promise<Login> {
  if (/^hakuriver_[a-z]+_/.test(word))
    throw new AppError('invalid_request', 'a token does not belong on a command line, where others read it', {
      details: { fix: 'Write `hakuriver login URL`: it asks for the token, or reads it from a pipe.' },
    })
  const url = normalUrl(word, 'the command line')
  // also by --ca-file, an earlier login, or because it is this machine's own
  const ca = (await context.addressOf(url)).ca()
  await checkIdentity({ url, token: null, ca }, context)
  const token = await askSecret(`Token for ${url} (it is not shown): `, context.io)
  const { client } = await hostOf({ url, token, ca }, context)
  const me = await client.whoAmI({})
  if (me.via === 'open')
    throw new AppError('conflict', `the host at ${url} asks for no tokens: nobody has to log in`)
  return { url, credential: { token, user: me.name, ca }, role: me.role, expiresAt: me.expiresAt }
}

interface Reached {
  url: string
  token: string | null
  ca: string | null
}

/** Is it the host that it says? Asked before any token is shown to it. */
async function checkIdentity(reached: Reached, context: Context): Promise<void> {
  const { url } = reached
  try {
    const { client } = await hostOf(reached, context)
    await client.health({})
  } catch (error) {
    const { cause } = error instanceof AppError ? error : {}
    if (!(cause instanceof Error && isUntrusted(cause))) throw error
    throw new AppError('not_permitted', `nothing here vouches for ${url}: it may be another than it says`, {
      cause: error,
      details: {
        fix: 'Ask its admin for an invitation (hakuriver user invite YOUR-NAME): it proves the host.',
      },
    })
  }
  if (url.startsWith('http:') && !isLoopback(new URL(url).hostname))
    await context.note(`hakuriver: ${url} is not https: whoever listens on the way can read the token`)
}

function hostOf({ url, token, ca }: Reached, context: Context): Promise<Host> {
  const address = { url, urlFrom: 'the login', token, tokenNote: null, ca: () => ca }
  return createHost(address, context.io.now)
}
