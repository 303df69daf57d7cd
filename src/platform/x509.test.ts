import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { certificatesIn, fingerprintOf, nodeOfCertificate, nodeUri } from './certificates.ts'
import {
  type Issuer,
  keyOfRequest,
  makeAuthority,
  makeClientCertificate,
  makePrivateKey,
  makeRequest,
  makeServerCertificate,
} from './x509.ts'

const dayMs = 86_400_000
const nowMs = Date.parse('2030-01-01T00:00:00Z')
const validity = { notBeforeMs: nowMs - dayMs, notAfterMs: nowMs + 90 * dayMs }
const nodeId = '0b8f0c64-5a52-4b9e-9c1e-0123456789ab'

async function authorityOf(name: string): Promise<Issuer> {
  const privateKey = makePrivateKey()
  return { privateKey, certificate: await makeAuthority(privateKey, name, validity) }
}

function publicOf(privateKey: string): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString()
}

let authority: Issuer
let other: Issuer
const ownKey = makePrivateKey()
const node = (issuer: Issuer, name: string, uri = nodeUri(nodeId)) =>
  makeClientCertificate(issuer, publicOf(ownKey), { name, uri }, validity)

beforeAll(async () => {
  authority = await authorityOf('HakuRiver')
  other = await authorityOf('HakuRiver') // the name proves nothing
})

describe('certificates', () => {
  it('are of an authority that may sign no authorities', () => {
    const certificate = new X509Certificate(authority.certificate)
    expect(certificate.ca).toBe(true)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.serialNumber.length).toBeGreaterThanOrEqual(31)
    expect(fingerprintOf(authority.certificate)).toMatch(/^[\w-]{43}$/)
    expect(certificatesIn(authority.certificate + other.certificate)).toHaveLength(2)
  })

  it('name a node, whole', async () => {
    const authorities = [new X509Certificate(other.certificate), new X509Certificate(authority.certificate)]
    const read = async (pem: Promise<string>, atMs = nowMs) =>
      nodeOfCertificate(new X509Certificate(await pem), authorities.slice(1), atMs)
    const long = Array(60).fill('n-x').join('.')
    expect(await read(node(authority, long))).toEqual({
      node: long,
      nodeId,
      authority: fingerprintOf(authority.certificate),
      expiresAtMs: validity.notAfterMs,
    })
    expect(await read(node(other, 'n1'))).toBeNull()
    expect(await read(node(authority, 'n1'), validity.notAfterMs)).toBeNull()
    expect(await read(node(authority, 'n1'), validity.notBeforeMs - 1)).toBeNull()
    expect(await read(node(authority, 'n1\nCN=n2'))).toBeNull()
    expect(await read(node(authority, 'n1, CN=n2'))).toBeNull()
    expect(await read(node(authority, 'n1', `${nodeUri(nodeId)}0`))).toBeNull()
    expect(await read(node(authority, 'n1', `urn:x:${nodeUri(nodeId)}`))).toBeNull()
    const server = makeServerCertificate(
      authority,
      publicOf(ownKey),
      [{ type: 'dns', value: 'n1' }],
      validity,
    )
    expect(await read(server)).toBeNull()
    expect(await read(Promise.resolve(authority.certificate))).toBeNull()
  })

  it('of a host hold for its names and addresses', async () => {
    const names = [
      { type: 'dns', value: 'hakuriver.internal' },
      { type: 'ip', value: '192.168.1.10' },
      { type: 'ip', value: 'fe80::1' },
    ] as const
    const pem = await makeServerCertificate(authority, publicOf(ownKey), names, validity)
    const certificate = new X509Certificate(pem)
    expect(certificate.checkHost('hakuriver.internal')).toBe('hakuriver.internal')
    expect(certificate.checkIP('192.168.1.10')).toBe('192.168.1.10')
    expect(certificate.checkIP('fe80::1')).toBe('fe80::1')
    expect(certificate.checkHost('other')).toBeUndefined()
    expect(certificate.checkIssued(new X509Certificate(authority.certificate))).toBe(true)
  })
})

describe('a request', () => {
  it('gives its key where the signature holds', async () => {
    expect(await keyOfRequest(await makeRequest(ownKey, 'n1'))).toBe(publicOf(ownKey))
  })

  it('is refused with another signature, another kind of key, or when it is none', async () => {
    const request = await makeRequest(ownKey, 'n1')
    const der = Buffer.from(request.replace(/-----.*-----|\n/g, ''), 'base64')
    der[der.length - 3] = (der[der.length - 3] ?? 0) ^ 1
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
    await expect(keyOfRequest(forged)).rejects.toThrow(/signature does not hold|PKCS/)
    await expect(keyOfRequest('hello')).rejects.toThrow(/not one of PKCS #10/)
    await expect(keyOfRequest(authority.certificate)).rejects.toThrow(/not one of PKCS #10/)
    const otherCurve = generateKeyPairSync('ec', { namedCurve: 'P-384' })
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString()
    await expect(makeRequest(otherCurve, 'n1')).rejects.toThrow()
  })
})
