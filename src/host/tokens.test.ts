/** Tokens over time, with a clock that the test turns. */
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../platform/clock.ts'
import { silentLog } from '../platform/log.ts'
import { boundSessions, maxSessions, sessionFor, sessionOf } from './sessions.ts'
import { SqliteStore } from './store/sqlite.ts'
import type { TokenRecord } from './store/store.ts'
import { type NewToken, Tokens } from './tokens.ts'
import { Users } from './users.ts'

const dayMs = 86_400_000
const startMs = 1_790_000_000_000

let store: SqliteStore
let users: Users
let tokens: Tokens
let nowMs: number
let timers: { atMs: number; action: () => void }[]

const clock: Clock = {
  now: () => nowMs,
  monotonic: () => nowMs,
  after: (delayMs, action) => {
    const timer = { atMs: nowMs + delayMs, action }
    timers.push(timer)
    return () => {
      timers = timers.filter((other) => other !== timer)
    }
  },
  soon: () => () => {},
}

beforeEach(async () => {
  nowMs = startMs
  timers = []
  store = new SqliteStore(':memory:')
  await open()
  await users.create('ann', 'submitter')
})
afterEach(async () => {
  await tokens.close()
  await store.close()
})

async function open(): Promise<void> {
  users = await Users.open({ store, clock })
  tokens = await Tokens.open({ store, users, clock, log: silentLog })
}

/** Lets time pass, with what is due in it. */
async function pass(ms: number): Promise<void> {
  const endMs = nowMs + ms
  for (;;) {
    const next = timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0]
    if (next === undefined) break
    timers = timers.filter((other) => other !== next)
    nowMs = Math.max(nowMs, next.atMs)
    next.action()
    // a look at what is over saves, and only then asks for the next one
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
  }
  nowMs = endMs
}

const wanted = (given: Partial<NewToken> = {}): NewToken => ({
  kind: 'api',
  user: 'ann',
  role: 'submitter',
  label: 'x',
  expiresAtMs: null,
  ...given,
})
const make = async (given?: Partial<NewToken>): Promise<TokenRecord> =>
  (await tokens.make(wanted(given))).token

describe('a token', () => {
  it('is kept and found by its hash', async () => {
    const { secret, token } = await tokens.make(wanted())
    expect(token.hash).toBe(createHash('sha256').update(secret).digest('hex'))
    expect(tokens.find(secret)).toBe(token)
    expect(tokens.find(token.hash)).toBeNull()
    expect(JSON.stringify(await store.tokens())).not.toContain(secret)
  })

  it('is not there where it cannot be saved', async () => {
    const { saveIdentity } = store
    store.saveIdentity = () => Promise.reject(new Error('disk full'))
    let told = ''
    await expect(
      tokens.make(wanted(), async (secret) => {
        told = secret
      }),
    ).rejects.toThrow('disk full')
    expect(tokens.find(told)).toBeNull()
    store.saveIdentity = saveIdentity
  })

  it('has ids that grow over restarts, whatever the clock says', async () => {
    const first = await make()
    nowMs -= 10 * dayMs
    const second = await make()
    await tokens.close()
    await open()
    const third = await make()
    expect(first.id).toBeLessThan(second.id)
    expect(second.id).toBeLessThan(third.id)
  })
})

describe('what hangs on a token', () => {
  it('ends on time, and at once where it has ended', async () => {
    const token = await make({ expiresAtMs: startMs + 10_000 })
    let ended = 0
    const end = () => {
      ended += 1
    }
    const letGo = tokens.onEnd(token, () => end())
    tokens.onEnd(token, end)
    letGo()
    await pass(9_999)
    expect(ended).toBe(0)
    await pass(1)
    expect(ended).toBe(1)
    tokens.onEnd(token, end)
    expect(ended).toBe(2)
  })

  it('ends with the next look where the clock was set forward', async () => {
    const token = await make({ expiresAtMs: startMs + 10 * dayMs })
    let isEnded = false
    tokens.onEnd(token, () => {
      isEnded = true
    })
    const due = timers
    nowMs += 11 * dayMs
    // as if by the clock that nobody can set a minute had passed
    for (const { atMs, action } of due) if (atMs <= startMs + 60_000) action()
    expect(isEnded).toBe(true)
  })

  it('leaves no timers behind', async () => {
    const token = await make({ expiresAtMs: startMs + 10_000 })
    const before = timers.length
    for (let at = 0; at < 100; at += 1) tokens.onEnd(token, () => {})()
    expect(timers.length).toBeLessThanOrEqual(before + 1)
    await tokens.revoke([token])
    expect(timers.length).toBe(before)
  })
})

describe('tokens that have ended', () => {
  it('are remembered for thirty days, and so many of a user', async () => {
    const old = await make()
    await tokens.revoke([old])
    await pass(29 * dayMs)
    expect(tokens.get(old.id)).toBe(old)
    await pass(2 * dayMs)
    expect(tokens.get(old.id)).toBeNull()
    const many = await Promise.all(Array.from({ length: 60 }, () => make()))
    await tokens.revoke(many)
    await pass(120_000)
    const kept = tokens.list(['api'], 'ann')
    expect(kept).toHaveLength(50)
    await tokens.close()
    expect(await store.tokens()).toHaveLength(50)
    await open()
  })

  it('push out none of another kind', async () => {
    const token = await make()
    await tokens.revoke([token])
    for (let at = 0; at < 60; at += 1) {
      nowMs += 1
      await tokens.revoke([await make({ kind: 'browser', expiresAtMs: nowMs + dayMs })])
    }
    await pass(120_000)
    expect(tokens.get(token.id)).toBe(token)
    expect(tokens.list(['browser'], 'ann')).toHaveLength(50)
  })

  it('by an invitation are forgotten at once', async () => {
    const token = await make({ kind: 'login', expiresAtMs: startMs + 3_600_000 })
    await pass(3_600_000 + 120_000)
    expect(tokens.get(token.id)).toBeNull()
    expect(await store.tokens()).toEqual([])
  })
})

describe('browsers of a user', () => {
  it('are bounded, and do not push out those of others', async () => {
    await users.create('bob', 'submitter')
    const login = (user: string) => ({ user, role: 'submitter', boundMs: null }) as const
    const other = await tokens.makeUnsaved(sessionFor(login('bob'), nowMs))
    const secrets: string[] = []
    for (let at = 0; at <= maxSessions; at += 1) {
      secrets.push((await tokens.makeUnsaved(sessionFor(login('ann'), nowMs))).secret)
      await boundSessions(tokens, 'ann')
    }
    const isIn = (secret: string | undefined) =>
      sessionOf(tokens, `hakuriver_session=${secret}`, false) !== null
    expect(isIn(secrets[0])).toBe(false)
    expect(isIn(secrets[1])).toBe(true)
    expect(isIn(other.secret)).toBe(true)
    expect(tokens.liveOf('ann', 'browser')).toHaveLength(maxSessions)
  })

  it('end after thirty days', async () => {
    const { secret } = await tokens.makeUnsaved(
      sessionFor({ user: 'ann', role: 'submitter', boundMs: null }, nowMs),
    )
    await pass(30 * dayMs - 1)
    expect(sessionOf(tokens, `x=1; hakuriver_session=${secret}`, false)).not.toBeNull()
    await pass(1)
    expect(sessionOf(tokens, `x=1; hakuriver_session=${secret}`, false)).toBeNull()
  })
})

describe('the last use', () => {
  it('is written at most once a minute, for all tokens in one commit', async () => {
    const all = await Promise.all([make(), make(), make()])
    let saves = 0
    const { saveIdentity } = store
    store.saveIdentity = (changes) => {
      saves += 1
      return saveIdentity.call(store, changes)
    }
    for (let second = 0; second < 120; second += 1) {
      await pass(1_000)
      for (const token of all) tokens.used(token, '10.0.0.1')
    }
    expect(saves).toBe(2)
    await pass(600_000)
    expect(saves).toBe(3)
  })
})
