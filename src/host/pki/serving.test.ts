import type { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fingerprintOf } from '../../platform/certificates.ts'
import { systemClock } from '../../platform/clock.ts'
import { silentLog } from '../../platform/log.ts'
import { pinnedTls, tlsByFile } from '../../platform/tls-pin.ts'
import { call, cookieOf } from '../call.suite.ts'
import { loadHostConfig } from '../config.ts'
import { TestHost } from '../host.suite.ts'
import { Authority, type HostName } from './authority.ts'
import { hostNames } from './host-names.ts'
import { inviteTo } from './join.suite.ts'
import { TlsServing } from './serving.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-tls-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** What a host shows to whoever asks for this name. */
function shown(url: string, servername: string, version?: 'TLSv1.1'): Promise<X509Certificate> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname,
      port: Number(port),
      servername,
      rejectUnauthorized: false,
      ...(version !== undefined && { minVersion: version, maxVersion: version }),
    })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()
      socket.destroy()
      if (certificate === undefined) reject(new Error('it shows none'))
      else resolve(certificate)
    })
  })
}

describe('which certificate is shown', () => {
  it("is the operator's to people, and the own authority's to who asks by the internal name", async () => {
    const other = await Authority.open(join(dir, 'other'), Date.now(), silentLog)
    const { chain, privateKey } = await other.hostCertificate(
      [{ type: 'dns', value: 'host.example' }],
      Date.now(),
    )
    writeFileSync(join(dir, 'cert.pem'), chain)
    writeFileSync(join(dir, 'key.pem'), privateKey)
    const operator = ['--tls-cert', join(dir, 'cert.pem'), '--tls-key', join(dir, 'key.pem')]
    const host = await TestHost.start('--tls', 'on', ...operator)
    try {
      const { url } = host.host
      expect((await shown(url, 'host.example')).checkHost('host.example')).toBe('host.example')
      expect((await shown(url, '')).checkHost('host.example')).toBe('host.example')
      expect((await shown(url, 'hakuriver.internal')).checkHost('host.example')).toBeUndefined()
      // a command that knows the own authority is served by it, one that knows the other by that
      expect((await call(url, 'GET', '/healthz', { tls: host.tls })).status).toBe(200)
      const named = { ca: other.current.certificate, servername: 'host.example' }
      expect((await call(url, 'GET', '/healthz', { tls: named })).status).toBe(200)
      await expect(
        call(url, 'GET', '/healthz', { tls: { ...host.tls, servername: 'host.example' } }),
      ).rejects.toThrow()
      expect(tlsByFile(other.current.certificate)).toEqual(pinnedTls(other.current.certificate))
    } finally {
      await host.close()
    }
  })

  it('has to be one that fits its key', async () => {
    writeFileSync(join(dir, 'cert.pem'), 'nothing')
    const words = ['--tls', 'on', '--tls-cert', join(dir, 'cert.pem')]
    const load = (...more: string[]) =>
      loadHostConfig({ argv: [...words, ...more], env: { HAKURIVER_HOME: dir } })
    expect(() => load()).toThrow(/tls_key is not: set both/)
    await expect(TestHost.start(...words, '--tls-key', join(dir, 'cert.pem'))).rejects.toThrow(
      /do not fit together/,
    )
    await expect(TestHost.start(...words, '--tls-key', join(dir, 'none'))).rejects.toThrow(
      /cannot read network.tls_key/,
    )
  })

  it('is not shown over what came before TLS 1.2', async () => {
    const host = await TestHost.start('--tls', 'on')
    await expect(shown(host.host.url, '', 'TLSv1.1')).rejects.toThrow()
    await host.close()
  })

  it('is made anew when the names of the machine change or it is soon over, without a restart', async () => {
    const authority = await Authority.open(dir, Date.now(), silentLog)
    let names: HostName[] = [{ type: 'dns', value: 'a' }]
    let turnedMs = 0
    const clock = { ...systemClock, now: () => Date.now() + turnedMs }
    const tls = await TlsServing.open({
      authority,
      names: () => names,
      operator: null,
      clock,
      log: silentLog,
    })
    const server = tls.createServer({}, (_, response) => response.end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const url = `https://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
    const serials = async () =>
      Promise.all(['', 'hakuriver.internal'].map(async (name) => fingerprintOf(await shown(url, name))))
    try {
      const [first, internal] = await serials()
      expect(internal).toBe(first)
      await tls.look()
      expect(await serials()).toEqual([first, first])
      names = [...names, { type: 'ip', value: '10.0.0.7' }]
      await tls.look()
      const [second, again] = await serials()
      expect([second === first, again]).toEqual([false, second])
      expect((await shown(url, '')).checkIP('10.0.0.7')).toBe('10.0.0.7')
      turnedMs = 250 * 86_400_000
      await tls.look()
      expect((await serials())[0]).not.toBe(second)
    } finally {
      tls.close()
      server.close()
    }
  })
})

describe('off loopback', () => {
  const isTls = (...argv: string[]) => loadHostConfig({ argv, env: { HAKURIVER_HOME: dir } }).isTls

  it('TLS is on unless somebody has switched it off, and on loopback it is off', () => {
    expect(isTls()).toBe(false)
    expect(isTls('--bind', '::1')).toBe(false)
    expect(isTls('--bind', '127.0.0.2')).toBe(false)
    for (const address of ['0.0.0.0', '::', '192.168.1.10', 'fd00::1', 'node1', '127.0.0.1.example'])
      expect([address, isTls('--bind', address)]).toEqual([address, true])
    expect(isTls('--bind', '0.0.0.0', '--tls', 'off')).toBe(false)
    expect(isTls('--tls', 'on')).toBe(true)
  })

  it('names itself by what was configured and what the machine has', () => {
    const names = hostNames({ bindAddress: '0.0.0.0', reachableAddress: 'https://Node1.example:8000' })
    expect(names[0]).toEqual({ type: 'dns', value: 'hakuriver.internal' })
    expect(names).toContainEqual({ type: 'dns', value: 'node1.example' })
    expect(names).toContainEqual({ type: 'ip', value: '127.0.0.1' })
    expect(names.map(({ value }) => value)).not.toContain('0.0.0.0')
  })
})

describe('over TLS', () => {
  it('a session is a cookie that is sent to this host alone, over TLS alone, and links are https', async () => {
    const host = await TestHost.start('--tls', 'on')
    try {
      const { url } = host.host
      const { host: authorityOfUrl } = new URL(url)
      const link = await host.client.makeLoginLink({ body: {} })
      expect(link.url).toMatch(new RegExp(`^https://${authorityOfUrl}/login#code=`))
      const body = { token: host.token('admin') }
      const answer = await call(url, 'POST', '/api/v1/session', { body, tls: host.tls })
      expect(answer.headers['set-cookie']?.[0]).toMatch(/^__Host-hakuriver_session=.*; Path=\/;.*; Secure$/)
      const cookie = cookieOf(answer)
      expect((await call(url, 'GET', '/api/v1/nodes', { cookie, tls: host.tls })).status).toBe(200)
      // the name of plain HTTP counts for nothing, as any page of this machine may set it
      const plain = cookie.replace('__Host-', '')
      expect((await call(url, 'GET', '/api/v1/nodes', { cookie: plain, tls: host.tls })).status).toBe(401)
    } finally {
      await host.close()
    }
  })

  it('who says nothing, or nothing of use, does not keep the host from stopping', async () => {
    const host = await TestHost.start('--tls', 'on')
    const { hostname, port } = new URL(host.host.url)
    const open = (text: string) =>
      new Promise((resolve) => {
        const socket = connectTcp({ host: hostname, port: Number(port) }, () => {
          socket.write(text)
          resolve(socket)
        })
        socket.on('error', () => {})
      })
    await Promise.all([open(''), open('\x16'), open('\x16\x03\x01'), open('GET / HTTP/1.1\r\n')])
    const beganMs = performance.now()
    await host.close()
    expect(performance.now() - beganMs).toBeLessThan(5_000)
  })

  it('an invitation names the address that others can use', async () => {
    const host = await TestHost.startWith({}, '--tls', 'on')
    const { items } = await host.client.makeJoinTokens({ body: { count: 3, node: 'n1' } })
    expect(new Set(items.map(({ invitation }) => invitation)).size).toBe(3)
    // it listens on loopback, so nobody else can
    for (const { invitation } of items) expect(invitation.startsWith(`${host.host.url}#`)).toBe(true)
    await expect(host.client.makeJoinTokens({ body: { node: 'a b' } })).rejects.toThrow(/cannot be the name/)
    expect(await inviteTo(host)).toMatch(/^hakuriver_join_[\w-]{32}$/)
    await host.close()
  })
})
