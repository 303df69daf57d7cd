/** `hakuriver logout`: the token ends at the host, and is forgotten here. */
import { AppError, exitCodes } from '../../core/errors.ts'
import type { Context } from '../context.ts'
import {
  type Credential,
  type Credentials,
  credentialsPath,
  loginAt,
  readCredentials,
  withoutLogin,
  writeCredentials,
} from '../credentials.ts'
import { normalUrl } from '../host-address.ts'
import { createHost } from '../transport.ts'

export interface LogoutOptions {
  all: boolean
}

/** What became of one login: `revoked` at the host, known to it no more, or forgotten here alone. */
interface Outcome {
  host: string
  user: string
  token: 'revoked' | 'ended before' | 'still valid'
  why: string | null
}

/** Logs this user out of one host, or of all. Exit code 5 where a host was away: its token is valid still. */
export async function logout(word: string | null, { all }: LogoutOptions, context: Context): Promise<number> {
  const logins = readCredentials(context.home)
  const urls = all ? Object.keys(logins.hosts) : [await wanted(word, logins, context)]
  const outcomes: Outcome[] = []
  let left = logins
  for (const url of urls) {
    const login = loginAt(left, url)
    if (login === null) throw notLoggedIn(url, left)
    const outcome = await end(url, login, context)
    left = withoutLogin(left, url)
    await writeCredentials(context.home, left)
    outcomes.push(outcome)
    if (!context.json) await tell(outcome, context)
  }
  if (context.json) await context.printJson({ items: outcomes })
  else if (urls.length === 0) await context.note('You are not logged in anywhere.')
  return outcomes.some(({ token }) => token === 'still valid') ? exitCodes.hostUnreachable : exitCodes.ok
}

async function wanted(word: string | null, logins: Credentials, context: Context): Promise<string> {
  if (word !== null) return normalUrl(word, 'the command line')
  const { url } = await context.address()
  return loginAt(logins, url) === null ? (logins.default ?? url) : url
}

function notLoggedIn(url: string, { hosts }: Credentials): AppError {
  const others = Object.keys(hosts)
  const fix = others.length === 0 ? '`hakuriver login URL` logs you in.' : `You are at ${others.join(', ')}.`
  return new AppError('not_found', `you are not logged in to ${url}`, { details: { fix } })
}

async function end(host: string, login: Credential, context: Context): Promise<Outcome> {
  const { token, ca } = login
  const urlFrom = credentialsPath(context.home)
  const address = { url: host, urlFrom, token, tokenNote: null, ca: () => ca }
  const { client } = await createHost(address, context.io.now)
  try {
    const { tokenId } = await client.whoAmI({})
    if (tokenId !== null) await client.revokeToken({ params: { id: tokenId }, body: {} })
    return { host, user: login.user, token: 'revoked', why: null }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    if (error.code === 'unauthenticated') return { host, user: login.user, token: 'ended before', why: null }
    return { host, user: login.user, token: 'still valid', why: error.message }
  }
}

async function tell({ host, token, why }: Outcome, context: Context): Promise<void> {
  await context.print(`Logged out of ${host}.`)
  if (token !== 'still valid') return
  await context.note(`hakuriver: the token is forgotten here, but the host takes it still: ${why}`)
  await context.note('  Revoke it on its page Tokens, or by `hakuriver token revoke` after a new login.')
}
