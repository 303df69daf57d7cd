/**
 * Who has joined as which node, and by which secrets further machines may. Kept in memory and in the store; what is
 * revoked holds no more before anything is written.
 */
import { randomUUID } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import {
  type CertificateIdentity,
  credentialRefusal,
  isLive,
  type JoinRequest,
  joinRefusal,
  type KnownNode,
  type Refusal,
  secretRefusal,
} from '../../core/joining.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Log } from '../../platform/log.ts'
import type { NodeCertificate } from '../../protocol/schemas.ts'
import { hashOf, newSecret } from '../secret.ts'
import type { CredentialRecord, Store } from '../store/store.ts'
import type { Authority } from './authority.ts'

export interface CredentialsDeps {
  store: Pick<Store, 'joinToken' | 'addJoinTokens' | 'credentials' | 'join' | 'saveCredential'>
  authority: Authority
  /** Nodes that the cluster knows, whether or not they have joined by a secret. */
  nodes: () => Iterable<KnownNode>
  /** Told which nodes have lost their credential, and why. */
  onRevoked: (nodeIds: ReadonlySet<string>, why: string) => void
  clock: Clock
  log: Log
}

/** A used or old token is told from an unknown one for so long. */
const rememberMs = 24 * 3_600_000

export class Credentials {
  private readonly deps: CredentialsDeps
  private readonly byId: Map<string, CredentialRecord>
  /** Joins go one after the other: what is decided must hold until it is written. */
  private last: Promise<unknown> = Promise.resolve()

  private constructor(deps: CredentialsDeps, records: readonly CredentialRecord[]) {
    this.deps = deps
    this.byId = new Map(records.map((record) => [record.nodeId, record]))
  }

  static async open(deps: CredentialsDeps): Promise<Credentials> {
    return new Credentials(deps, await deps.store.credentials())
  }

  /** Makes secrets, each good once; only their hashes are kept. */
  async makeTokens(count: number, node: string | null, ttlMs: number): Promise<string[]> {
    const createdAtMs = this.deps.clock.now()
    const secrets = Array.from({ length: count }, () => newSecret('join'))
    const records = secrets.map((secret) => ({
      hash: hashOf(secret),
      node,
      createdAtMs,
      expiresAtMs: createdAtMs + ttlMs,
      usedAtMs: null,
    }))
    await this.deps.store.addJoinTokens(records, createdAtMs - rememberMs)
    return secrets
  }

  /** Makes a node of a machine. @throws AppError with why not */
  join(secret: string, csr: string, request: JoinRequest): Promise<NodeCertificate> {
    const joining = this.last.then(() => this.joinNow(secret, csr, request))
    this.last = joining.catch(() => {})
    return joining
  }

  /** A certificate for another key of a node. @throws AppError with why not */
  async renew(identity: CertificateIdentity, csr: string): Promise<NodeCertificate> {
    const { authority, clock } = this.deps
    const { node, nodeId } = identity
    const made = await authority.nodeCertificate(csr, identity, clock.now())
    const record = this.wanted(identity)
    await this.save({ ...record, expiresAtMs: Math.max(record.expiresAtMs, made.expiresAtMs) })
    return { certificate: made.certificate, ca: authority.bundle, nodeId, node }
  }

  /** Why a certificate opens nothing; null: it does. */
  refusalOf(identity: CertificateIdentity): Refusal | null {
    return credentialRefusal(identity, this.byId.get(identity.nodeId))
  }

  /** The runner that a node's credential was made for; null: there is none. */
  runnerOf(nodeId: string): string | null {
    return this.byId.get(nodeId)?.runnerId ?? null
  }

  /** A node has linked with a certificate of that authority. */
  async shown(identity: CertificateIdentity & { authority: string }): Promise<void> {
    const record = this.byId.get(identity.nodeId)
    if (record === undefined || record.authority === identity.authority) return
    await this.save({ ...record, authority: identity.authority })
  }

  /** Takes back what a node has. @returns whether there was something that still held */
  async revoke(node: string, why: string): Promise<boolean> {
    const held = this.live().filter((record) => record.node === node)
    const revokedAtMs = this.deps.clock.now()
    const revoked = held.map((record) => ({ ...record, revokedAtMs }))
    for (const record of revoked) this.byId.set(record.nodeId, record)
    if (revoked.length > 0) this.deps.onRevoked(new Set(revoked.map(({ nodeId }) => nodeId)), why)
    for (const record of revoked) await this.deps.store.saveCredential(record)
    return revoked.length > 0
  }

  /** Credentials that still hold. */
  live(): CredentialRecord[] {
    const nowMs = this.deps.clock.now()
    return [...this.byId.values()].filter((record) => isLive(record, nowMs))
  }

  private async joinNow(secret: string, csr: string, request: JoinRequest): Promise<NodeCertificate> {
    const { store, authority, clock, nodes, onRevoked, log } = this.deps
    const tokenHash = hashOf(secret)
    const token = await store.joinToken(tokenHash)
    const atMs = clock.now()
    const refusal = secretRefusal(secret) ?? joinRefusal(request, token, this.byId.values(), nodes(), atMs)
    if (refusal !== null) throw new AppError(refusal.code, refusal.message)
    const { node, runnerId } = request
    const nodeId = randomUUID()
    const made = await authority.nodeCertificate(csr, { node, nodeId }, atMs)
    const credential: CredentialRecord = {
      nodeId,
      node,
      runnerId,
      authority: made.authority,
      createdAtMs: atMs,
      expiresAtMs: made.expiresAtMs,
      revokedAtMs: null,
    }
    const replaced = this.live().filter((record) => record.node === node)
    const replacedIds = replaced.map((record) => record.nodeId)
    await store.join({ tokenHash, atMs, credential, replaced: replacedIds })
    for (const record of replaced) this.byId.set(record.nodeId, { ...record, revokedAtMs: atMs })
    this.byId.set(nodeId, credential)
    if (replaced.length > 0) onRevoked(new Set(replacedIds), `another machine has joined as ${node}`)
    log.info({ node, nodeId, replaced: replacedIds.length }, 'A machine has joined')
    return { certificate: made.certificate, ca: authority.bundle, nodeId, node }
  }

  /** It may have been revoked while its certificate was made. */
  private wanted(identity: CertificateIdentity): CredentialRecord {
    const refusal = this.refusalOf(identity)
    const record = this.byId.get(identity.nodeId)
    if (refusal === null && record !== undefined) return record
    throw new AppError(refusal?.code ?? 'unauthenticated', refusal?.message ?? 'this node is not known')
  }

  /** In memory first: what is revoked while this is written stays so. */
  private async save(record: CredentialRecord): Promise<void> {
    this.byId.set(record.nodeId, record)
    await this.deps.store.saveCredential(record)
  }
}
