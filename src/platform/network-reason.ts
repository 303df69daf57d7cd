/** Node's codes of failed verifications (node:tls, "X509 certificate error codes"), and of what speaks no TLS. */
const untrusted =
  'it shows a certificate that this machine does not trust: log in or join again with a new invitation, or name the authority of the host by HAKURIVER_CA_FILE'
const untrustedCodes = [
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_CHAIN_TOO_LONG',
  'CERT_REVOKED',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
]
const tlsReasons: Record<string, string> = {
  ...Object.fromEntries(untrustedCodes.map((code) => [code, untrusted])),
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for other names than this address: use one of these, or log in by an invitation',
  CERT_HAS_EXPIRED: 'its certificate is over, or the clock of this machine is ahead',
  CERT_NOT_YET_VALID: 'its certificate does not hold yet: the clock of this machine is behind',
  EPROTO: 'it does not speak TLS as we do: is it http:// instead of https://?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it speaks plain HTTP: use http:// in the address',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it speaks plain HTTP: use http:// in the address',
}

/** Did the host fail to prove who it is? */
export function isUntrusted(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && distrust.has(error.code)
}

const distrust: ReadonlySet<string> = new Set([
  ...untrustedCodes,
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
])

/** What an error of the network means, in words. */
const reasons: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ENOTFOUND: 'there is no machine of that name',
  EAI_AGAIN: 'the name could not be looked up',
  EHOSTUNREACH: 'no way to that machine',
  ENETUNREACH: 'no way to that network',
  ETIMEDOUT: 'no answer',
  ...tlsReasons,
}

/** The reason behind a failed connection, in words without capital and full stop. */
export function networkReason(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return reasons[code] ?? error.message
}
