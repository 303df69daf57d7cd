/**
 * TLS in front of the host's HTTP server: which certificate is shown to whom, renewed without a restart, and who a
 * client is by the certificate that it shows.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RequestListener, Server } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import { createSecureContext, type SecureContext, type SecureContextOptions, TLSSocket } from 'node:tls'
import { AppError } from '../../core/errors.ts'
import { isRenewalDue, type Refusal, type ShownCertificate } from '../../core/joining.ts'
import { internalName, nodeOfCertificate } from '../../platform/certificates.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Log } from '../../platform/log.ts'
import type { Authority, HostCertificate, HostName } from './authority.ts'

/** Certificate and key of the operator, for browsers and commands; as files, read again when they are looked at. */
export interface OperatorFiles {
  certFile: string
  keyFile: string
}

export interface TlsDeps {
  authority: Authority
  names: () => HostName[]
  operator: OperatorFiles | null
  clock: Clock
  log: Log
}

/** Between two looks at what may have to be made anew. */
const lookMs = 3_600_000
/** How long a connection may take to say its first byte. */
const firstByteMs = 10_000
const handshakeMs = 10_000

type Shared = Pick<SecureContextOptions, 'ca' | 'minVersion'>

export class TlsServing {
  private readonly deps: TlsDeps
  private readonly servers = new Set<https.Server>()
  /** Connections that have not said their first byte. */
  private readonly silent = new Set<Socket>()
  private own: HostCertificate
  private names: string
  private ownContext: SecureContext
  private operator: { cert: string; key: string } | null
  private operatorContext: SecureContext | null
  private cancelLook = () => {}

  private constructor(deps: TlsDeps, own: HostCertificate, names: string) {
    this.deps = deps
    this.own = own
    this.names = names
    this.operator = deps.operator === null ? null : readOperator(deps.operator)
    this.ownContext = createSecureContext({ ...this.shared, cert: own.chain, key: own.privateKey })
    this.operatorContext = this.contextOfOperator()
  }

  /** @throws AppError `invalid_request` where the operator's certificate cannot be used */
  static async open(deps: TlsDeps): Promise<TlsServing> {
    const names = deps.names()
    const own = await deps.authority.hostCertificate(names, deps.clock.now())
    const serving = new TlsServing(deps, own, JSON.stringify(names))
    serving.lookLater()
    return serving
  }

  /** Makes a server that speaks TLS, and says in plain HTTP that it does to whom speaks that. */
  createServer(options: https.ServerOptions, handler: RequestListener): Server {
    const server = https.createServer(
      {
        ...options,
        ...this.defaults,
        requestCert: true,
        // who shows none is a person; who shows one is judged by `nodeOf`
        rejectUnauthorized: false,
        handshakeTimeout: handshakeMs,
        SNICallback: (name, done) => done(null, this.contextFor(name)),
      },
      handler,
    )
    answerPlainHttp(server, this.silent)
    this.servers.add(server)
    server.once('close', () => this.servers.delete(server))
    // it has all that a plain server has
    return server as unknown as Server
  }

  /** The node whose certificate was shown on this connection, or why it counts for nothing. */
  nodeOf(socket: unknown): ShownCertificate | Refusal {
    const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
    if (!(socket instanceof TLSSocket) || shown === undefined)
      return refuse('no certificate was shown: on this host a machine joins first (hakuriver join)')
    const nowMs = this.deps.clock.now()
    // a resumed session says what held when it began: its signature and its end are looked at again
    const authorities = this.deps.authority.trusted.map(({ parsed }) => parsed)
    const node = nodeOfCertificate(shown, authorities, nowMs)
    if (node !== null && socket.authorized) return node
    return refuse(
      Date.parse(shown.validTo) <= nowMs
        ? `the certificate that was shown is over since ${shown.validTo}: join again (hakuriver join)`
        : 'the certificate that was shown is not one of a node of this host: join again (hakuriver join)',
    )
  }

  /** End of the certificate that runners are shown. */
  get expiresAtMs(): number {
    return Date.parse(this.own.parsed.validTo)
  }

  /** Names and addresses for which it holds. */
  get shownNames(): string[] {
    return (JSON.parse(this.names) as HostName[]).map(({ value }) => value) // written by us
  }

  /** Shows what there is now: the authority has changed. */
  async renew(): Promise<void> {
    const { authority, names, clock, operator } = this.deps
    const wanted = names()
    this.own = await authority.hostCertificate(wanted, clock.now())
    this.names = JSON.stringify(wanted)
    if (operator !== null) this.operator = readOperator(operator)
    this.ownContext = createSecureContext({ ...this.shared, cert: this.own.chain, key: this.own.privateKey })
    this.operatorContext = this.contextOfOperator()
    for (const server of this.servers) server.setSecureContext(this.defaults)
  }

  /** Makes anew what is soon over, or names others than this machine has now. */
  async look(): Promise<void> {
    const { clock, names, log } = this.deps
    try {
      const { validFrom, validTo } = this.own.parsed
      const isDue = isRenewalDue(Date.parse(validFrom), Date.parse(validTo), clock.now())
      if (!isDue && JSON.stringify(names()) === this.names && !this.hasOtherOperator()) return
      await this.renew()
      log.info({ names: names().map(({ value }) => value) }, "Made the host's certificate anew")
    } catch (error) {
      log.error({ error: String(error) }, "Cannot make the host's certificate anew; the one before stays")
    }
  }

  close(): void {
    this.cancelLook()
    for (const socket of this.silent) socket.destroy()
  }

  private get shared(): Shared {
    return { ca: this.deps.authority.trusted.map(({ certificate }) => certificate), minVersion: 'TLSv1.2' }
  }

  /** For who names no server, as whoever comes by an address does. */
  private get defaults(): SecureContextOptions {
    const { cert, key } = this.operator ?? { cert: this.own.chain, key: this.own.privateKey }
    return { ...this.shared, cert, key }
  }

  private contextFor(name: string): SecureContext {
    return name.toLowerCase() === internalName ? this.ownContext : (this.operatorContext ?? this.ownContext)
  }

  private contextOfOperator(): SecureContext | null {
    return this.operator === null ? null : createSecureContext({ ...this.shared, ...this.operator })
  }

  private hasOtherOperator(): boolean {
    const { operator } = this.deps
    return operator !== null && readOperator(operator).cert !== this.operator?.cert
  }

  private lookLater(): void {
    this.cancelLook = this.deps.clock.after(lookMs, () => void this.look().then(() => this.lookLater()))
  }
}

function refuse(message: string): Refusal {
  return { code: 'unauthenticated', message }
}

/** @throws AppError `invalid_request` that names the file */
function readOperator({ certFile, keyFile }: OperatorFiles): { cert: string; key: string } {
  const read = (path: string, setting: string) => {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      throw new AppError('invalid_request', `cannot read network.${setting} (${path}): ${code}`)
    }
  }
  const pair = { cert: read(certFile, 'tls_cert'), key: read(keyFile, 'tls_key') }
  try {
    new X509Certificate(pair.cert)
    createSecureContext(pair)
    return pair
  } catch {
    throw new AppError(
      'invalid_request',
      `network.tls_cert (${certFile}) and network.tls_key (${keyFile}) do not fit together: give a certificate with its chain and the key of it, both as PEM`,
    )
  }
}

/** The first byte of a handshake (RFC 8446, section 5.1). */
const handshakeByte = 0x16

/** A client that speaks plain HTTP would get an alert that nobody reads. */
function answerPlainHttp(server: https.Server, silent: Set<Socket>): void {
  const [speakTls] = server.listeners('connection')
  if (speakTls === undefined) throw new Error('a server that takes no connections')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(firstByteMs, () => socket.destroy())
    socket.once('readable', () => {
      silent.delete(socket)
      const first: Buffer | null = socket.read(1)
      socket.setTimeout(0)
      socket.removeAllListeners('timeout')
      if (first === null) return void socket.destroy()
      if (first[0] !== handshakeByte) return refusePlain(socket)
      socket.unshift(first)
      speakTls.call(server, socket)
    })
  })
}

function refusePlain(socket: Socket): void {
  const message = 'this is HTTPS: use https:// in the address'
  const body = `${JSON.stringify({ code: 'invalid_request', message })}\n`
  const head = [
    'HTTP/1.1 400 Bad Request',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.setTimeout(firstByteMs, () => socket.destroy())
  // what else comes is let go, so that the answer is not cut off by a reset
  socket.resume()
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroySoon())
}
