import { expect, it } from 'vitest'
import type { TokenView } from '../../../../src/protocol/schemas.ts'
import { isLive, lifeWords, lives, usualLife } from './lives.ts'
import { asA, rolesUpTo } from './roles.ts'

const nowMs = Date.parse('2026-11-28T12:00:00.000Z')
const at = (ms: number) => new Date(nowMs + ms).toISOString()
const token: TokenView = {
  id: '1',
  kind: 'api',
  user: 'ann',
  role: 'submitter',
  label: 'laptop',
  createdAt: at(-1_000),
  expiresAt: null,
  lastUsedAt: null,
  lastUsedFrom: null,
  revokedAt: null,
}

it.each([
  [{}, true, 'has no end'],
  [{ expiresAt: at(90_000) }, true, 'ends in 1 m'],
  [{ expiresAt: at(0) }, false, 'ended 0 s ago'],
  [{ expiresAt: at(-3_600_000) }, false, 'ended 1 h ago'],
  [{ expiresAt: at(90_000), revokedAt: at(-60_000) }, false, 'was revoked 1 m ago'],
])('tells of %j', (given, isStillLive, words) => {
  expect(isLive({ ...token, ...given }, nowMs)).toBe(isStillLive)
  expect(lifeWords({ ...token, ...given }, nowMs)).toBe(words)
})

it('offers a life of 90 days first', () => {
  expect(lives[usualLife]).toEqual({ words: '90 days', seconds: 90 * 86_400 })
})

it('hands on no more than one has', () => {
  expect(rolesUpTo('viewer')).toEqual(['viewer'])
  expect(rolesUpTo('operator')).toEqual(['viewer', 'submitter', 'operator'])
  expect([asA('operator'), asA('admin'), asA('viewer')]).toEqual(['an operator', 'an admin', 'a viewer'])
})
