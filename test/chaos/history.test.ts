/** The judge of chaos sees what it has to see. */
import { describe, expect, it } from 'vitest'
import { type History, judge, type Told, type Witnessed } from './history.ts'

const promise = { id: '1', exitCode: 3, output: 'out\n', isKillAsked: false, acceptedAtMs: 100 }
const start: Witnessed = { id: '1', node: 'n1', what: 'start', exitCode: null }
const end: Witnessed = { id: '1', node: 'n1', what: 'end', exitCode: 3 }
const failed: Told = {
  id: '1',
  status: 'failed',
  exitCode: 3,
  node: 'n1',
  reason: null,
  history: ['pending', 'assigning', 'running', 'failed'],
  output: 'out\n',
}
const good: History = {
  promised: [promise],
  witnessed: [start, end],
  told: [failed],
  powerLosses: [],
  fullDisks: [],
  left: [],
}
const lost: Told = {
  ...failed,
  status: 'lost',
  exitCode: null,
  output: null,
  history: ['pending', 'running', 'lost'],
}
const killed: Told = { ...lost, status: 'killed', history: ['pending', 'killing', 'killed'] }

const refused: Told = {
  ...failed,
  exitCode: null,
  output: '',
  reason: 'the disk for its output (/s) is full',
}
const cut: Told = {
  ...failed,
  output: 'o',
  reason: 'the disk was full while it ran: some of it may be missing',
}

describe('a history', () => {
  it('is found good where all tell one story', () => {
    expect(judge(good)).toEqual([])
    const off = [{ node: 'n1', atMs: 200 }]
    expect(judge({ ...good, witnessed: [start], told: [lost], powerLosses: off })).toEqual([])
    expect(judge({ ...good, witnessed: [], told: [refused], fullDisks: off })).toEqual([])
    expect(judge({ ...good, told: [cut], fullDisks: off })).toEqual([])
    const asked = { ...promise, isKillAsked: true }
    expect(judge({ ...good, promised: [asked], witnessed: [], told: [killed] })).toEqual([])
  })

  it.each<[string, Partial<History>, string]>([
    ['a task that is gone', { told: [] }, 'was promised and is gone'],
    ['one that nobody asked for', { promised: [] }, 'promised to nobody'],
    ['one that has not ended', { told: [{ ...failed, status: 'unreachable' }] }, 'long after all faults'],
    ['two starts', { witnessed: [start, { ...start, node: 'n2' }, end] }, 'was started 2 times: n1, n2'],
    ['an end that never was', { witnessed: [start] }, 'never came to its end'],
    [
      'another code',
      { told: [{ ...failed, exitCode: 0, status: 'completed', history: ['completed'] }] },
      'with 0 and not 3',
    ],
    ['no code', { told: [{ ...failed, exitCode: null }] }, 'without a code'],
    ['another log', { told: [{ ...failed, output: 'ou' }] }, 'its log is "ou"'],
    ['a refusal for a disk that was not full', { told: [refused], witnessed: [] }, 'without a code'],
    [
      'a refusal of what was started',
      { told: [refused], witnessed: [start], fullDisks: [{ node: 'n1', atMs: 200 }] },
      'without a code',
    ],
    ['a log cut by a disk that was not full', { told: [cut] }, 'its log is "o"'],
    [
      'a log that is cut without a word',
      { told: [{ ...cut, reason: null }], fullDisks: [{ node: 'n1', atMs: 200 }] },
      'its log is "o"',
    ],
    ['a kill of nobody', { told: [killed] }, 'nobody asked for that'],
    ['a loss without a reason', { told: [lost] }, 'never lost power'],
    ['two ends', { told: [{ ...failed, history: ['lost', 'failed'] }] }, 'before the last is an end'],
    ['another last event', { told: [{ ...failed, history: ['running'] }] }, 'last event says running'],
    ['what is left', { left: ['n1: hakuriver-task-1-1.service'] }, 'something is left'],
  ])('is found bad for %s', (_, change, finding) => {
    expect(judge({ ...good, ...change }).join('; ')).toContain(finding)
  })
})
