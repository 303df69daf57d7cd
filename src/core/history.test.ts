import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type HistoryEvent, sentenceOf, toldTypes } from './history.ts'

const event = (given: Partial<HistoryEvent>): HistoryEvent => ({
  kind: 'task',
  type: 'started',
  node: 'n2',
  attempt: 1,
  exitCode: null,
  reason: null,
  ...given,
})

it.each<[Partial<HistoryEvent>, string]>([
  [{}, 'runs on n2'],
  [
    { type: 'exited', exitCode: 3, attempt: 2, reason: 'it said no' },
    'ended with exit code 3 (attempt 2): it said no',
  ],
  [{ kind: 'node', type: 'rebooted', attempt: null }, 'n2 rebooted'],
  [
    { kind: 'node', type: 'closed', attempt: null, reason: 'drained by admin' },
    'n2 takes no new tasks: drained by admin',
  ],
  [{ type: 'of_tomorrow', node: null }, 'of tomorrow'],
  [{ type: 'placed', node: 'n\u001b[2J' }, 'placed on n\\u{1b}[2J'],
])('%j is told as "%s"', (given, sentence) => {
  expect(sentenceOf(event(given)).replace(/\\x1b|\\u001b|\\u\{1b\}/, '\\u{1b}')).toBe(sentence)
})

it('every type of event that the host writes has a sentence', () => {
  const [, union = ''] =
    /export type TaskEvent =\n([\s\S]*?)\n\n/.exec(readFileSync('src/core/task.ts', 'utf8')) ?? []
  const ofTasks = [...union.matchAll(/type: '(\w+)'/g)].map(([, type]) => type)
  expect(ofTasks.length).toBeGreaterThan(5)
  expect(toldTypes.task).toEqual(expect.arrayContaining([...ofTasks, 'submitted', 'requeued', 'restored']))
  const host = readdirSync('src/host').filter((name) => name.endsWith('.ts') && !name.includes('.test.'))
  const code = host.map((name) => readFileSync(join('src/host', name), 'utf8')).join('\n')
  const ofNodes = [...code.matchAll(/nodeEvent\([\w.]+, '(\w+)'/g)].map(([, type]) => type)
  const arrivals = [...code.matchAll(/return '(joined|replaced|rebooted)'/g)].map(([, type]) => type)
  expect(ofNodes.length + arrivals.length).toBeGreaterThan(4)
  expect(toldTypes.node).toEqual(
    expect.arrayContaining([...ofNodes, ...arrivals, 'online', 'closed', 'opened']),
  )
})
