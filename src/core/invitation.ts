/**
 * Invitations: one string to paste, by which a machine or a person comes to a host and knows that it is the right one.
 * `https://HOST:PORT#FINGERPRINT.SECRET`, or on this machine alone `http://127.0.0.1:8000#SECRET`. What stands behind
 * the `#` is sent to nobody before the host has shown the certificate that the fingerprint names.
 */
import { isLoopback } from './address.ts'
import { AppError } from './errors.ts'

export interface Invitation {
  /** Without a slash at the end. */
  url: string
  /** SHA-256 of the certificate of the host's own authority, base64url; null: plain HTTP on loopback. */
  fingerprint: string | null
  secret: string
}

/** Longer is none of ours. */
const maxChars = 500
const shape = 'https://HOST:PORT#FINGERPRINT.SECRET'
const again = 'ask for a new one, and paste all of it'
const cutOff = 'the end of the invitation is missing: paste all of it'

/** The string to paste. */
export function printInvitation({ url, fingerprint, secret }: Invitation): string {
  return `${url}#${fingerprint === null ? '' : `${fingerprint}.`}${secret}`
}

/** @throws AppError `invalid_request` that never repeats the secret */
export function parseInvitation(text: string): Invitation {
  const given = text.trim()
  const hash = given.indexOf('#')
  if (given.length > maxChars || hash < 0) throw refusal(`this is no invitation: one looks like ${shape}`)
  if (/^https?:\/\/[^/]+\/login$/i.test(given.slice(0, hash)))
    throw refusal(
      'this is the link for a browser: open it there, or paste the line that begins with hakuriver login',
    )
  const { url, scheme, host } = addressOf(given.slice(0, hash))
  const rest = given.slice(hash + 1)
  if (scheme === 'http') {
    if (!isLoopback(host))
      throw refusal(
        `an invitation over plain http is for this machine alone, and ${host} is another: the host has to serve https`,
      )
    return { url, fingerprint: null, secret: secretOf(rest) }
  }
  const dot = rest.indexOf('.')
  const fingerprint = rest.slice(0, Math.max(0, dot))
  if (dot < 0 && /^[\w-]{0,43}$/.test(rest)) throw refusal(cutOff)
  if (!isFingerprint(fingerprint))
    throw refusal(`the invitation has no fingerprint of 43 characters behind its #: ${again}`)
  return { url, fingerprint, secret: secretOf(rest.slice(dot + 1)) }
}

/** Is it the base64url of 32 bytes (RFC 4648, section 5)? */
export function isFingerprint(text: string): boolean {
  // the last character holds four bits
  return /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(text)
}

/** A name, an IPv4 or a bracketed IPv6 address, and a port (RFC 3986, section 3.2). */
const address = /^(https?):\/\/([a-z0-9](?:[a-z0-9.-]{0,252})|\[[0-9a-f:.]{2,45}\])(:[1-9]\d{0,4})?\/?$/

function addressOf(text: string): { url: string; scheme: string; host: string } {
  const [, scheme, host, port = ''] = address.exec(text.toLowerCase()) ?? []
  if (scheme === undefined || host === undefined || Number(port.slice(1)) > 65_535)
    throw refusal(`the invitation does not begin with the address of a host: one looks like ${shape}`)
  return { url: `${scheme}://${host}${port}`, scheme, host }
}

function secretOf(text: string): string {
  if (/^hakuriver_[a-z]+_[A-Za-z0-9_-]{32}$/.test(text)) return text
  if (isBeginning(text)) throw refusal(cutOff)
  throw refusal(`the end of the invitation is not a secret of a host: ${again}`)
}

/** Of a secret that somebody has not pasted to its end. */
function isBeginning(text: string): boolean {
  return (
    /^hakuriver_[a-z]+_[\w-]{0,31}$/.test(text) ||
    /^hakuriver_[a-z]*$/.test(text) ||
    'hakuriver_'.startsWith(text)
  )
}

function refusal(message: string): AppError {
  return new AppError('invalid_request', message)
}
