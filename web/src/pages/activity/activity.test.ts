import { describe, expect, it } from 'vitest'
import { routes } from '../../../../src/protocol/routes.ts'
import { actionChoices, detailWords, placesOf, sinceOf, whoOf, wordsOf } from './activity.ts'

describe('a row in words', () => {
  it('has words for every endpoint that changes something', () => {
    const changing = Object.entries(routes).flatMap(([name, { method }]) => (method === 'POST' ? [name] : []))
    const known = actionChoices.map(({ value }) => value)
    const readOnly = ['previewBatch', 'checkSharedFile']
    expect(changing.filter((name) => !known.includes(name) && !readOnly.includes(name))).toEqual([])
  })

  it.each([
    ['killTask', ['12'], 'killed task'],
    ['submitBatch', [], 'submitted'],
    ['rerunTasks', [], 'ran again'],
    ['createUser', [], 'made'],
    ['somethingNew', ['x'], 'somethingNew'],
    ['__proto__', [], '__proto__'],
  ])('%s of %j: %s', (action, target, words) => {
    expect(wordsOf({ action, target })).toBe(words)
  })

  it('leads to what it was about, and says how much more there is', () => {
    expect(placesOf({ action: 'rerunTasks', target: ['9', '1', '2', '3'] })).toEqual({
      places: [
        { text: '9', kind: 'batch' },
        { text: '1', kind: 'task' },
        { text: '2', kind: 'task' },
      ],
      more: 1,
    })
    expect(placesOf({ action: 'killTasks', target: ['1', '2', '…(10000)'] })).toMatchObject({ more: 9_998 })
    expect(placesOf({ action: 'drainNode', target: ['n1'] })).toEqual({
      places: [{ text: 'n1', kind: 'node' }],
      more: 0,
    })
    expect(placesOf({ action: 'what', target: ['n1'] }).places).toEqual([{ text: 'n1', kind: 'other' }])
  })

  it('has its details and who it was', () => {
    expect(detailWords({ role: 'viewer', ttlSeconds: 60, isDisabled: false })).toBe(
      'role viewer, ttl seconds 60, is disabled false',
    )
    expect(detailWords({})).toBe('')
    expect(whoOf({ user: 'ann', via: 'token' })).toBe('ann')
    expect(whoOf({ user: null, via: 'nobody' })).toBe('somebody unknown')
  })
})

it('goes back as far as is chosen', () => {
  expect(sinceOf('1h', 7_200_000)).toBe('1970-01-01T01:00:00.000Z')
  expect(sinceOf(null, 0)).toBeNull()
  expect(sinceOf('rubbish', 0)).toBeNull()
  expect(sinceOf('toString', 0)).toBeNull()
})
