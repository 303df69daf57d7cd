/** Users and tokens by the API, on a real host. */
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { waitFor } from '../platform/wait.ts'
import { limits } from '../protocol/limits.ts'
import { type CallOptions, call, cookieOf } from './call.suite.ts'
import { TestHost } from './host.suite.ts'
import { maxInvitations } from './identity.ts'
import { personOn, tokenOn } from './people.suite.ts'
import { maxTries } from './wrong-tries.ts'

/** A clock that can be set forward. */
let ahead = 0
const clock: Clock = {
  ...systemClock,
  now: () => systemClock.now() + ahead,
  monotonic: () => systemClock.monotonic() + ahead,
}
let lines: string[] = []
const keep = (fields: object, message: string) => void lines.push(`${JSON.stringify(fields)} ${message}`)
const log = { debug: keep, info: keep, warn: keep, error: keep, fatal: keep, trace: keep } as unknown as Log
const dayMs = 86_400_000

let host: TestHost
let admin: string
beforeEach(async () => {
  ahead = 0
  lines = []
  host = await TestHost.startWith({ clock, log })
  admin = host.token('admin')
})
afterEach(() => host.close())

const send = (method: string, path: string, options?: CallOptions) =>
  call(host.host.url, method, path, options)
const post = (path: string, token: string, body: object = {}) => send('POST', path, { token, body })
const me = (token: string) => send('GET', '/api/v1/me', { token })

/** The secret of a new invitation. */
async function invite(name: string, body: object = {}): Promise<string> {
  const { json } = await post(`/api/v1/users/${name}/invitations`, admin, body)
  return json.invitation.split('#')[1]
}

describe('the first start', () => {
  it('makes the user admin, and its token in a file of its own; the log names only the path', async () => {
    const path = join(host.dir, 'admin-token')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect((await me(admin)).json).toMatchObject({
      name: 'admin',
      role: 'admin',
      via: 'token',
      expiresAt: null,
    })
    expect(lines.some((line) => line.includes(path))).toBe(true)
    expect(lines.join('\n')).not.toContain(admin)
    const disk = ['cluster.db', 'cluster.db-wal'].map((name) => readFileSync(join(host.dir, name), 'latin1'))
    for (const text of disk) expect(text).not.toContain(admin)
  })

  it('is not repeated while an admin has a token, also without its file', async () => {
    rmSync(join(host.dir, 'admin-token'))
    const { boot } = host
    host.boot = () => Promise.reject(new Error('stopped'))
    await host.restart().catch(() => {})
    host.boot = boot
    // the test's client would read the file
    await expect(host.boot()).rejects.toThrow(/admin-token/)
    expect(existsSync(join(host.dir, 'admin-token'))).toBe(false)
    expect((await me(admin)).status).toBe(200)
  })

  it('gives a new token where no admin has one any more', async () => {
    const { json } = await me(admin)
    expect((await post(`/api/v1/tokens/${json.tokenId}/revoke`, admin)).status).toBe(200)
    expect((await me(admin)).status).toBe(401)
    await host.restart()
    expect(host.token('admin')).not.toBe(admin)
    expect((await me(host.token('admin'))).json).toMatchObject({ name: 'admin', role: 'admin' })
    expect((await me(admin)).json.message).toMatch(/^the token "admin-token" of admin was revoked at /)
  })
})

describe('users', () => {
  it('are made with a role, listed by name, and counted with their tokens', async () => {
    const made = await post('/api/v1/users', admin, { name: 'zoe', role: 'viewer' })
    expect(made).toMatchObject({
      status: 201,
      json: { name: 'zoe', role: 'viewer', isDisabled: false, tokens: 0, lastUsedAt: null },
    })
    const ann = await personOn(host, 'ann', 'submitter')
    await me(ann)
    const { items } = (await send('GET', '/api/v1/users', { token: admin })).json
    expect(items.map(({ name, tokens }: { name: string; tokens: number }) => [name, tokens])).toEqual([
      ['admin', 1],
      ['ann', 1],
      ['zoe', 0],
    ])
    expect(Date.parse(items[1].lastUsedAt)).toBeGreaterThan(Date.now() - 10_000)
  })

  it('have names that can be names of users on a node, each once', async () => {
    for (const name of ['', 'Ann', '1st', 'a b', '../x', 'x'.repeat(33), '-x'])
      expect((await post('/api/v1/users', admin, { name, role: 'viewer' })).status).toBe(400)
    expect((await post('/api/v1/users', admin, { name: 'ann', role: 'king' })).status).toBe(400)
    expect((await post('/api/v1/users', admin, { name: 'ann', role: 'viewer' })).status).toBe(201)
    expect(await post('/api/v1/users', admin, { name: 'ann', role: 'viewer' })).toMatchObject({
      status: 409,
      json: { message: 'there is a user ann already' },
    })
    await post('/api/v1/users/ann', admin, { isDisabled: true })
    expect((await post('/api/v1/users', admin, { name: 'ann', role: 'viewer' })).json.message).toMatch(
      /^there was a user ann, .*: enable it again/,
    )
  })

  it('lose and get rights at once', async () => {
    const ann = await personOn(host, 'ann', 'operator')
    expect((await me(ann)).json.role).toBe('operator')
    expect((await post('/api/v1/users/ann', admin, { role: 'viewer' })).json.role).toBe('viewer')
    expect((await me(ann)).json.role).toBe('viewer')
    expect(await post('/api/v1/batches', ann, { specs: [{ command: 'x' }] })).toMatchObject({
      status: 403,
      json: { message: 'this needs the role submitter, and ann is viewer' },
    })
    await post('/api/v1/users/ann', admin, { isDisabled: true })
    expect((await me(ann)).json.message).toBe('the user ann is disabled: ask an admin')
    await post('/api/v1/users/ann', admin, { isDisabled: false, role: 'admin' })
    // the token was made for an operator
    expect((await me(ann)).json.role).toBe('operator')
    expect((await send('GET', '/api/v1/users', { token: ann })).json.message).toBe(
      'this needs the role admin, and this token of ann is only operator',
    )
    expect((await post('/api/v1/users/nobody', admin, { role: 'viewer' })).status).toBe(404)
  })

  it('keep one admin, whatever is asked for at the same time', async () => {
    const refusal = {
      status: 409,
      json: { message: 'admin is the last admin: make another user an admin first' },
    }
    expect(await post('/api/v1/users/admin', admin, { role: 'operator' })).toMatchObject(refusal)
    expect(await post('/api/v1/users/admin', admin, { isDisabled: true })).toMatchObject(refusal)
    const ann = await personOn(host, 'ann', 'admin')
    const both = await Promise.all(
      [
        post('/api/v1/users/admin', ann, { role: 'viewer' }),
        post('/api/v1/users/ann', admin, { role: 'viewer' }),
      ].map((each) =>
        each.then(
          ({ status }) => status,
          () => 401,
        ),
      ),
    )
    // one has lost the right while it asked
    expect(both.filter((status) => status === 200)).toHaveLength(1)
    const left = await Promise.all([me(ann), me(admin)])
    expect(left.filter(({ json }) => json.role === 'admin')).toHaveLength(1)
  })

  it('may take their own rights, and are told so', async () => {
    const ann = await personOn(host, 'ann', 'admin')
    expect(await post('/api/v1/users/ann', ann, { role: 'viewer' })).toMatchObject({
      status: 200,
      json: { role: 'viewer' },
    })
    expect((await me(ann)).json.role).toBe('viewer')
  })
})

describe('an invitation', () => {
  it('gives a program a token of the user, once', async () => {
    await post('/api/v1/users', admin, { name: 'ann', role: 'submitter' })
    const { json } = await post('/api/v1/users/ann/invitations', admin)
    expect(json.invitation).toMatch(new RegExp(`^${host.host.url}#hakuriver_login_[\\w-]{32}$`))
    expect(Date.parse(json.expiresAt) - Date.now()).toBeGreaterThan(3_590_000)
    const secret = json.invitation.split('#')[1]
    expect(json.link).toBe(`${host.host.url}/login#code=${secret}`)
    // it is no token itself
    expect((await me(secret)).status).toBe(401)
    const claimed = await send('POST', '/api/v1/login', { body: { secret, label: 'laptop' } })
    expect(claimed).toMatchObject({ status: 200, json: { user: 'ann', role: 'submitter' } })
    expect(Date.parse(claimed.json.expiresAt) - Date.now()).toBeGreaterThan(89 * dayMs)
    expect((await me(claimed.json.token)).json).toMatchObject({ name: 'ann', role: 'submitter' })
    for (const again of [
      await send('POST', '/api/v1/login', { body: { secret } }),
      await send('POST', '/api/v1/session', { body: { code: secret } }),
    ])
      expect(again).toMatchObject({
        status: 401,
        json: { message: 'this link or invitation was used or is too old: ask for a new one' },
      })
  })

  it('logs a browser in in place of that', async () => {
    await post('/api/v1/users', admin, { name: 'ann', role: 'submitter' })
    const secret = await invite('ann')
    const begun = await send('POST', '/api/v1/session', { body: { code: secret } })
    expect(begun).toMatchObject({ status: 200, json: { name: 'ann', role: 'submitter' } })
    expect((await send('GET', '/api/v1/me', { cookie: cookieOf(begun) })).json).toMatchObject({
      name: 'ann',
      via: 'session',
    })
    expect((await send('POST', '/api/v1/login', { body: { secret } })).status).toBe(401)
  })

  it('is used by one of many who try at once', async () => {
    await post('/api/v1/users', admin, { name: 'ann', role: 'submitter' })
    const secret = await invite('ann')
    const tries = Array.from({ length: 8 }, () => send('POST', '/api/v1/login', { body: { secret } }))
    const done = (await Promise.all(tries)).filter(({ status }) => status === 200)
    expect(done).toHaveLength(1)
  })

  it('holds over a restart, and no longer than it is told', async () => {
    await post('/api/v1/users', admin, { name: 'ann', role: 'submitter' })
    const [early, late] = [await invite('ann', { ttlSeconds: 600 }), await invite('ann', { ttlSeconds: 600 })]
    await host.restart()
    ahead = 590_000
    expect((await send('POST', '/api/v1/login', { body: { secret: early } })).status).toBe(200)
    ahead = 601_000
    expect((await send('POST', '/api/v1/login', { body: { secret: late } })).status).toBe(401)
    for (const ttlSeconds of [0, 7 * 86_400 + 1])
      expect((await post('/api/v1/users/ann/invitations', admin, { ttlSeconds })).status).toBe(400)
  })

  it('is void where its user is disabled, or who made it is no admin any more', async () => {
    const bob = await personOn(host, 'bob', 'admin')
    await post('/api/v1/users', admin, { name: 'ann', role: 'submitter' })
    const byBob = (await post('/api/v1/users/ann/invitations', bob)).json.invitation.split('#')[1]
    const byAdmin = await invite('ann')
    await post('/api/v1/users/bob', admin, { role: 'operator' })
    expect((await send('POST', '/api/v1/login', { body: { secret: byBob } })).status).toBe(401)
    await post('/api/v1/users/ann', admin, { isDisabled: true })
    expect((await send('POST', '/api/v1/login', { body: { secret: byAdmin } })).status).toBe(401)
    expect((await post('/api/v1/users/ann/invitations', admin)).status).toBe(409)
    expect((await post('/api/v1/users/nobody/invitations', admin)).status).toBe(404)
  })

  it('stays void where its user is disabled and enabled again', async () => {
    await post('/api/v1/users', admin, { name: 'ann', role: 'submitter' })
    const secret = await invite('ann')
    await post('/api/v1/users/ann', admin, { isDisabled: true })
    await post('/api/v1/users/ann', admin, { isDisabled: false })
    expect((await send('POST', '/api/v1/login', { body: { secret } })).status).toBe(401)
  })

  it('is one of a bounded number: the oldest goes first', async () => {
    await post('/api/v1/users', admin, { name: 'ann', role: 'submitter' })
    const secrets: string[] = []
    for (let made = 0; made <= maxInvitations; made += 1) secrets.push(await invite('ann'))
    expect((await send('POST', '/api/v1/login', { body: { secret: secrets[0] } })).status).toBe(401)
    expect((await send('POST', '/api/v1/login', { body: { secret: secrets[1] } })).status).toBe(200)
  })

  it('is not used up where the token cannot be saved', async () => {
    await post('/api/v1/users', admin, { name: 'ann', role: 'submitter' })
    const secret = await invite('ann')
    const { saveIdentity } = host.store
    host.store.saveIdentity = () => Promise.reject(new Error('disk full'))
    expect((await send('POST', '/api/v1/login', { body: { secret } })).status).toBe(500)
    expect((await send('POST', '/api/v1/session', { body: { code: secret } })).status).toBe(500)
    host.store.saveIdentity = saveIdentity
    expect((await send('POST', '/api/v1/login', { body: { secret } })).status).toBe(200)
  })
})

describe('tokens', () => {
  it('are made by users for themselves, shown once, and listed without what makes them one', async () => {
    const ann = await personOn(host, 'ann', 'operator')
    const made = await post('/api/v1/tokens', ann, { label: 'ci', role: 'submitter' })
    expect(made.status).toBe(201)
    const { token, ...view } = made.json
    expect(token).toMatch(/^hakuriver_api_[\w-]{32}$/)
    expect(view).toMatchObject({ kind: 'api', user: 'ann', role: 'submitter', label: 'ci', revokedAt: null })
    expect(Date.parse(view.expiresAt) - Date.now()).toBeGreaterThan(89.9 * dayMs)
    await send('POST', '/api/v1/session', { body: { token } })
    await me(token)
    const { items } = (await send('GET', '/api/v1/tokens', { token: ann })).json
    expect(items).toHaveLength(3)
    expect(items[0]).toMatchObject({ kind: 'browser', role: 'submitter' })
    expect(items[1]).toMatchObject({ id: view.id, lastUsedFrom: '127.0.0.1' })
    const text = JSON.stringify(items)
    const [, kept] = await host.store.tokens()
    for (const secret of [token, ann, kept?.hash ?? '']) expect(text).not.toContain(secret)
  })

  it('are for others, and shown of others, by an admin alone', async () => {
    const ann = await personOn(host, 'ann', 'operator')
    await personOn(host, 'bob', 'submitter')
    expect(await post('/api/v1/tokens', ann, { label: 'x', user: 'bob' })).toMatchObject({
      status: 403,
      json: { message: 'only an admin can make a token for another user, and ann is operator' },
    })
    expect((await send('GET', '/api/v1/tokens?user=bob', { token: ann })).status).toBe(403)
    expect((await send('GET', '/api/v1/tokens?all=true', { token: ann })).status).toBe(403)
    expect((await send('GET', '/api/v1/tokens?user=bob', { token: admin })).json.items).toHaveLength(1)
    expect((await send('GET', '/api/v1/tokens?all=true', { token: admin })).json.items).toHaveLength(3)
    expect((await send('GET', '/api/v1/tokens?user=carl', { token: admin })).status).toBe(404)
    const tooMuch = await post('/api/v1/tokens', admin, { label: 'x', user: 'bob', role: 'operator' })
    expect(tooMuch).toMatchObject({
      status: 400,
      json: { message: 'cannot make a token with the role operator: the user bob is submitter' },
    })
  })

  it('are never stronger than what made them, nor last longer', async () => {
    const weak = await tokenOn(host, { user: 'admin', role: 'submitter', expiresInSeconds: 3_600 })
    expect(await post('/api/v1/tokens', weak, { label: 'x', role: 'operator' })).toMatchObject({
      status: 403,
      json: { message: 'cannot make a token with the role operator: admin is submitter here' },
    })
    const left = await post('/api/v1/tokens', weak, { label: 'x' })
    expect(left.json.role).toBe('submitter')
    expect(Date.parse(left.json.expiresAt) - Date.now()).toBeLessThan(3_600_000)
    for (const expiresInSeconds of [null, 4_000])
      expect((await post('/api/v1/tokens', weak, { label: 'x', expiresInSeconds })).status).toBe(403)
    // nor by way of a browser
    const link = await post('/api/v1/login-links', weak)
    const code = new URL(link.json.url).hash.replace('#code=', '')
    for (const body of [{ code }, { token: weak }]) {
      const begun = await send('POST', '/api/v1/session', { body })
      expect(begun.json.role).toBe('submitter')
      expect(Date.parse(begun.json.expiresAt) - Date.now()).toBeLessThan(3_600_000)
      const cookie = cookieOf(begun)
      const headers = { origin: host.host.url }
      const options = { cookie, headers, body: { label: 'x', expiresInSeconds: null } }
      expect((await send('POST', '/api/v1/tokens', options)).status).toBe(403)
    }
    // a login of a person is bounded by nothing: it is not a part of another token
    expect((await post('/api/v1/tokens', admin, { label: 'x', expiresInSeconds: null })).json).toMatchObject({
      expiresAt: null,
      role: 'admin',
    })
  })

  it('are a bounded number for each user', async () => {
    await post('/api/v1/users', admin, { name: 'ann', role: 'submitter' })
    const tokens: string[] = []
    for (let at = 0; at < limits.tokensPerUser; at += 1) tokens.push(await tokenOn(host, { user: 'ann' }))
    const more = () => post('/api/v1/tokens', tokens[0] ?? '', { label: 'x' })
    expect(await more()).toMatchObject({
      status: 429,
      json: { message: 'ann has 100 tokens: revoke one first' },
    })
    const { json } = await me(tokens[1] ?? '')
    expect((await post(`/api/v1/tokens/${json.tokenId}/revoke`, tokens[0] ?? '')).status).toBe(200)
    expect((await more()).status).toBe(201)
  })

  it('have labels of a sane length, without control characters', async () => {
    for (const label of ['', 'x'.repeat(101), 'a\nb', 'a\u001b[31m'])
      expect((await post('/api/v1/tokens', admin, { label })).status).toBe(400)
    expect((await post('/api/v1/tokens', admin, { label: 'Ann’s laptop' })).status).toBe(201)
  })

  it('that have ended are told apart from those that nobody knows', async () => {
    await personOn(host, 'ann', 'submitter')
    const old = await tokenOn(host, { user: 'ann', label: 'old', expiresInSeconds: 60 })
    const gone = await tokenOn(host, { user: 'ann', label: 'gone' })
    const { json } = await me(gone)
    await post(`/api/v1/tokens/${json.tokenId}/revoke`, gone)
    ahead = 61_000
    expect((await me(old)).json.message).toMatch(
      /^the token "old" of ann has expired at 2\S+Z: ask an admin for an invitation/,
    )
    expect((await me(gone)).json.message).toMatch(
      /^the token "gone" of ann was revoked at 2\S+Z: use another/,
    )
    expect((await me('hakuriver_api_guess')).json.message).toMatch(/^the token is not one of this host: /)
    expect((await send('GET', '/api/v1/me')).json.message).toMatch(/^no token was shown: /)
    // those that are known are no guesses
    for (let at = 0; at < 2 * maxTries; at += 1) expect((await me(old)).status).toBe(401)
  })

  it('are revoked by their user, in no greater role than he asks in, or by an admin', async () => {
    const ann = await personOn(host, 'ann', 'operator')
    const weak = await tokenOn(host, { user: 'ann', role: 'viewer' })
    const bob = await personOn(host, 'bob', 'operator')
    const { tokenId } = (await me(ann)).json
    const revoke = (by: string, id = tokenId) => post(`/api/v1/tokens/${id}/revoke`, by)
    expect((await revoke(weak)).status).toBe(403)
    // what is another's is not even there
    expect((await revoke(bob)).json.message).toBe(`there is no token ${tokenId} of bob`)
    expect((await revoke(bob, '1')).status).toBe(404)
    expect((await revoke(admin)).json).toMatchObject({ user: 'ann', revokedAt: expect.stringMatching(/Z$/) })
    expect((await me(ann)).status).toBe(401)
    const { tokenId: last } = (await me(weak)).json
    expect((await revoke(weak, last)).status).toBe(200)
    expect((await me(weak)).status).toBe(401)
    await host.restart()
    for (const token of [ann, weak]) expect((await me(token)).status).toBe(401)
  })

  it('that are revoked stay so where that cannot be saved, which is told', async () => {
    const ann = await personOn(host, 'ann', 'operator')
    const { tokenId } = (await me(ann)).json
    const { saveIdentity } = host.store
    host.store.saveIdentity = () => Promise.reject(new Error('disk full'))
    expect((await post(`/api/v1/tokens/${tokenId}/revoke`, admin)).status).toBe(500)
    expect((await me(ann)).status).toBe(401)
    host.store.saveIdentity = saveIdentity
    // it is saved with the next look, at the latest at the end
    await host.restart()
    expect((await me(ann)).status).toBe(401)
  })

  it('note their last use, without a commit for each request', async () => {
    let saved = 0
    const { saveIdentity } = host.store
    host.store.saveIdentity = (changes) => {
      saved += 1
      return saveIdentity.call(host.store, changes)
    }
    const ann = await personOn(host, 'ann', 'submitter')
    const before = saved
    for (let at = 0; at < 50; at += 1) await me(ann)
    expect(saved).toBe(before)
    const { items } = (await send('GET', '/api/v1/tokens', { token: ann })).json
    expect(items[0]).toMatchObject({ lastUsedFrom: '127.0.0.1', lastUsedAt: expect.stringMatching(/Z$/) })
    await host.restart()
    const kept = (await host.store.tokens()).find(({ user }) => user === 'ann')
    expect(kept).toMatchObject({ lastUsedFrom: '127.0.0.1' })
    expect(Date.parse(items[0].lastUsedAt)).toBeLessThanOrEqual(kept?.lastUsedAtMs ?? 0)
  })

  it('that are wrong are put off on every route, while right ones of the same address go on', async () => {
    for (let at = 0; at < maxTries; at += 1) expect((await me(`hakuriver_api_${at}`)).status).toBe(401)
    for (const [method, path] of [
      ['GET', '/api/v1/tasks'],
      ['GET', '/api/v1/events'],
      ['POST', '/api/v1/batches'],
      ['GET', '/nodes'],
    ] as const) {
      const refused = await send(method, path, { token: 'hakuriver_api_x' })
      expect(refused.status).toBe(429)
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    }
    expect((await send('POST', '/api/v1/login', { body: { secret: 'x' } })).status).toBe(429)
    expect((await send('POST', '/api/v1/session', { body: { code: 'x' } })).status).toBe(429)
    expect((await me(admin)).status).toBe(200)
    expect((await send('GET', '/api/v1/me')).status).toBe(401)
    expect(lines.filter((line) => line.includes('Too many wrong tokens'))).toHaveLength(1)
    ahead = 61_000
    expect((await me('hakuriver_api_x')).status).toBe(401)
  })

  it('of users are no cookies, and cookies no tokens', async () => {
    const begun = await send('POST', '/api/v1/session', { body: { token: admin } })
    const value = cookieOf(begun).split('=')[1] ?? ''
    expect((await me(value)).status).toBe(401)
    expect((await send('GET', '/api/v1/me', { cookie: `hakuriver_session=${admin}` })).status).toBe(401)
    // a join token neither logs in nor makes anything
    const join_ = host.token('join')
    expect((await me(join_)).status).toBe(403)
    expect((await send('POST', '/api/v1/session', { body: { token: join_ } })).status).toBe(403)
  })
})

describe('a host without tokens', () => {
  it('says that everybody is admin, and changes no users and tokens: they would outlast it', async () => {
    await host.restart('--insecure-loopback')
    expect((await send('GET', '/api/v1/me')).json).toEqual({
      name: 'admin', role: 'admin', via: 'open', tokenId: null, expiresAt: null,
    }) // biome-ignore format: one line
    for (const [path, body] of [
      ['/api/v1/users', { name: 'eve', role: 'admin' }],
      ['/api/v1/users/admin', { role: 'viewer' }],
      ['/api/v1/users/admin/invitations', {}],
      ['/api/v1/tokens', { label: 'x', expiresInSeconds: null }],
    ] as const)
      expect(await send('POST', path, { body })).toMatchObject({
        status: 409,
        json: { message: expect.stringContaining('start it without --insecure-loopback') },
      })
    const { items } = (await send('GET', '/api/v1/tokens?all=true')).json
    expect(items).toHaveLength(1)
    expect((await host.store.tokens()).map(({ kind }) => kind)).toEqual(['api', 'join'])
  })
})

describe('the log', () => {
  it('names who did what to whom, and no secret', async () => {
    await post('/api/v1/users', admin, { name: 'ann', role: 'submitter' })
    const secret = await invite('ann')
    const { token } = (await send('POST', '/api/v1/login', { body: { secret } })).json
    const made = (await post('/api/v1/tokens', token, { label: 'ci' })).json
    await post(`/api/v1/tokens/${made.id}/revoke`, token)
    await post('/api/v1/users/ann', admin, { isDisabled: true })
    const text = lines.join('\n')
    for (const what of ['A user was made', 'A user was invited', 'An invitation was used', 'A token was made', 'A token was revoked', 'A user was changed']) // biome-ignore format: a list
      expect(text).toContain(what)
    for (const each of [secret, token, made.token, admin]) expect(text).not.toContain(each)
    await waitFor('it is on disk', async () => (await host.store.tokens()).length === 4)
  })
})
