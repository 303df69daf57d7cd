/**
 * Makes and reads X.509 certificates (RFC 5280) and requests for them (RFC 2986). The library is larger than a runner:
 * this file is loaded only where one is made or a request is read. Keys are of ECDSA on P-256, as PEM of PKCS #8.
 */
import 'reflect-metadata'
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { AppError } from '../core/errors.ts'

cryptoProvider.set(webcrypto)

const curve = { name: 'ECDSA', namedCurve: 'P-256' } as const
const signing = { name: 'ECDSA', hash: 'SHA-256' } as const

/** A new private key. */
export function makePrivateKey(): string {
  return generateKeyPairSync('ec', { namedCurve: curve.namedCurve })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString()
}

/** A request for a certificate, signed by the key that it is for. */
export async function makeRequest(privateKey: string, name: string): Promise<string> {
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [name] }],
    keys: keysOf(privateKey),
    signingAlgorithm: signing,
  })
  return request.toString('pem')
}

/**
 * The public key of a request whose signature holds, as PEM. Nothing else in it is believed.
 * @throws AppError `invalid_request`
 */
export async function keyOfRequest(pem: string): Promise<string> {
  const refusal = (why: string) =>
    new AppError('invalid_request', `cannot take the certificate request: ${why}`)
  let request: Pkcs10CertificateRequest
  let isSigned: boolean
  try {
    request = new Pkcs10CertificateRequest(pem)
    const key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' })
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
      throw refusal('its key has to be of ECDSA on P-256')
    isSigned = await request.verify()
    if (isSigned) return key.export({ type: 'spki', format: 'pem' }).toString()
  } catch (error) {
    throw error instanceof AppError ? error : refusal('it is not one of PKCS #10')
  }
  throw refusal('its signature does not hold')
}

/** Who signs: a certificate of an authority, and its key. */
export interface Issuer {
  certificate: string
  privateKey: string
}

export interface Validity {
  notBeforeMs: number
  notAfterMs: number
}

/** The certificate of an authority, signed by itself; it signs certificates of hosts and nodes, and no authorities. */
export async function makeAuthority(privateKey: string, name: string, validity: Validity): Promise<string> {
  const keys = keysOf(privateKey)
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...common(name, validity),
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return certificate.toString('pem')
}

/** A certificate by which a host is known under names and addresses (RFC 9110, section 4.3.4). */
export function makeServerCertificate(
  issuer: Issuer,
  publicKey: string,
  names: readonly { type: 'dns' | 'ip'; value: string }[],
  validity: Validity,
): Promise<string> {
  return issue(issuer, publicKey, names[0]?.value.slice(0, 64) ?? 'host', validity, [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth], true),
    new SubjectAlternativeNameExtension(names.map(({ type, value }) => ({ type, value }))),
  ])
}

/** A certificate by which a client shows who it is: by its name, and a URI that is never given again. */
export function makeClientCertificate(
  issuer: Issuer,
  publicKey: string,
  { name, uri }: { name: string; uri: string },
  validity: Validity,
): Promise<string> {
  return issue(issuer, publicKey, name, validity, [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth], true),
    new SubjectAlternativeNameExtension([{ type: 'url', value: uri }]),
  ])
}

async function issue(
  { certificate: authority, privateKey }: Issuer,
  publicKeyPem: string,
  name: string,
  validity: Validity,
  extensions: Extension[],
): Promise<string> {
  const issuer = new X509Certificate(authority)
  const publicKey = createPublicKey(publicKeyPem).toCryptoKey(curve, true, ['verify'])
  const certificate = await X509CertificateGenerator.create({
    ...common(name, validity),
    issuer: issuer.subjectName,
    publicKey,
    signingKey: keysOf(privateKey).privateKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      ...extensions,
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  })
  return certificate.toString('pem')
}

function common(name: string, { notBeforeMs, notAfterMs }: Validity) {
  return {
    serialNumber: randomSerial(),
    name: [{ CN: [name] }],
    subject: [{ CN: [name] }],
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    signingAlgorithm: signing,
  }
}

/** 128 random bits as a positive number in its shortest form (RFC 5280, section 4.1.2.2; X.690, section 8.3.2). */
function randomSerial(): string {
  const bytes = randomBytes(16)
  const [first = 0] = bytes
  if (first === 0) return randomSerial()
  return `${first >= 0x80 ? '00' : ''}${bytes.toString('hex')}`
}

function keysOf(privateKeyPem: string): { privateKey: webcrypto.CryptoKey; publicKey: webcrypto.CryptoKey } {
  const key = createPrivateKey(privateKeyPem)
  return {
    privateKey: key.toCryptoKey(curve, true, ['sign']),
    publicKey: createPublicKey(key).toCryptoKey(curve, true, ['verify']),
  }
}
