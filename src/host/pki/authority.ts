/**
 * The cluster's own certificate authority: made at the first start, kept in files that only the host's user can read.
 * While it is changed for another one, there are two, and both are trusted.
 */
import { createPublicKey, X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../core/errors.ts'
import { authorityName, fingerprintOf, nodeUri } from '../../platform/certificates.ts'
import { readTextIfThere, writeFileAtomic } from '../../platform/files.ts'
import type { Log } from '../../platform/log.ts'
import {
  type Issuer,
  keyOfRequest,
  makeAuthority,
  makeClientCertificate,
  makePrivateKey,
  makeServerCertificate,
} from '../../platform/x509.ts'

const dayMs = 24 * 3_600_000
const authorityDays = 3650
const hostDays = 365
/** Of a node's certificate, where nothing else is asked for. */
export const nodeDays = 90
/** The clocks of other machines may be behind. */
const earlierMs = dayMs

/** One authority. */
export interface AuthorityRecord extends Issuer {
  fingerprint: string
  parsed: X509Certificate
}

export interface HostCertificate {
  /** With that of the authority behind it, so that a newcomer can compare its fingerprint (RFC 8446, section 4.4.2). */
  chain: string
  privateKey: string
  parsed: X509Certificate
}

export type HostName = { type: 'dns' | 'ip'; value: string }

export class Authority {
  /** Certificates of all that are trusted, for commands on this machine. */
  readonly caFile: string
  private readonly dir: string
  private readonly log: Log
  private first: AuthorityRecord
  private second: AuthorityRecord | null

  private constructor(dir: string, log: Log, first: AuthorityRecord, second: AuthorityRecord | null) {
    this.dir = dir
    this.log = log
    this.caFile = join(dir, 'ca.pem')
    this.first = first
    this.second = second
  }

  /** Takes up what is in the directory, or makes it. @throws AppError `conflict` where a part of it is missing */
  static async open(dir: string, nowMs: number, log: Log): Promise<Authority> {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    chmodSync(dir, 0o700)
    const names = namesIn(await readTextIfThere(join(dir, 'state.json')), dir)
    if (names === null) {
      const made = await makeIn(dir, nowMs)
      const authority = new Authority(dir, log, made, null)
      await authority.save()
      log.info({ dir, fingerprint: made.fingerprint }, 'Made the authority for certificates of this cluster')
      return authority
    }
    const second = names.next === null ? null : await readFrom(dir, names.next)
    const authority = new Authority(dir, log, await readFrom(dir, names.current), second)
    await authority.save()
    return authority
  }

  /** It signs the host's own certificate, and invitations name it. */
  get current(): AuthorityRecord {
    return this.first
  }

  /** The one that takes its place; null: no change goes on. */
  get next(): AuthorityRecord | null {
    return this.second
  }

  /** It signs the certificates of nodes. */
  get newest(): AuthorityRecord {
    return this.second ?? this.first
  }

  get trusted(): AuthorityRecord[] {
    return this.second === null ? [this.first] : [this.first, this.second]
  }

  /** Certificates of all that are trusted. */
  get bundle(): string {
    return this.trusted.map(({ certificate }) => `${certificate.trim()}\n`).join('')
  }

  /** Begins a change: from now on certificates of nodes are signed by a new one. @throws AppError `conflict` */
  async rotate(nowMs: number): Promise<void> {
    if (this.second !== null)
      throw new AppError('conflict', 'the authority is being changed already: hakuriver ca finish ends that')
    this.second = await makeIn(this.dir, nowMs)
    await this.save()
    this.log.info(
      { fingerprint: this.second.fingerprint },
      'Made a second authority: nodes get certificates of it',
    )
  }

  /** Ends the change: the old one is trusted no more, and its key is gone. @throws AppError `conflict` */
  async finish(): Promise<void> {
    if (this.second === null)
      throw new AppError('conflict', 'no change of the authority goes on: hakuriver ca rotate begins one')
    const { fingerprint } = this.first
    this.first = this.second
    this.second = null
    await this.save()
    for (const end of ['key', 'pem']) rmSync(fileOf(this.dir, fingerprint, end), { force: true })
    this.log.info(
      { fingerprint: this.first.fingerprint },
      'The new authority has taken the place of the old one',
    )
  }

  /** A certificate for this host, with a key of its own that is never on disk. */
  async hostCertificate(names: readonly HostName[], nowMs: number): Promise<HostCertificate> {
    const privateKey = makePrivateKey()
    const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString()
    const certificate = await makeServerCertificate(this.first, publicKey, names, validFor(hostDays, nowMs))
    return {
      chain: `${certificate.trim()}\n${this.first.certificate.trim()}\n`,
      privateKey,
      parsed: new X509Certificate(certificate),
    }
  }

  /** A certificate for the key of a request. @throws AppError `invalid_request` where that cannot be read */
  async nodeCertificate(
    request: string,
    { node, nodeId }: { node: string; nodeId: string },
    nowMs: number,
    days: number = nodeDays,
  ): Promise<{ certificate: string; authority: string; expiresAtMs: number }> {
    const publicKey = await keyOfRequest(request)
    const validity = validFor(days, nowMs)
    const subject = { name: node, uri: nodeUri(nodeId) }
    const { newest } = this
    const certificate = await makeClientCertificate(newest, publicKey, subject, validity)
    return { certificate, authority: newest.fingerprint, expiresAtMs: validity.notAfterMs }
  }

  private async save(): Promise<void> {
    const state = { current: this.first.fingerprint, next: this.second?.fingerprint ?? null }
    await writeFileAtomic(join(this.dir, 'state.json'), `${JSON.stringify(state)}\n`, { sync: true })
    await writeFileAtomic(this.caFile, this.bundle, { sync: true })
  }
}

function validFor(days: number, nowMs: number): { notBeforeMs: number; notAfterMs: number } {
  return { notBeforeMs: nowMs - earlierMs, notAfterMs: nowMs + days * dayMs }
}

function fileOf(dir: string, fingerprint: string, end: string): string {
  return join(dir, `authority-${fingerprint}.${end}`)
}

/** Key and certificate are on disk before anything names them. */
async function makeIn(dir: string, nowMs: number): Promise<AuthorityRecord> {
  const privateKey = makePrivateKey()
  const certificate = await makeAuthority(privateKey, authorityName, validFor(authorityDays, nowMs))
  const fingerprint = fingerprintOf(certificate)
  await writeFileAtomic(fileOf(dir, fingerprint, 'key'), privateKey, { mode: 0o600, sync: true })
  await writeFileAtomic(fileOf(dir, fingerprint, 'pem'), certificate, { mode: 0o600, sync: true })
  return { privateKey, certificate, fingerprint, parsed: new X509Certificate(certificate) }
}

async function readFrom(dir: string, fingerprint: string): Promise<AuthorityRecord> {
  const privateKey = await readTextIfThere(fileOf(dir, fingerprint, 'key'))
  const certificate = await readTextIfThere(fileOf(dir, fingerprint, 'pem'))
  if (privateKey === null || certificate === null) throw broken(dir)
  const parsed = new X509Certificate(certificate)
  if (fingerprintOf(parsed) !== fingerprint) throw broken(dir)
  return { privateKey, certificate, fingerprint, parsed }
}

function namesIn(text: string | null, dir: string): { current: string; next: string | null } | null {
  if (text === null) return null
  try {
    const parsed: unknown = JSON.parse(text)
    const { current, next } = parsed as { current: unknown; next: unknown }
    if (typeof current === 'string' && (next === null || typeof next === 'string')) return { current, next }
  } catch {
    // said below
  }
  throw broken(dir)
}

function broken(dir: string): AppError {
  return new AppError(
    'conflict',
    `the authority in ${dir} is not whole: put its files back from a backup, or move the directory away, and all nodes join again`,
  )
}
