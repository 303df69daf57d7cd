/** Comes to trust a host by the fingerprint of its authority, which somebody was handed beforehand. */
import { X509Certificate } from 'node:crypto'
import { connect, type TLSSocket } from 'node:tls'
import { AppError } from '../core/errors.ts'
import { authorityName, certificatesIn, fingerprintOf, internalName } from './certificates.ts'
import { networkReason } from './network-reason.ts'

const probeMs = 10_000
/** A chain is not longer. */
const maxChain = 10

/** What is handed to `https.request` and `tls.connect` of a host that was pinned. */
export interface PinnedTls {
  /** PEM of all authorities that are trusted. */
  ca: string
  servername: string
  /** Whatever the environment says (NODE_TLS_REJECT_UNAUTHORIZED). */
  rejectUnauthorized: true
}

/** Whoever has such an authority asks for the certificate that it has signed. */
export function pinnedTls(ca: string): PinnedTls {
  return { ca, servername: internalName, rejectUnauthorized: true }
}

/**
 * The same for a file that somebody named: it may hold the authority of a cluster, or that of the certificate which the
 * operator has set.
 */
export function tlsByFile(ca: string): PinnedTls | Omit<PinnedTls, 'servername'> {
  const isOurs = certificatesIn(ca).some((pem) => nameOf(pem) === `CN=${authorityName}`)
  return isOurs ? pinnedTls(ca) : { ca, rejectUnauthorized: true }
}

function nameOf(pem: string): string | null {
  try {
    return new X509Certificate(pem).subject
  } catch {
    return null
  }
}

/**
 * Connects only to read the certificates that a host shows, sends nothing but the handshake, and gives that of the
 * authority with this fingerprint. It proves nothing yet: who answers next has to be verified by it.
 * @throws AppError `not_permitted` where another one answers, `unavailable` where none does
 */
export async function trustByFingerprint(
  url: string,
  fingerprint: string,
  deadlineMs: number = probeMs,
): Promise<string> {
  const chain = await readChain(url, deadlineMs)
  const found = chain.find((certificate) => fingerprintOf(certificate) === fingerprint)
  if (found === undefined)
    throw new AppError(
      'not_permitted',
      `what answers at ${url} is not the host of this invitation: it shows another certificate, and nothing was sent to it`,
      {
        details: {
          fix: 'Ask for a new invitation. If that is refused too, somebody else may answer in place of the host.',
        },
      },
    )
  if (!found.ca) throw new AppError('not_permitted', `the invitation for ${url} does not name an authority`)
  return found.toString()
}

function readChain(url: string, deadlineMs: number): Promise<X509Certificate[]> {
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: Number(port || 443),
      servername: internalName,
      minVersion: 'TLSv1.2',
      // that is what the fingerprint is for
      rejectUnauthorized: false,
    })
    const end = (settle: () => void) => {
      clearTimeout(timer)
      socket.destroy()
      settle()
    }
    const unavailable = (why: string, cause?: unknown) =>
      new AppError('unavailable', `cannot reach the host at ${url}: ${why}`, {
        cause,
        details: { fix: 'Is the address right, and does the host run? Ask who sent you the line.' },
      })
    const timer = setTimeout(() => end(() => reject(unavailable('no answer'))), deadlineMs)
    socket.once('error', (error) => end(() => reject(unavailable(networkReason(error), error))))
    socket.once('close', () => end(() => reject(unavailable('the connection was cut'))))
    socket.once('secureConnect', () => {
      const chain = chainOf(socket)
      clearTimeout(timer)
      // in order, and at once: nothing else is said
      socket.end(() => socket.destroy())
      resolve(chain)
    })
  })
}

function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  let next = socket.getPeerX509Certificate()
  while (next !== undefined && chain.length < maxChain) {
    chain.push(next)
    // one that has signed itself names itself
    next =
      next.issuerCertificate === next || isLast(chain, next.issuerCertificate)
        ? undefined
        : next.issuerCertificate
  }
  return chain
}

function isLast(chain: readonly X509Certificate[], next: X509Certificate | undefined): boolean {
  return next !== undefined && chain.some((known) => known.raw.equals(next.raw))
}
