/** Finds the host and the token to show it, and says where each was found. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isLoopback } from '../core/address.ts'
import { AppError } from '../core/errors.ts'
import type { Io } from '../platform/io.ts'
import { unitDir } from '../platform/system-service.ts'
import { type Credential, credentialsPath, loginAt, readCredentials } from './credentials.ts'
import { isForeignDirectory, readIfThere } from './foreign-file.ts'
import { homeInUnit, unitFileOf, unitMark } from './service-unit.ts'

/** Where the host is, and what to show it. */
export interface HostAddress {
  /** Without a slash at the end. */
  url: string
  /** Where the URL comes from, for messages: "--host", "HAKURIVER_HOST_URL", a file, "the default". */
  urlFrom: string
  token: string | null
  /**
   * By what a host that speaks TLS is known now: PEM of authorities; null: by what this machine trusts. Read anew for
   * each connection: a command may go on for longer than an authority.
   */
  ca: () => string | null
  /** One sentence on why there is no token, or that others can read it. */
  tokenNote: string | null
}

export interface AddressOptions {
  host?: string | undefined
  /** The configuration file; it has to be there. */
  config?: string | undefined
  tokenFile?: string | undefined
  caFile?: string | undefined
}

const defaultUrl = 'http://127.0.0.1:8000'

/** The directory of this user's state: `$HAKURIVER_HOME`, or `~/.hakuriver`. */
export function hakuriverHome(io: Pick<Io, 'env' | 'userHome'>): string {
  return io.env.HAKURIVER_HOME || join(io.userHome, '.hakuriver')
}

/**
 * The URL: `--host`, then `HAKURIVER_HOST_URL`, then what was named in another way (`HAKURIVER_HOST_REACHABLE_ADDRESS`,
 * or the file of `--config` or `HAKURIVER_CONFIG`), then `host.json` (written by a host of this machine), then the host
 * of the newest `hakuriver login`, then `config.toml`, then the default. The token: `--token-file`, then
 * `HAKURIVER_TOKEN`, then that of the login to this very URL, then `admin-token`. The last two belong to one host each
 * and are shown to no other.
 */
export async function findHost(
  options: AddressOptions,
  io: Pick<Io, 'env' | 'userHome'>,
): Promise<HostAddress> {
  const home = homeOfHost(io)
  const own = ownHost(home)
  const named = namedUrl(options, io) ?? (await namedConfig(options, io, home))
  const logins = readCredentials(home)
  const byLogin = logins.default === null ? null : { url: logins.default, from: credentialsPath(home) }
  const { url, from } = named ??
    own ??
    byLogin ??
    (await ownConfig(io, home)) ?? { url: defaultUrl, from: 'the default' }
  const normal = normalUrl(url, from)
  const login = loginAt(logins, normal)
  const isOwn = isOwnHost(normal, own, named !== null || byLogin !== null)
  const file = options.caFile ?? (io.env.HAKURIVER_CA_FILE || null)
  const ca = () => findCa({ file, url: normal, home, own, login })
  return { url: normal, urlFrom: from, ca, ...findToken(options, io, home, { login, isOwn }) }
}

/** Is it this machine's own host, whose admin token lies here? Of one that is named nothing but its address tells. */
function isOwnHost(url: string, own: { url: string; from: string } | null, isElsewhere: boolean): boolean {
  if (own !== null) return url === normalUrl(own.url, own.from)
  return !isElsewhere || isLoopback(new URL(url).hostname)
}

/** Root has the host of the machine at hand, where that is installed with a state of its own and root has none. */
function homeOfHost(io: Pick<Io, 'env' | 'userHome'>): string {
  const home = hakuriverHome(io)
  if (io.env.HAKURIVER_HOME || process.getuid?.() !== 0 || existsSync(join(home, 'host.json'))) return home
  const unit = readIfThere(join(unitDir, unitFileOf('host')))
  return (unit?.startsWith(unitMark) ? homeInUnit(unit) : null) ?? home
}

function namedUrl(options: AddressOptions, io: Pick<Io, 'env'>): { url: string; from: string } | null {
  if (options.host !== undefined) return { url: options.host, from: '--host' }
  const fromEnv = io.env.HAKURIVER_HOST_URL
  return fromEnv ? { url: fromEnv, from: 'HAKURIVER_HOST_URL' } : null
}

function ownHost(home: string): { url: string; from: string; caFile: string | null } | null {
  const from = join(home, 'host.json')
  const text = readIfThere(from)
  if (text === null) return null
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && 'url' in parsed && typeof parsed.url === 'string') {
      const caFile = 'caFile' in parsed && typeof parsed.caFile === 'string' ? parsed.caFile : null
      return { url: parsed.url, from, caFile }
    }
  } catch {
    // Not JSON: said below as for any other content that has no URL.
  }
  throw new AppError('invalid_request', `cannot find the host's URL in ${from}`, {
    details: { fix: 'Remove the file, or start the host again: it writes it anew.' },
  })
}

async function namedConfig(
  options: AddressOptions,
  io: Pick<Io, 'env'>,
  home: string,
): Promise<{ url: string; from: string } | null> {
  const path = options.config ?? (io.env.HAKURIVER_CONFIG || null)
  if (path === null && !io.env.HAKURIVER_HOST_REACHABLE_ADDRESS) return null
  return readConfig(path, io, home)
}

async function ownConfig(io: Pick<Io, 'env'>, home: string): Promise<{ url: string; from: string } | null> {
  if (isForeignDirectory(home)) return null // an installed host has its configuration in /etc
  if (!io.env.HAKURIVER_HOST_PORT && !existsSync(join(home, 'config.toml'))) return null
  return readConfig(null, io, home)
}

async function readConfig(
  path: string | null,
  io: Pick<Io, 'env'>,
  home: string,
): Promise<{ url: string; from: string } | null> {
  const { configuredUrl } = await import('./config-file.ts')
  return configuredUrl(path, { ...io.env, HAKURIVER_HOME: home })
}

/** As URLs of hosts are compared and kept. @throws AppError `invalid_request` */
export function normalUrl(text: string, from: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${schemeFor(text)}://${text}`
  if (!URL.canParse(withScheme) || !/^https?:/i.test(withScheme)) {
    throw new AppError('invalid_request', `"${text}" (from ${from}) is not the URL of a host`, {
      details: { fix: 'Write it like https://192.168.1.10:8000.' },
    })
  }
  const url = new URL(withScheme)
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}`
}

/** A host speaks TLS off loopback unless somebody has switched that off. */
function schemeFor(text: string): 'http' | 'https' {
  const { hostname } = URL.parse(`http://${text}`) ?? { hostname: '' }
  return isLoopback(hostname) ? 'http' : 'https'
}

/**
 * By what the host is known: a file that was named, then what the host of this machine has left, then what a login or
 * the join of this machine has.
 */
function findCa({ file, url, home, own, login }: CaSources): string | null {
  if (!url.startsWith('https:')) return null
  if (file !== null) {
    const named = readIfThere(file)
    if (named === null) throw new AppError('invalid_request', `there is no file ${file} with authorities`)
    return named
  }
  // the name of a file that somebody else has written leads root nowhere
  if (own !== null && own.caFile !== null && own.url === url)
    return readIfThere(isForeignDirectory(home) ? join(home, 'ca', 'ca.pem') : own.caFile)
  return login?.ca ?? caOfJoin(home, url)
}

interface CaSources {
  file: string | null
  url: string
  home: string
  own: { url: string; caFile: string | null } | null
  login: Credential | null
}

/** On a machine that has joined, its user can know the host as its runner does. */
function caOfJoin(home: string, url: string): string | null {
  const identity = join(home, 'runner', 'identity')
  return jsonIn(join(identity, 'node.json'))?.url === url ? readIfThere(join(identity, 'ca.pem')) : null
}

/** null: it is not there, or no JSON object. */
function jsonIn(path: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(readIfThere(path) ?? 'null')
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : null
  } catch {
    return null
  }
}

function findToken(
  options: AddressOptions,
  io: Pick<Io, 'env' | 'userHome'>,
  home: string,
  { login, isOwn }: { login: Credential | null; isOwn: boolean },
): Pick<HostAddress, 'token' | 'tokenNote'> {
  if (options.tokenFile !== undefined) return readToken(options.tokenFile, true)
  const fromEnv = io.env.HAKURIVER_TOKEN
  if (fromEnv) return { token: fromEnv.trim(), tokenNote: null }
  if (login !== null) return { token: login.token, tokenNote: null }
  const path = join(home, 'admin-token')
  if (isOwn) return readToken(path, false)
  const why = existsSync(path) ? `${path} is for this machine's own host, and was not sent to another` : null
  return { token: null, tokenNote: why ?? 'you are not logged in there' }
}

function readToken(path: string, mustExist: boolean): Pick<HostAddress, 'token' | 'tokenNote'> {
  const text = readIfThere(path)
  if (text === null) {
    if (mustExist) throw new AppError('invalid_request', `there is no token file ${path}`)
    return { token: null, tokenNote: `there is no ${path}` }
  }
  const isOpen = (statSync(path).mode & 0o077) !== 0
  return { token: text.trim(), tokenNote: isOpen ? `others can read ${path}: run chmod 600 ${path}` : null }
}
