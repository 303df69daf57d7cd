import { createPublicKey } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { printInvitation } from '../core/invitation.ts'
import { fingerprintOf, internalName, nodeUri } from '../platform/certificates.ts'
import { systemClock } from '../platform/clock.ts'
import { silentLog } from '../platform/log.ts'
import { waitFor } from '../platform/wait.ts'
import {
  type Issuer,
  keyOfRequest,
  makeAuthority,
  makeClientCertificate,
  makePrivateKey,
  makeServerCertificate,
} from '../platform/x509.ts'
import { loadRunnerConfig } from './config.ts'
import { readIdentity } from './identity.ts'
import { joinByInvitation } from './join.ts'
import { Renewal } from './renewal.ts'

const dayMs = 86_400_000
const valid = { notBeforeMs: Date.now() - dayMs, notAfterMs: Date.now() + 90 * dayMs }
const secret = `hakuriver_join_${'s'.repeat(32)}`
const nodeId = '0b8f0c64-5a52-4b9e-9c1e-0123456789ab'
const publicOf = (key: string) => createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()

async function authorityOf(): Promise<Issuer> {
  const privateKey = makePrivateKey()
  return { privateKey, certificate: await makeAuthority(privateKey, 'HakuRiver cluster', valid) }
}

/** What speaks TLS in place of a host, and keeps every byte that it is sent after the handshake. */
class FakeHost {
  readonly received: Buffer[] = []
  handshakes = 0
  ended = 0
  /** Makes the answer to a request. */
  answer: (body: Record<string, string>) => Promise<{ status: number; json: unknown }> = async () => ({
    status: 500,
    json: {},
  })
  private readonly server: Server
  private readonly sockets = new Set<Socket>()

  constructor(chain: string[], key: string) {
    this.server = createServer({ cert: chain.join('\n'), key, requestCert: true, rejectUnauthorized: false })
    this.server.on('secureConnection', (socket) => {
      this.handshakes += 1
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('end', () => {
        this.ended += 1
      })
      socket.on('data', (data) => this.take(socket, data))
    })
    this.server.on('tlsClientError', () => {})
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get url(): string {
    return `https://127.0.0.1:${(this.server.address() as AddressInfo).port}` // it listens on TCP
  }

  get text(): string {
    return Buffer.concat(this.received).toString()
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
  }

  private take(socket: TLSSocket, data: Buffer): void {
    this.received.push(data)
    const [, body] = this.text.split('\r\n\r\n')
    if (!body?.endsWith('}')) return
    this.received.length = 0
    void this.answer(JSON.parse(body) as Record<string, string>).then(({ status, json }) => {
      const text = JSON.stringify(json)
      socket.end(`HTTP/1.1 ${status} x\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`)
    })
  }
}

/** A host of this authority. */
async function hostOf(authority: Issuer, more: string[] = []): Promise<FakeHost> {
  const key = makePrivateKey()
  const names = [{ type: 'dns', value: internalName }] as const
  const certificate = await makeServerCertificate(authority, publicOf(key), names, valid)
  return new FakeHost([certificate, authority.certificate, ...more], key).start()
}

/** Whose certificate another authority has signed, but who shows that of the right one beside it. */
async function pretender(): Promise<FakeHost> {
  const key = makePrivateKey()
  const names = [{ type: 'dns', value: internalName }] as const
  const certificate = await makeServerCertificate(await authorityOf(), publicOf(key), names, valid)
  return new FakeHost([certificate, authority.certificate], key).start()
}

let authority: Issuer
let host: FakeHost
let dir: string
const hosts: FakeHost[] = []
const keep = (made: FakeHost) => {
  hosts.push(made)
  return made
}

/** Answers as a host does that signs by this authority. */
function signsBy(issuer: Issuer, node = 'n1', validity = valid): FakeHost['answer'] {
  return async ({ csr = '' }) => {
    const publicKey = await keyOfRequest(csr)
    const subject = { name: node, uri: nodeUri(nodeId) }
    const certificate = await makeClientCertificate(issuer, publicKey, subject, validity)
    return { status: 201, json: { certificate, ca: issuer.certificate, nodeId, node } }
  }
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-join-'))
  authority = await authorityOf()
  host = keep(await hostOf(authority))
  host.answer = signsBy(authority)
})
afterEach(() => {
  for (const each of hosts.splice(0)) each.close()
  rmSync(dir, { recursive: true, force: true })
})

const identityFiles = () => (existsSync(join(dir, 'identity')) ? readdirSync(join(dir, 'identity')) : [])
const sources = (...words: string[]) => ({
  argv: ['--state-dir', dir, ...words],
  env: { HAKURIVER_HOME: dir },
})
const invitationTo = (url: string, { certificate } = authority) =>
  printInvitation({ url, fingerprint: fingerprintOf(certificate), secret })
const joinTo = (url: string, ...words: string[]) =>
  joinByInvitation(invitationTo(url), sources('--name', 'n1', ...words))

describe('a join', () => {
  it('makes a key here, and keeps it and the certificate to itself', async () => {
    expect(await joinTo(host.url)).toEqual({ node: 'n1', nodeId, url: host.url, stateDir: dir })
    expect(identityFiles().sort()).toEqual(['ca.pem', 'cert.pem', 'key.pem', 'node.json'])
    for (const name of identityFiles()) expect(statSync(join(dir, 'identity', name)).mode & 0o777).toBe(0o600)
    expect(statSync(join(dir, 'identity')).mode & 0o777).toBe(0o700)
    expect(loadRunnerConfig(sources())).toMatchObject({ hostUrl: host.url, nodeName: 'n1' })
    expect(() => loadRunnerConfig(sources('--name', 'n2'))).toThrow(/has joined as node n1/)
  })

  it('says nothing at all to a host of another authority', async () => {
    const other = keep(await hostOf(await authorityOf()))
    await expect(joinTo(other.url)).rejects.toThrow(/is not the host of this invitation/)
    await waitFor('the end of the connection', () => other.handshakes === 1 && other.ended === 1)
    expect(other.text).toBe('')
    expect(identityFiles()).toEqual([])
  })

  it('says nothing to one that only shows the right authority among others', async () => {
    // anybody can have its certificate, which is shown to everybody, but not its key
    const other = keep(await hostOf(await authorityOf(), [authority.certificate]))
    await expect(joinTo(other.url)).rejects.toThrow(/is not the host of this invitation|cannot trust/)
    expect(other.text).toBe('')
    // and the same where its own authority is left out
    const bare = keep(await pretender())
    await expect(joinTo(bare.url)).rejects.toThrow(/is not the host of this invitation|cannot trust/)
    expect(bare.text).toBe('')
    expect(identityFiles()).toEqual([])
  })

  it('says nothing to a node that shows its own certificate as a host', async () => {
    const key = makePrivateKey()
    const subject = { name: internalName, uri: nodeUri(nodeId) }
    const certificate = await makeClientCertificate(authority, publicOf(key), subject, valid)
    const node = keep(await new FakeHost([certificate, authority.certificate], key).start())
    await expect(joinTo(node.url)).rejects.toThrow(/cannot trust/)
    expect(node.text).toBe('')
  })

  it("tells the host's own words, and leaves what was there", async () => {
    await joinTo(host.url)
    const before = readFileSync(join(dir, 'identity', 'cert.pem'), 'utf8')
    host.answer = async () => ({ status: 401, json: { code: 'unauthenticated', message: 'it was used' } })
    await expect(joinTo(host.url)).rejects.toMatchObject({ code: 'unauthenticated', message: 'it was used' })
    expect(readFileSync(join(dir, 'identity', 'cert.pem'), 'utf8')).toBe(before)
    expect(identityFiles()).not.toContain('next-key.pem')
    expect(readIdentity(dir)).toMatchObject({ node: 'n1' })
  })

  it('takes no certificate of another key or name', async () => {
    host.answer = signsBy(authority, 'n2')
    await expect(joinTo(host.url)).rejects.toThrow(/something else than a certificate/)
    const key = makePrivateKey()
    const subject = { name: 'n1', uri: nodeUri(nodeId) }
    const certificate = await makeClientCertificate(authority, publicOf(key), subject, valid)
    host.answer = async () => ({ status: 201, json: { certificate, ca: authority.certificate, nodeId } })
    await expect(joinTo(host.url)).rejects.toThrow(/something else than a certificate/)
    expect(identityFiles()).toEqual([])
  })

  it('does not trust a host that the environment would', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const other = keep(await pretender())
    await expect(joinTo(other.url)).rejects.toThrow(/cannot trust/)
    expect(other.text).toBe('')
    vi.unstubAllEnvs()
  })
})

describe('an identity', () => {
  it('is whole also after a crash between its certificate and its key', async () => {
    await joinTo(host.url)
    const identity = join(dir, 'identity')
    const next = makePrivateKey()
    const subject = { name: 'n1', uri: nodeUri(nodeId) }
    writeFileSync(join(identity, 'next-key.pem'), next)
    expect(readIdentity(dir)?.key).not.toBe(next)
    writeFileSync(
      join(identity, 'cert.pem'),
      await makeClientCertificate(authority, publicOf(next), subject, valid),
    )
    expect(readIdentity(dir)?.key).toBe(next)
    expect(identityFiles()).not.toContain('next-key.pem')
  })

  it('says what to do where a part of it is gone', async () => {
    await joinTo(host.url)
    cpSync(join(dir, 'identity', 'ca.pem'), join(dir, 'identity', 'key.pem'))
    expect(() => readIdentity(dir)).toThrow(/not whole: join again/)
    rmSync(join(dir, 'identity', 'cert.pem'))
    expect(() => readIdentity(dir)).toThrow(/not whole: join again/)
    rmSync(join(dir, 'identity'), { recursive: true })
    expect(readIdentity(dir)).toBeNull()
  })
})

describe('a renewal', () => {
  const renewal = (onRenewed: () => void) =>
    new Renewal({ stateDir: dir, hostUrl: host.url, clock: systemClock, log: silentLog, onRenewed })

  it('comes at two thirds of the life, with another key', async () => {
    const nowMs = Date.now()
    host.answer = signsBy(authority, 'n1', {
      notBeforeMs: nowMs - 61 * dayMs,
      notAfterMs: nowMs + 29 * dayMs,
    })
    await joinTo(host.url)
    const before = readIdentity(dir)
    host.answer = signsBy(authority)
    let renewed = 0
    const due = renewal(() => {
      renewed += 1
    })
    due.start()
    await waitFor('a new certificate', () => renewed === 1)
    await due.close()
    const after = readIdentity(dir)
    expect(after?.key).not.toBe(before?.key)
    expect(after?.notAfterMs).toBeGreaterThan(nowMs + 80 * dayMs)
    // and not before
    const early = renewal(() => {
      renewed += 1
    })
    early.start()
    await early.close()
    expect(renewed).toBe(1)
  })

  it('leaves all as it was where the host refuses', async () => {
    await joinTo(host.url)
    const before = readIdentity(dir)
    host.answer = async () => ({ status: 403, json: { code: 'not_permitted', message: 'it was revoked' } })
    const refused = renewal(() => {
      throw new Error('nothing was renewed')
    })
    refused.renew()
    await refused.close()
    expect(readIdentity(dir)).toEqual(before)
    expect(identityFiles()).not.toContain('next-key.pem')
  })
})
