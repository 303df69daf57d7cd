/** Who may join as which node: pure. What the store holds of tokens and credentials comes in, and the time. */
import type { ErrorCode } from './errors.ts'
import { isNodeName } from './target.ts'

/** A secret by which one machine may join, once. */
export interface JoinToken {
  /** The only name that it is good for; null: any that is free. */
  node: string | null
  expiresAtMs: number
  /** null: not yet. */
  usedAtMs: number | null
}

/** What the host keeps of a node that has joined. */
export interface NodeCredential {
  nodeId: string
  node: string
  /** Of the runner's state directory: no other one may use the certificate. */
  runnerId: string
  /** Fingerprint of the authority whose certificate the node has shown last. */
  authority: string
  /** End of that certificate. */
  expiresAtMs: number
  /** null: it holds. */
  revokedAtMs: number | null
}

export interface JoinRequest {
  node: string
  runnerId: string
}

/** What the host knows of nodes besides their credentials. */
export interface KnownNode {
  node: string
  runnerId: string
}

export interface Refusal {
  code: ErrorCode
  message: string
}

/** Why a secret is of another kind than those by which machines join; null: it is of that kind. */
export function secretRefusal(secret: string): Refusal | null {
  const [, kind] = /^hakuriver_([a-z]{1,20})_/.exec(secret) ?? []
  if (kind === 'join') return null
  return refuse(
    'unauthenticated',
    kind === undefined
      ? 'this is no invitation of a host: ask for one (hakuriver join-token)'
      : `this is a secret of the kind "${kind}", and not for machines: ask for an invitation to join (hakuriver join-token)`,
  )
}

/** Why a machine may not join; null: it may. `token` null: the secret is none of this host. */
export function joinRefusal(
  { node, runnerId }: JoinRequest,
  token: JoinToken | null,
  credentials: Iterable<NodeCredential>,
  nodes: Iterable<KnownNode>,
  nowMs: number,
): Refusal | null {
  const again = 'ask for a new one (hakuriver join-token)'
  if (token === null) return refuse('unauthenticated', `this invitation is not one of this host: ${again}`)
  if (token.usedAtMs !== null) return refuse('unauthenticated', `this invitation was used: ${again}`)
  if (token.expiresAtMs <= nowMs) return refuse('unauthenticated', `this invitation is too old: ${again}`)
  if (!isNodeName(node))
    return refuse('invalid_request', `"${node}" cannot be the name of a node: use letters, digits, - and .`)
  if (token.node !== null && token.node !== node)
    return refuse(
      'not_permitted',
      `this invitation is for node ${token.node}, not for ${node}: say --name ${token.node}`,
    )
  const held = [...credentials].filter((credential) => isLive(credential, nowMs))
  const known = [...nodes]
  const isTaken = [...held, ...known].some((other) => other.node === node)
  if (isTaken && token.node === null)
    return refuse(
      'conflict',
      `there is a node ${node} already: give this machine another name (--name), or let an admin make an invitation for that very node (hakuriver join-token --node ${node}) or remove it`,
    )
  // by its runner's id the host tells whose reports are whose
  const other = [...held, ...known].find((one) => one.runnerId === runnerId && one.node !== node)
  if (other !== undefined)
    return refuse(
      'conflict',
      `this machine is known as node ${other.node} already: an admin has to remove that node first (hakuriver node remove ${other.node})`,
    )
  return null
}

/** Does it still open the link? */
export function isLive({ revokedAtMs, expiresAtMs }: NodeCredential, nowMs: number): boolean {
  return revokedAtMs === null && expiresAtMs > nowMs
}

/** What a certificate says, by its signature, of who shows it. */
export interface CertificateIdentity {
  nodeId: string
  node: string
}

/** A certificate of a node that was shown, and whose signature holds. */
export interface ShownCertificate extends CertificateIdentity {
  /** Fingerprint of the authority that signed it. */
  authority: string
  expiresAtMs: number
}

/** Why a certificate opens nothing; null: it does. All is compared exactly. */
export function credentialRefusal(
  { nodeId, node }: CertificateIdentity,
  credential: NodeCredential | undefined,
): Refusal | null {
  if (credential === undefined || credential.nodeId !== nodeId || credential.node !== node)
    return refuse(
      'unauthenticated',
      `the certificate of node ${node} is not one that this host knows: join again (hakuriver join)`,
    )
  if (credential.revokedAtMs !== null)
    return refuse(
      'not_permitted',
      `the credential of node ${node} was revoked: join again with an invitation for it (hakuriver join-token --node ${node})`,
    )
  return null
}

/** Is a certificate to be made anew? At two thirds of its life. */
export function isRenewalDue(notBeforeMs: number, notAfterMs: number, nowMs: number): boolean {
  return nowMs >= notBeforeMs + ((notAfterMs - notBeforeMs) * 2) / 3
}

function refuse(code: ErrorCode, message: string): Refusal {
  return { code, message }
}
