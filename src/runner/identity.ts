/**
 * Who this runner is to a host that it has joined: its key, its certificate, and the authorities by which it knows the
 * host. The files are read anew for each dial, so that another join counts at once.
 */
import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto'
import { readFileSync, renameSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { makePrivateDir, readTextIfThere, syncDirectory, writeFileAtomic } from '../platform/files.ts'
import { pinnedTls } from '../platform/tls-pin.ts'
import type { DialTls } from '../platform/wire.ts'

/** What a join has come to, besides the secrets. */
export interface NodeFile {
  node: string
  nodeId: string
  /** Where the host was reached. */
  url: string
}

export interface Identity extends NodeFile {
  key: string
  cert: string
  ca: string
  notBeforeMs: number
  notAfterMs: number
}

function identityDir(stateDir: string): string {
  return join(stateDir, 'identity')
}

const names = { key: 'key.pem', nextKey: 'next-key.pem', cert: 'cert.pem', ca: 'ca.pem', node: 'node.json' }

/** Name and host of the node that this state directory has joined as; null: it has not. */
export function readNodeFile(stateDir: string): NodeFile | null {
  const path = join(identityDir(stateDir), names.node)
  const text = readIfThere(path)
  if (text === null) return null
  try {
    const { node, nodeId, url } = JSON.parse(text) as Record<string, unknown>
    if (typeof node === 'string' && typeof nodeId === 'string' && typeof url === 'string')
      return { node, nodeId, url }
  } catch {
    // said below
  }
  throw broken(stateDir)
}

/** @throws AppError `conflict` where a part of it is missing or does not fit */
export function readIdentity(stateDir: string): Identity | null {
  const file = readNodeFile(stateDir)
  if (file === null) return null
  const dir = identityDir(stateDir)
  const [cert, ca] = [names.cert, names.ca].map((name) => readIfThere(join(dir, name)))
  if (typeof cert !== 'string' || typeof ca !== 'string') throw broken(stateDir)
  try {
    const certificate = new X509Certificate(cert)
    const key = keyFor(certificate, dir)
    if (key === null) throw broken(stateDir)
    const [notBeforeMs, notAfterMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
    return { ...file, key, cert, ca, notBeforeMs, notAfterMs }
  } catch (error) {
    throw error instanceof AppError ? error : broken(stateDir)
  }
}

/**
 * What is shown to the host now, and by what it is known; null: this runner has not joined by a certificate, or its host
 * speaks plain HTTP now.
 */
export function dialTls({ stateDir, hostUrl }: { stateDir: string; hostUrl: string }): DialTls | null {
  if (!hostUrl.startsWith('https:')) return null
  const identity = readIdentity(stateDir)
  if (identity === null) return null
  const { key, cert, ca } = identity
  return { ...pinnedTls(ca), key, cert }
}

/** Gets a certificate for a key, which is on disk before anybody is asked for one. Where that fails it is gone again. */
export async function withNextKey<T>(stateDir: string, key: string, get: () => Promise<T>): Promise<T> {
  const path = join(identityDir(stateDir), names.nextKey)
  await makePrivateDir(identityDir(stateDir))
  await writeFileAtomic(path, key, { mode: 0o600, sync: true })
  try {
    return await get()
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

/** Puts a certificate in place, and with it the next key. After a crash in between, that key is found by its certificate. */
export async function writeIdentity(
  stateDir: string,
  { cert, ca, ...file }: NodeFile & { cert: string; ca: string },
): Promise<void> {
  const dir = identityDir(stateDir)
  const write = (name: string, text: string) =>
    writeFileAtomic(join(dir, name), text, { mode: 0o600, sync: true })
  await write(names.ca, ca)
  await write(names.cert, cert)
  await rename(join(dir, names.nextKey), join(dir, names.key))
  await syncDirectory(dir)
  await write(names.node, `${JSON.stringify(file)}\n`)
}

/** Made once per state directory: a host that sees another one knows that this one's records are gone. */
export async function readRunnerId(stateDir: string): Promise<string> {
  const path = join(stateDir, 'runner-id')
  const known = (await readTextIfThere(path))?.trim()
  if (known) return known
  const made = randomUUID()
  await writeFileAtomic(path, `${made}\n`, { sync: true })
  return made
}

/** null: none of the keys here is that of the certificate. */
function keyFor(certificate: X509Certificate, dir: string): string | null {
  const fits = (pem: string | null) => pem !== null && certificate.checkPrivateKey(createPrivateKey(pem))
  const key = readIfThere(join(dir, names.key))
  if (fits(key)) return key
  const next = readIfThere(join(dir, names.nextKey))
  if (!fits(next)) return null
  renameSync(join(dir, names.nextKey), join(dir, names.key))
  return next
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new AppError('not_permitted', `cannot read ${path}: ${String(error)}`)
  }
}

function broken(stateDir: string): AppError {
  return new AppError(
    'conflict',
    `the identity in ${identityDir(stateDir)} is not whole: join again with a new invitation (hakuriver join)`,
  )
}
