import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isLoopback } from './address.ts'
import { AppError } from './errors.ts'
import { isFingerprint, parseInvitation, printInvitation } from './invitation.ts'

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const base64url = (length: number) =>
  fc.string({ unit: fc.constantFrom(...letters), minLength: length, maxLength: length })
const fingerprints = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('base64url'))
const secrets = fc
  .tuple(fc.constantFrom('join', 'login'), base64url(32))
  .map(([kind, text]) => `hakuriver_${kind}_${text}`)
const ports = fc.integer({ min: 1, max: 65_535 })
const hosts = fc.oneof(
  fc.ipV4(),
  fc.ipV6().map((address) => `[${address.toLowerCase()}]`),
  fc.constantFrom('node1', 'host.example', 'a-b.c'),
)
const loopbacks = fc.oneof(
  fc.constantFrom('localhost', '[::1]'),
  fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)).map((rest) => `127.${rest.join('.')}`),
)

describe('an invitation', () => {
  it('is read back as it was printed', () => {
    fc.assert(
      fc.property(hosts, ports, fingerprints, secrets, (host, port, fingerprint, secret) => {
        const invitation = { url: `https://${host}:${port}`, fingerprint, secret }
        expect(parseInvitation(` ${printInvitation(invitation)}\n`)).toEqual(invitation)
      }),
    )
  })

  it('goes without a fingerprint over plain http on loopback', () => {
    fc.assert(
      fc.property(loopbacks, ports, secrets, (host, port, secret) => {
        const invitation = { url: `http://${host}:${port}`, fingerprint: null, secret }
        expect(parseInvitation(printInvitation(invitation))).toEqual(invitation)
      }),
    )
  })

  it('never goes over plain http to another machine', () => {
    fc.assert(
      fc.property(hosts, ports, secrets, (host, port, secret) => {
        fc.pre(!isLoopback(host))
        expect(() => parseInvitation(`http://${host}:${port}#${secret}`)).toThrow(/has to serve https/)
      }),
    )
    expect(() =>
      parseInvitation(`http://127.0.0.1.evil.example:8000#hakuriver_join_${'x'.repeat(32)}`),
    ).toThrow(/has to serve https/)
  })

  it('is refused in one sentence that does not repeat the secret, whatever else it is', () => {
    const invitations = fc.tuple(hosts, ports, fingerprints, secrets)
    fc.assert(
      fc.property(invitations, fc.nat(200), fc.string(), ([host, port, fingerprint, secret], at, noise) => {
        const text = printInvitation({ url: `https://${host}:${port}`, fingerprint, secret })
        const cut = text.slice(0, at) + noise + text.slice(at + 1)
        try {
          const { secret: read } = parseInvitation(cut)
          expect(cut).toContain(read)
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
          expect(String(error)).not.toContain(secret.slice(-32))
        }
      }),
    )
  })

  it('has its end and its fingerprint', () => {
    const fingerprint = Buffer.alloc(32).toString('base64url')
    expect(() => parseInvitation('https://h:1')).toThrow(/no invitation/)
    expect(() => parseInvitation(`https://h:1#${fingerprint}.hakuriver_join_abc`)).toThrow(
      /end of the invitation/,
    )
    expect(() => parseInvitation(`https://h:1#${fingerprint}.hakuriver_login_${'x'.repeat(33)}`)).toThrow(
      /is not a secret of a host/,
    )
    expect(() => parseInvitation(`https://h:1#${fingerprint.slice(0, 20)}`)).toThrow(/paste all of it/)
    expect(() => parseInvitation(`https://h:1#hakuriver_join_${'x'.repeat(32)}`)).toThrow(/no fingerprint/)
    expect(() => parseInvitation(`https://u:p@h:1#${fingerprint}.x`)).toThrow(/address of a host/)
    expect(() => parseInvitation(`https://h:65536#${fingerprint}.x`)).toThrow(/address of a host/)
  })
})

it('is told from the link for a browser', () => {
  expect(() => parseInvitation('https://h:1/login#code=hakuriver_login_x')).toThrow(/link for a browser/)
  expect(() => parseInvitation('http://127.0.0.1:1/login#code=x')).toThrow(/link for a browser/)
})

describe('a fingerprint', () => {
  it('is the base64url of 32 bytes and nothing else', () => {
    fc.assert(
      fc.property(base64url(43), (text) => {
        expect(isFingerprint(text)).toBe(Buffer.from(text, 'base64url').toString('base64url') === text)
      }),
    )
  })
})
