/**
 * What `hakuriver login` keeps: `credentials.json` in this user's directory, a token for each host that was logged in
 * to. Each is shown to the very host that it is kept for, and to no other.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { makePrivateDir, writeFileAtomic } from '../platform/files.ts'
import { readIfThere } from './foreign-file.ts'

/** One login. */
export interface Credential {
  token: string
  user: string
  /** The certificate of the host's own authority, PEM; null: plain HTTP, or an authority that this machine trusts. */
  ca: string | null
}

export interface Credentials {
  /** By the host's URL, without a slash at its end. */
  hosts: Readonly<Record<string, Credential>>
  /** The host that a command goes to that is told of none. */
  default: string | null
}

export const noCredentials: Credentials = { hosts: {}, default: null }

export function credentialsPath(home: string): string {
  return join(home, 'credentials.json')
}

/** Reads the file; where there is none, nobody has logged in. @throws AppError where others can read it, or it is broken */
export function readCredentials(home: string): Credentials {
  const path = credentialsPath(home)
  const text = readIfThere(path)
  if (text === null) return noCredentials
  if ((statSync(path).mode & 0o077) !== 0)
    throw new AppError('not_permitted', `others can read ${path}, which holds your tokens`, {
      details: {
        fix: `Run chmod 600 ${path}; where others may have seen it, log in anew and revoke the old tokens: hakuriver token list.`,
      },
    })
  const parsed = parse(text)
  if (parsed !== null) return parsed
  throw new AppError('invalid_request', `${path} is not what hakuriver login has written`, {
    details: { fix: 'Remove the file, and log in again.' },
  })
}

/** Writes it whole or not at all, for its owner alone. */
export async function writeCredentials(home: string, credentials: Credentials): Promise<void> {
  await makePrivateDir(home)
  const text = `${JSON.stringify(credentials, null, 2)}\n`
  await writeFileAtomic(credentialsPath(home), text, { mode: 0o600, sync: true })
}

/** With one login more, which commands go to from now on. */
export function withLogin(before: Credentials, url: string, login: Credential): Credentials {
  return { hosts: { ...before.hosts, [url]: login }, default: url }
}

/** Without one. Where it was the one that commands go to, the only other takes its place. */
export function withoutLogin(before: Credentials, url: string): Credentials {
  const { [url]: _, ...hosts } = before.hosts
  const [first, ...more] = Object.keys(hosts)
  const other = first !== undefined && more.length === 0 ? first : null
  return { hosts, default: before.default === url ? other : before.default }
}

/** The login to that very host; null: there is none. */
export function loginAt({ hosts }: Credentials, url: string): Credential | null {
  return Object.hasOwn(hosts, url) ? (hosts[url] ?? null) : null
}

function parse(text: string): Credentials | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!isRecord(value) || !isRecord(value.hosts)) return null
  const hosts: Record<string, Credential> = {}
  for (const [url, login] of Object.entries(value.hosts)) {
    if (!isCredential(login)) return null
    hosts[url] = { token: login.token, user: login.user, ca: login.ca }
  }
  const wanted = value.default ?? null
  if (wanted !== null && typeof wanted !== 'string') return null
  return { hosts, default: wanted !== null && Object.hasOwn(hosts, wanted) ? wanted : null }
}

function isCredential(value: unknown): value is Credential {
  if (!isRecord(value)) return false
  const { token, user, ca } = value
  return typeof token === 'string' && typeof user === 'string' && (ca === null || typeof ca === 'string')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
