import { describe, expect, it } from 'vitest'
import type { LogLines } from '../../../src/protocol/schemas.ts'
import { BatchLog, type BatchTask, mostBatchLines } from './batch-log.ts'
import type { LinesQuery, LogName } from './calls.ts'

/** Outputs as a host gives them: a text, and whether more may come. */
function serverOf(texts: Record<string, { text: string; isEnded: boolean }>) {
  const asked: string[] = []
  const read = async ({ id, stream }: LogName, query: LinesQuery): Promise<LogLines> => {
    asked.push(`${id} ${stream}`)
    const { text, isEnded } = texts[`${id} ${stream}`] ?? { text: '', isEnded: true }
    const ends = [...text.matchAll(/\n/g)].map(({ index }) => index + 1)
    const starts = [0, ...ends].filter((at) => at < text.length)
    const all = starts.map((offset, at) => {
      const line = text.slice(offset, starts[at + 1] ?? text.length).replace(/\n$/, '')
      return { offset, bytes: line.length, text: line }
    })
    const items =
      query.tail === true
        ? all.slice(-(query.count ?? 0))
        : all.filter(({ offset }) => offset >= (query.offset ?? 0)).slice(0, query.count)
    const last = items.at(-1)
    const isWhole = text.endsWith('\n') || text === ''
    const nextOffset =
      last === undefined
        ? (query.offset ?? text.length)
        : isWhole
          ? last.offset + last.bytes + 1
          : last.offset
    return {
      items,
      firstLine: null,
      nextOffset,
      lineCount: 0,
      countedBytes: 0,
      size: text.length,
      isEnded,
      missingBytes: 0,
    }
  }
  return { read, asked }
}

const task = (id: string, status: BatchTask['status']): BatchTask => ({ id, title: `task ${id}`, status })

function logOf(texts: Parameters<typeof serverOf>[0]) {
  const server = serverOf(texts)
  const clock = { ms: 0 }
  const log = new BatchLog({
    read: server.read,
    onChange: () => {},
    pause: async () => {},
    now: () => clock.ms,
  })
  return {
    log,
    clock,
    texts,
    asked: server.asked,
    shown: () => log.lines.map(({ task: { id }, text }) => `${id}: ${text}`),
  }
}

describe('the output of a batch', () => {
  it('is read from what has begun, and each line once', async () => {
    const { log, clock, texts, shown } = logOf({
      '1 stdout': { text: 'a\nb', isEnded: false },
      '2 stdout': { text: 'x\n', isEnded: true },
    })
    log.setTasks([task('1', 'running'), task('2', 'completed'), task('3', 'pending')])
    await log.round()
    // of what had ended only where that is asked for
    expect(shown()).toEqual(['1: a'])
    log.readEnded()
    await log.round()
    expect(shown()).toEqual(['1: a', '2: x'])
    texts['1 stdout'] = { text: 'a\nbc\nd\n', isEnded: false }
    clock.ms += 10_000
    await log.round()
    await log.round()
    expect(shown()).toEqual(['1: a', '2: x', '1: bc', '1: d'])
  })

  it('ends with the last line of a task, also one without an end, and is not asked for again', async () => {
    const { log, texts, shown, asked } = logOf({ '1 stdout': { text: 'a\nb', isEnded: false } })
    log.setTasks([task('1', 'running')])
    await log.round()
    texts['1 stdout'] = { text: 'a\nb', isEnded: true }
    log.setTasks([task('1', 'failed')])
    await log.round()
    expect(shown()).toEqual(['1: a', '1: b'])
    asked.length = 0
    await log.round()
    expect(asked).toEqual([])
  })

  it('begins with the last lines of a long one, and keeps no more than its bound', async () => {
    const lines = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, at) => `${from + at}\n`).join('')
    const { log, texts, shown } = logOf({ '1 stdout': { text: lines(0, 1_000), isEnded: false } })
    log.setTasks([task('1', 'running')])
    await log.round()
    expect(shown()[0]).toBe('1: 980')
    texts['1 stdout'] = { text: lines(0, mostBatchLines + 2_000), isEnded: false }
    for (let round = 0; round < 20; round += 1) await log.round()
    expect(log.lines).toHaveLength(mostBatchLines)
    expect(shown().at(-1)).toBe(`1: ${mostBatchLines + 1_999}`)
    expect(log.dropped).toBe(1_020)
  })

  it('reads all pages of what has ended while it was followed', async () => {
    const { log, texts, shown } = logOf({ '1 stdout': { text: '', isEnded: false } })
    log.setTasks([task('1', 'running')])
    await log.round()
    texts['1 stdout'] = { text: Array.from({ length: 1_200 }, (_, at) => `${at}\n`).join(''), isEnded: true }
    log.setTasks([task('1', 'completed')])
    for (let round = 0; round < 4; round += 1) await log.round()
    expect(shown()).toHaveLength(1_200)
  })

  it('asks less and less often for what is quiet, and at once when its task ends', async () => {
    const { log, clock, texts, asked, shown } = logOf({ '1 stdout': { text: 'a\n', isEnded: false } })
    log.setTasks([task('1', 'running')])
    for (clock.ms = 0; clock.ms < 60_000; clock.ms += 500) await log.round()
    // two outputs, within a minute
    expect(asked.length).toBeLessThan(2 * 16)
    texts['1 stdout'] = { text: 'a\nb\n', isEnded: true }
    log.setTasks([task('1', 'failed')])
    await log.round()
    expect(shown()).toEqual(['1: a', '1: b'])
  })

  it('goes on past what cannot be read, and says how much that is', async () => {
    const { log, shown } = logOf({ '2 stdout': { text: 'x\n', isEnded: true } })
    const failing = new BatchLog({
      read: (name, query) =>
        name.id === '1'
          ? Promise.reject(new Error('away'))
          : serverOf({ '2 stdout': { text: 'x\n', isEnded: true } }).read(name, query),
      onChange: () => {},
      pause: async () => {},
      now: () => 0,
    })
    failing.setTasks([task('1', 'unreachable'), task('2', 'completed')])
    failing.readEnded()
    await failing.round()
    expect(failing.failed).toBe(2)
    expect(failing.lines.map(({ text }) => text)).toEqual(['x'])
    expect(shown()).toEqual([])
    log.close()
  })
})
