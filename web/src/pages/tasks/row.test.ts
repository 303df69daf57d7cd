import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { printable } from '../../../../src/core/text.ts'
import { taskOf } from '../../api/builders.suite.ts'
import { exitNote, noteOf, rowOf, sentence, shortLine, since } from './row.ts'

describe('a row', () => {
  it('has the name, and beneath it the command line', () => {
    const row = rowOf(taskOf({ id: '7', name: 'fit cells', command: 'python', arguments: ['fit.py', 'a b'] }))
    expect(row).toMatchObject({ title: 'fit cells', isNamed: true, line: "python fit.py 'a b'" })
    expect(noteOf(row)).toEqual({ text: "python fit.py 'a b'", isReason: false })
  })

  it('without a name is the command line alone', () => {
    const row = rowOf(taskOf({ id: '7', command: 'sleep', arguments: ['60'] }))
    expect(row).toMatchObject({ title: 'sleep 60', isNamed: false })
    expect(noteOf(row)).toEqual({ text: '', isReason: false })
  })

  it('keeps neither arguments nor environment', () => {
    const detail = { ...taskOf({ id: '7', arguments: ['secret'.repeat(9_999)] }), env: { TOKEN: 'hidden' } }
    const text = JSON.stringify(rowOf(detail))
    expect(text.length).toBeLessThan(2_000)
    expect(text).not.toContain('hidden')
  })

  it('says why it waits, failed, or cannot be heard, but not what was once the reason', () => {
    const noteIn = (given: Parameters<typeof taskOf>[0]) => noteOf(rowOf(taskOf({ name: 'x', ...given })))
    const reason = 'needs 8 cores on n3: 6 free'
    expect(noteIn({ id: '7', status: 'pending', reason })).toEqual({
      text: 'Needs 8 cores on n3: 6 free',
      isReason: true,
    })
    expect(noteIn({ id: '7', status: 'completed', reason }).isReason).toBe(false)
    expect(noteIn({ id: '7', status: 'killing', reason, stuck: 'process 12 cannot be ended' }).text).toBe(
      'Process 12 cannot be ended',
    )
  })
})

describe('a command line', () => {
  it('of any length costs no more than what is shown', () => {
    const words = Array.from({ length: 100_000 }, (_, at) => `argument-${at}`)
    expect(shortLine(['echo', ...words])).toMatch(/^echo argument-0 argument-1 .*…$/)
    expect(shortLine(['x'.repeat(100_000)]).length).toBeLessThanOrEqual(400)
  })

  it('never has a character in it that a screen acts upon', () => {
    const words = fc.array(fc.string({ unit: 'binary', maxLength: 40 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(words, fc.integer({ min: 5, max: 60 }), (words, chars) => {
        const line = shortLine(words, chars)
        expect(printable(line)).toBe(line)
      }),
    )
  })
})

it('the end of a task is noted where the status does not say it', () => {
  const end = { exitCode: null, signal: null }
  expect(exitNote({ ...end, status: 'failed', exitCode: 3 })).toBe('exit 3')
  expect(exitNote({ ...end, status: 'failed', signal: 'SIGSEGV' })).toBe('SIGSEGV')
  expect(exitNote({ ...end, status: 'failed' })).toBe('')
  expect(exitNote({ ...end, status: 'killed', signal: 'SIGTERM' })).toBe('')
  expect(exitNote({ ...end, status: 'completed', exitCode: 0 })).toBe('')
})

it('the time of a row is the last that happened', () => {
  const at = (given: Parameters<typeof taskOf>[0]) => since(rowOf(taskOf(given)))
  const [submittedAt, startedAt, endedAt] = ['1', '2', '3'].map((day) => `2026-11-0${day}T00:00:00.000Z`)
  const task = { id: '7', submittedAt: submittedAt ?? '', startedAt: null }
  expect(at({ ...task, status: 'pending' })).toEqual({ word: 'waits since', at: submittedAt })
  expect(at({ ...task, status: 'assigning' })).toEqual({ word: 'submitted', at: submittedAt })
  expect(at({ ...task, startedAt: startedAt ?? '' })).toEqual({ word: 'started', at: startedAt })
  expect(at({ ...task, status: 'failed', endedAt: endedAt ?? '' })).toEqual({ word: 'ended', at: endedAt })
})

it('a sentence tells times as the reader has them', () => {
  expect(sentence('node n1 was last heard at 2026-11-28T06:33:11.152Z; it may run')).toMatch(
    /^Node n1 was last heard at 2026-11-2\d \d\d:\d\d:11; it may run$/,
  )
})
