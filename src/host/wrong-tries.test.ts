import { expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { maxTries, WrongTries } from './wrong-tries.ts'

let nowMs = 0
const clock = { monotonic: () => nowMs }

it('are put off for the rest of a minute from the one that is too many on, address by address', () => {
  const tries = new WrongTries(clock)
  const given = (address: string) => tries.wrong(address)
  expect(Array.from({ length: maxTries }, () => given('10.0.0.1')).every((wait) => wait === null)).toBe(true)
  nowMs += 10_000
  expect(given('10.0.0.1')).toBe(50)
  expect(given('10.0.0.2')).toBeNull()
  nowMs += 50_000
  expect(given('10.0.0.1')).toBeNull()
})

it('count for a whole IPv6 network: whoever has one address of it has all', () => {
  const tries = new WrongTries(clock)
  for (let at = 0; at < maxTries; at += 1) tries.wrong(`2001:db8::${at + 1}`)
  expect(tries.wrong('2001:db8:0:0:1:2:3:4')).toBe(60)
  expect(tries.wrong('2001:db8:0:1::1')).toBeNull()
  expect(tries.wrong('::ffff:10.0.0.1')).toBeNull()
})

it('tell the refusal, and then that it is one too many and when to try again', () => {
  const tries = new WrongTries(clock)
  const wrong = new AppError('unauthenticated', 'wrong')
  for (let at = 0; at < maxTries; at += 1) expect(tries.refuse('10.0.0.9', wrong)).toBe(wrong)
  expect(tries.refuse('10.0.0.9', wrong)).toMatchObject({
    code: 'too_many',
    details: { retryAfterSeconds: 60 },
    message: expect.stringMatching(/wait 60 s .*; what is right is taken at once/),
  })
})

it('are remembered of a bounded number of addresses: the earliest is forgotten', () => {
  const tries = new WrongTries(clock)
  for (let at = 0; at < maxTries; at += 1) tries.wrong('10.0.0.1')
  for (let at = 0; at < 10_000; at += 1) tries.wrong(`10.1.${at >> 8}.${at & 255}`)
  expect(tries.wrong('10.0.0.1')).toBeNull()
})
