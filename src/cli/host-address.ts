/** Finds the host and the token to show it, and says where each was found. */
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AppError } from '../core/errors.ts'
import type { Io } from '../platform/io.ts'
import { unitDir } from '../platform/system-service.ts'
import { homeInUnit, unitFileOf, unitMark } from './service-unit.ts'

/** Where the host is, and what to show it. */
export interface HostAddress {
  /** Without a slash at the end. */
  url: string
  /** Where the URL comes from, for messages: "--host", "HAKURIVER_HOST_URL", a file, "the default". */
  urlFrom: string
  token: string | null
  /** One sentence on why there is no token, or that others can read it. */
  tokenNote: string | null
}

export interface AddressOptions {
  host?: string | undefined
  /** The configuration file; it has to be there. */
  config?: string | undefined
  tokenFile?: string | undefined
}

const defaultUrl = 'http://127.0.0.1:8000'

/** The directory of this user's state: `$HAKURIVER_HOME`, or `~/.hakuriver`. */
export function hakuriverHome(io: Pick<Io, 'env' | 'userHome'>): string {
  return io.env.HAKURIVER_HOME || join(io.userHome, '.hakuriver')
}

/**
 * The URL: `--host`, then `HAKURIVER_HOST_URL`, then what was named in another way (`HAKURIVER_HOST_REACHABLE_ADDRESS`,
 * or the file of `--config` or `HAKURIVER_CONFIG`), then `host.json` (written by a host of this machine), then
 * `config.toml`, then the default. The token: `--token-file`, then `HAKURIVER_TOKEN`, then `admin-token`; that last
 * one belongs to this machine's own host and is not shown to another.
 */
export async function findHost(
  options: AddressOptions,
  io: Pick<Io, 'env' | 'userHome'>,
): Promise<HostAddress> {
  const home = homeOfHost(io)
  const own = ownHost(home)
  const named = namedUrl(options, io) ?? (await namedConfig(options, io, home))
  const { url, from } = named ??
    own ??
    (await ownConfig(io, home)) ?? { url: defaultUrl, from: 'the default' }
  const normal = normalUrl(url, from)
  const isForeign = named !== null && own !== null && normal !== normalUrl(own.url, own.from)
  return { url: normal, urlFrom: from, ...findToken(options, io, home, isForeign) }
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

function ownHost(home: string): { url: string; from: string } | null {
  const from = join(home, 'host.json')
  const text = readIfThere(from)
  if (text === null) return null
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && 'url' in parsed && typeof parsed.url === 'string') {
      return { url: parsed.url, from }
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

function normalUrl(text: string, from: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  if (!URL.canParse(withScheme) || !/^https?:/i.test(withScheme)) {
    throw new AppError('invalid_request', `"${text}" (from ${from}) is not the URL of a host`, {
      details: { fix: 'Write it like http://192.168.1.10:8000.' },
    })
  }
  const url = new URL(withScheme)
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}`
}

function findToken(
  options: AddressOptions,
  io: Pick<Io, 'env'>,
  home: string,
  isForeign: boolean,
): Pick<HostAddress, 'token' | 'tokenNote'> {
  if (options.tokenFile !== undefined) return readToken(options.tokenFile, true)
  const fromEnv = io.env.HAKURIVER_TOKEN
  if (fromEnv) return { token: fromEnv.trim(), tokenNote: null }
  const path = join(home, 'admin-token')
  if (!isForeign) return readToken(path, false)
  return { token: null, tokenNote: `${path} is for this machine's own host, and was not sent to another` }
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

/**
 * What lies in a directory of somebody else is read by root only as that one's own plain file: a link in its place
 * would have root read another file, and send it as a token.
 */
function readIfThere(path: string): string | null {
  try {
    const file = openSync(path, constants.O_RDONLY | (process.getuid?.() === 0 ? rootFlags(path) : 0))
    try {
      if (isForeign(file, path))
        throw new AppError('not_permitted', `${path} is not of the owner of its directory`)
      return readFileSync(file, 'utf8')
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw new AppError('not_permitted', `cannot read ${path} (${String(code)})`)
  }
}

function rootFlags(path: string): number {
  return ownerOfDirectory(path) === 0 ? 0 : constants.O_NOFOLLOW | constants.O_NONBLOCK
}

function isForeign(file: number, path: string): boolean {
  const owner = ownerOfDirectory(path)
  if (process.getuid?.() !== 0 || owner === 0) return false
  const found = fstatSync(file)
  return !found.isFile() || found.uid !== owner
}

/** Root, where there is no such directory. */
function ownerOfDirectory(path: string): number {
  return statSync(dirname(path), { throwIfNoEntry: false })?.uid ?? 0
}
