/** What a certificate says, read with Node's own means. */
import { createHash, X509Certificate } from 'node:crypto'
import type { ShownCertificate } from '../core/joining.ts'
import { isNodeName } from '../core/target.ts'

/**
 * The name by which runners and pinned commands ask for a host (Server Name Indication, RFC 6066, section 3): for it,
 * the host always shows a certificate of its own authority, whatever address it was reached at.
 */
export const internalName = 'hakuriver.internal'

/** What authorities of ours are called. */
export const authorityName = 'HakuRiver cluster'

const uriPrefix = 'urn:hakuriver:node:'

/** What stands in a node's certificate beside its name. */
export function nodeUri(nodeId: string): string {
  return `${uriPrefix}${nodeId}`
}

/** SHA-256 of a certificate's DER, base64url. */
export function fingerprintOf(certificate: X509Certificate | string): string {
  const { raw } = typeof certificate === 'string' ? new X509Certificate(certificate) : certificate
  return createHash('sha256').update(raw).digest('base64url')
}

/** The certificates of a PEM file, each as PEM. */
export function certificatesIn(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
}

/** Extended key usage of clients (RFC 5280, section 4.2.1.12). */
const clientAuth = '1.3.6.1.5.5.7.3.2'

/**
 * The node that a certificate names, and the fingerprint of the authority that signed it; null: none of these
 * authorities did so for a node, or it does not hold now. Everything is compared whole, nothing by its beginning.
 */
export function nodeOfCertificate(
  certificate: X509Certificate,
  authorities: readonly X509Certificate[],
  nowMs: number,
): ShownCertificate | null {
  const expiresAtMs = Date.parse(certificate.validTo)
  if (!(Date.parse(certificate.validFrom) <= nowMs && nowMs < expiresAtMs)) return null
  if (certificate.ca || !certificate.keyUsage?.includes(clientAuth)) return null
  const authority = authorities.find(
    (each) => certificate.checkIssued(each) && certificate.verify(each.publicKey),
  )
  if (authority === undefined) return null
  const [, node] = /^CN=([^\n]+)$/.exec(certificate.subject) ?? []
  const [, nodeId] = /^URI:urn:hakuriver:node:([0-9a-f-]{36})$/.exec(certificate.subjectAltName ?? '') ?? []
  if (node === undefined || nodeId === undefined || !isNodeName(node)) return null
  return { node, nodeId, authority: fingerprintOf(authority), expiresAtMs }
}
