import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../platform/clock.ts'
import { waitFor } from '../../platform/wait.ts'
import { makePrivateKey, makeRequest } from '../../platform/x509.ts'
import { hostApi } from '../../protocol/host-api.ts'
import { streamRoutes } from '../../protocol/routes.ts'
import { call } from '../call.suite.ts'
import { TestHost } from '../host.suite.ts'
import { maxTries } from '../wrong-tries.ts'
import { dialAs, inviteTo, joinAs, linkAs, tryJoin } from './join.suite.ts'

let host: TestHost

beforeEach(async () => {
  host = await TestHost.start('--tls', 'on')
})
afterEach(() => host.close())

async function isOnline(node: string): Promise<boolean> {
  const { items } = await host.client.listNodes({})
  return items.some(({ name, status }) => name === node && status === 'online')
}

describe('a host that speaks TLS', () => {
  it('keeps its keys to itself, and makes no join token that opens the link', () => {
    expect(host.host.url).toMatch(/^https:/)
    expect(statSync(join(host.dir, 'ca')).mode & 0o777).toBe(0o700)
    const files = readdirSync(join(host.dir, 'ca'))
    expect(files.filter((name) => name.endsWith('.key'))).toHaveLength(1)
    for (const name of files) expect(statSync(join(host.dir, 'ca', name)).mode & 0o777).toBe(0o600)
    expect(readdirSync(host.dir)).not.toContain('join-token')
  })

  it('says so to whoever speaks plain HTTP', async () => {
    const answer = await call(host.host.url.replace('https', 'http'), 'GET', '/healthz')
    expect(answer.status).toBe(400)
    expect(answer.json.message).toContain('use https://')
  })

  it('links a machine that has joined', async () => {
    const machine = await joinAs(host, 'n1')
    await linkAs(host, machine)
    await waitFor('n1 is online', () => isOnline('n1'))
    const { nodes } = await host.client.getAuthority({})
    expect(nodes).toEqual({ joined: 1, behind: [] })
  })

  it('knows its nodes after a restart, and its nodes know it', async () => {
    const machine = await joinAs(host, 'n1')
    await host.restart()
    await linkAs(host, machine)
    await waitFor('n1 is online', () => isOnline('n1'))
  })

  it('links nobody without a certificate', async () => {
    await expect(dialAs(host, {})).rejects.toThrow(/401 .*no certificate was shown/)
  })
})

describe('a join', () => {
  it('is refused in one sentence for a used, an old, an unknown and another kind of secret', async () => {
    const secret = await inviteTo(host)
    expect((await tryJoin(host, { secret })).status).toBe(201)
    const used = await tryJoin(host, { secret, node: 'n2' })
    expect([used.status, used.json.message]).toEqual([401, expect.stringContaining('was used')])
    const unknown = await tryJoin(host, { secret: `hakuriver_join_${'x'.repeat(32)}`, node: 'n3' })
    expect([unknown.status, unknown.json.message]).toEqual([
      401,
      expect.stringContaining('not one of this host'),
    ])
    const admin = await tryJoin(host, { secret: host.token('admin'), node: 'n3' })
    expect([admin.status, admin.json.message]).toEqual([401, expect.stringContaining('of the kind "api"')])
    expect(admin.text).not.toContain(host.token('admin'))
    const old = await inviteTo(host, { ttlSeconds: 1 })
    await waitFor('the end of the invitation', async () => {
      const answer = await tryJoin(host, { secret: old, node: 'n1' }) // a name that is taken uses nothing up
      return String(answer.json.message).includes('too old')
    })
  })

  it('uses a secret up once, however many try at the same time', async () => {
    const secret = await inviteTo(host)
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((node) => tryJoin(host, { secret, node })))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401, 401])
  })

  it('takes over no name but with an invitation for it', async () => {
    const first = await joinAs(host, 'n1')
    const link = await linkAs(host, first)
    const taken = await tryJoin(host, { node: 'n1', runnerId: 'another' })
    expect([taken.status, taken.json.message]).toEqual([409, expect.stringContaining('--node n1')])
    const forOther = await inviteTo(host, { node: 'n1' })
    const wrong = await tryJoin(host, { secret: forOther, node: 'n2' })
    expect([wrong.status, wrong.json.message]).toEqual([403, expect.stringContaining('is for node n1')])
    const second = await joinAs(host, 'n1', { secret: forOther, runnerId: 'another' })
    await link.closed()
    await expect(dialAs(host, first.tls)).rejects.toThrow(/403 .*was revoked/)
    await linkAs(host, second)
  })

  it('gives no name of a node that the cluster knows, though it has no credential', async () => {
    const machine = await joinAs(host, 'n1')
    await linkAs(host, machine)
    await waitFor('n1 is online', () => isOnline('n1'))
    await host.client.revokeNode({ params: { name: 'n1' }, body: {} })
    expect((await tryJoin(host, { node: 'n1', runnerId: 'another' })).status).toBe(409)
  })

  it('binds a machine to one node', async () => {
    await joinAs(host, 'n1', { runnerId: 'r' })
    const other = await tryJoin(host, { node: 'n2', runnerId: 'r' })
    expect([other.status, other.json.message]).toEqual([409, expect.stringContaining('known as node n1')])
  })

  it('takes no request that is not signed, too large, or of another name', async () => {
    expect((await tryJoin(host, { csr: 'hello' })).status).toBe(400)
    expect((await tryJoin(host, { csr: 'x'.repeat(20_000) })).status).toBe(413)
    // what the request calls itself is not believed
    const csr = await makeRequest(makePrivateKey(), 'n9')
    expect((await tryJoin(host, { csr, node: 'n2' })).json.node).toBe('n2')
    expect((await tryJoin(host, { node: '-x' })).status).toBe(400)
  })

  it('cannot be guessed for long', async () => {
    const secret = (at: number) => `hakuriver_join_${String(at).padStart(32, 'x')}`
    for (let at = 0; at < maxTries; at += 1)
      expect((await tryJoin(host, { secret: secret(at) })).status).toBe(401)
    const { status, headers } = await tryJoin(host, { secret: secret(99) })
    expect([status, Number(headers['retry-after']) > 0]).toEqual([429, true])
    // what is right is held up by nobody's guesses
    expect((await tryJoin(host)).status).toBe(201)
  })

  it('is not there on a host that speaks plain HTTP', async () => {
    const plain = await TestHost.start()
    try {
      const body = { secret: 'x', csr: 'x', node: 'n1', runnerId: 'r' }
      const answer = await call(plain.host.url, 'POST', '/api/v1/join', { body })
      expect([answer.status, answer.json.message]).toEqual([409, expect.stringContaining('join-token')])
      await expect(plain.client.makeJoinTokens({ body: {} })).rejects.toMatchObject({
        message: expect.stringContaining('plain HTTP'),
        details: { fix: expect.stringContaining('hakuriver up --detach') },
      })
    } finally {
      await plain.close()
    }
  })
})

describe('the certificate of a node', () => {
  it('opens nothing but the link, the checks, and its own renewal', async () => {
    const { tls } = await joinAs(host, 'n1')
    const routes: [string, { method: string; path: string; access: string }][] = [
      ...Object.entries(hostApi),
      ...Object.entries(streamRoutes).map(([name, route]): [string, typeof route & { access: string }] => [
        name,
        { ...route, access: name === 'openapi' ? 'public' : 'view' },
      ]),
    ]
    for (const [name, endpoint] of routes) {
      if (endpoint.access === 'public') continue
      const path = endpoint.path.replace(/:\w+/g, '1')
      const answer = await call(host.host.url, endpoint.method, path, {
        ...(endpoint.method === 'POST' && { body: {} }),
        tls,
      })
      const isOpen = answer.status !== 401 && answer.status !== 403
      expect([name, isOpen]).toEqual([name, endpoint.access === 'check' || endpoint.access === 'node'])
    }
  })

  it('cannot join, also not as another node', async () => {
    const { tls } = await joinAs(host, 'n1')
    const body = { secret: 'x', csr: await makeRequest(makePrivateKey(), 'n2'), node: 'n2', runnerId: 'r' }
    expect((await call(host.host.url, 'POST', '/api/v1/join', { body, tls })).status).toBe(401)
  })

  it('is of one node and of one machine', async () => {
    const machine = await joinAs(host, 'n1')
    await joinAs(host, 'n2')
    for (const [hello, words] of [
      [{ node: 'n2', runnerId: machine.runnerId }, 'is of node n1'],
      [{ node: 'n1', runnerId: 'runner-n2' }, 'for another runner'],
    ] as const) {
      const runner = await dialAs(host, machine.tls)
      runner.hello(hello)
      expect((await runner.heard('refused')).message).toContain(words)
      await runner.closed()
    }
  })

  it('counts by itself in a check, and no join token does', async () => {
    const { tls } = await joinAs(host, 'n1')
    const answer = await call(host.host.url, 'GET', '/api/v1/checks/host', { tls })
    expect(answer.json.token).toBe('node')
    const none = await call(host.host.url, 'GET', '/api/v1/checks/host', { tls: host.tls })
    expect(none.status).toBe(401)
  })

  it('is made anew for another key', async () => {
    const machine = await joinAs(host, 'n1')
    const key = makePrivateKey()
    const body = { csr: await makeRequest(key, 'n2') }
    const path = '/api/v1/nodes/self/certificate'
    const answer = await call(host.host.url, 'POST', path, { body, tls: machine.tls })
    expect(answer.json).toMatchObject({ node: 'n1', nodeId: machine.nodeId })
    await linkAs(host, { ...machine, tls: { ...machine.tls, cert: answer.json.certificate, key } })
    expect((await call(host.host.url, 'POST', path, { body, tls: host.tls })).status).toBe(401)
  })
})

describe('a certificate that is over', () => {
  it('opens nothing any more, and says so', async () => {
    let turnedMs = -100 * 86_400_000
    const clock = { ...systemClock, now: () => Date.now() + turnedMs }
    const old = await TestHost.startWith({ clock }, '--tls', 'on', '--heartbeat', '0.2')
    try {
      const machine = await joinAs(old, 'n1')
      // the machine's own clock decides in the handshake, and it is beyond the end already
      await expect(dialAs(old, machine.tls)).rejects.toThrow(/401 .*not one of a node of this host/)
      turnedMs = 0
      await expect(dialAs(old, machine.tls)).rejects.toThrow(/401 .*is over since .*join again/)
      const answer = await call(old.host.url, 'GET', '/api/v1/checks/host', { tls: machine.tls })
      expect(answer.json.message).toContain('is over since')
    } finally {
      await old.close()
    }
  })

  it('ends its link', async () => {
    let turnedMs = 0
    const clock = { ...systemClock, now: () => Date.now() + turnedMs }
    const later = await TestHost.startWith({ clock }, '--tls', 'on', '--heartbeat', '0.2')
    try {
      const link = await linkAs(later, await joinAs(later, 'n1'))
      turnedMs = 91 * 86_400_000
      await link.closed()
    } finally {
      await later.close()
    }
  })
})

describe('a revoked node', () => {
  it('loses its link within a second, and gets none any more', async () => {
    const machine = await joinAs(host, 'n1')
    const link = await linkAs(host, machine)
    await waitFor('n1 is online', () => isOnline('n1'))
    const beganMs = performance.now()
    expect(await host.client.revokeNode({ params: { name: 'n1' }, body: {} })).toEqual({
      revoked: 'n1',
      wasLinked: true,
    })
    await link.closed()
    expect(performance.now() - beganMs).toBeLessThan(1_000)
    // sixty seconds of silence are not waited for
    await waitFor('n1 is told as gone', async () => !(await isOnline('n1')))
    await expect(dialAs(host, machine.tls)).rejects.toThrow(/403 .*was revoked/)
    const check = await call(host.host.url, 'GET', '/api/v1/checks/host', { tls: machine.tls })
    expect([check.status, check.json.message]).toEqual([403, expect.stringContaining('was revoked')])
    await host.restart()
    await expect(dialAs(host, machine.tls)).rejects.toThrow(/403 .*was revoked/)
    await expect(host.client.revokeNode({ params: { name: 'n1' }, body: {} })).rejects.toThrow(
      /nothing to revoke/,
    )
    await expect(host.client.revokeNode({ params: { name: 'n9' }, body: {} })).rejects.toThrow(/no node n9/)
  })

  it('is told why', async () => {
    const link = await linkAs(host, await joinAs(host, 'n1'))
    await host.client.revokeNode({ params: { name: 'n1' }, body: {} })
    expect((await link.heard('refused')).message).toContain('admin revoked its credential')
    await link.closed()
  })

  it('may be removed, which revokes as well, and its name is free then', async () => {
    const machine = await joinAs(host, 'n1')
    const link = await linkAs(host, machine)
    await waitFor('n1 is online', () => isOnline('n1'))
    link.cut()
    await host.restart('--heartbeat', '0.1')
    await waitFor('n1 is silent', async () => !(await isOnline('n1')))
    await host.client.removeNode({ params: { name: 'n1' }, body: {} })
    await expect(dialAs(host, machine.tls)).rejects.toThrow(/403/)
    await joinAs(host, 'n1', { runnerId: 'another' })
  })
})

describe('a change of the authority', () => {
  it('keeps nodes linked while both are trusted, and cuts off who stays behind only by force', async () => {
    const machine = await joinAs(host, 'n1')
    const late = await joinAs(host, 'n2')
    const link = await linkAs(host, machine)
    await waitFor('n1 is online', () => isOnline('n1'))
    const before = await host.client.getAuthority({})
    const rotated = await host.client.rotateAuthority({ body: {} })
    expect(rotated.next).not.toBeNull()
    expect(rotated.nodes.behind.sort()).toEqual(['n1', 'n2'])
    await link.heard('renew')
    const key = makePrivateKey()
    const answer = await call(host.host.url, 'POST', '/api/v1/nodes/self/certificate', {
      body: { csr: await makeRequest(key, 'n1') },
      tls: machine.tls,
    })
    const renewed = {
      ...machine,
      tls: { ...machine.tls, ca: answer.json.ca, cert: answer.json.certificate, key },
    }
    // until it has linked with it, nobody knows that it has it
    expect((await host.client.getAuthority({})).nodes.behind).toContain('n1')
    await linkAs(host, renewed)
    await waitFor(
      'n1 has shown it',
      async () => !(await host.client.getAuthority({})).nodes.behind.includes('n1'),
    )
    await expect(host.client.finishAuthority({ body: {} })).rejects.toThrow(/node n2 would be cut off/)
    await host.restart()
    const stillLinked = await linkAs(host, late)
    const finished = await host.client.finishAuthority({ body: { force: true } })
    expect(finished).toMatchObject({ current: { fingerprint: rotated.next?.fingerprint }, next: null })
    expect(finished.current.fingerprint).not.toBe(before.current.fingerprint)
    await stillLinked.closed()
    await linkAs(host, renewed)
    await expect(dialAs(host, late.tls)).rejects.toThrow(/self-signed|certificate|verify/i)
    await expect(dialAs(host, { ...late.tls, ca: renewed.tls.ca })).rejects.toThrow(
      /not one of a node of this host/,
    )
    expect(readdirSync(join(host.dir, 'ca')).filter((name) => name.endsWith('.key'))).toHaveLength(1)
  })

  it('is neither begun nor ended twice', async () => {
    await expect(host.client.finishAuthority({ body: {} })).rejects.toThrow(/no change .* goes on/)
    await host.client.rotateAuthority({ body: {} })
    await expect(host.client.rotateAuthority({ body: {} })).rejects.toThrow(/being changed already/)
  })
})
