import { afterEach, describe, expect, it, vi } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import { LogFeed } from './feed.ts'
import { MemoryLog } from './log-server.suite.ts'

const open: LogFeed[] = []
afterEach(() => {
  for (const feed of open.splice(0)) feed.close()
})

function numbered(count: number, from = 1): string {
  return Array.from({ length: count }, (_, at) => `line ${from + at}\n`).join('')
}

function feedOf(log: MemoryLog, line: number | null = null): LogFeed {
  const feed = new LogFeed({
    read: (query, signal) => log.read(query, signal),
    withSlot: (run) => run(true),
    untilSeen: async () => {},
    onChange: () => {},
    now: () => performance.now(),
  })
  open.push(feed)
  feed.open(line)
  return feed
}

const lastOf = ({ doc }: LogFeed) => doc.lineAt(doc.total - 1)?.text
const until = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 5 })

describe('a log that is looked at', () => {
  it('shows the end at once, before its lines are counted, and numbers them then', async () => {
    const log = new MemoryLog(numbered(5_000))
    const feed = feedOf(log)
    await until(() => expect(lastOf(feed)).toBe('line 5000'))
    expect(feed.doc.isCounted).toBe(false)
    log.count()
    await until(() => expect(feed.doc).toMatchObject({ isCounted: true, total: 5_000 }))
  })

  it('follows: new lines come as they are written, until the task has ended', async () => {
    const log = new MemoryLog('first\n')
    log.count()
    const feed = feedOf(log)
    await until(() => expect(lastOf(feed)).toBe('first'))
    log.write('half')
    await until(() => expect(lastOf(feed)).toBe('half'))
    log.write(' and whole\nlast\n')
    await until(() => expect(lastOf(feed)).toBe('last'))
    expect(feed.doc.lineAt(1)?.text).toBe('half and whole')
    log.end()
    await until(() => expect(feed.doc.isEnded).toBe(true))
  })

  it('reads the end where more is written than anybody can read', async () => {
    const log = new MemoryLog('first\n')
    log.count()
    const feed = feedOf(log)
    await until(() => expect(lastOf(feed)).toBe('first'))
    log.write(numbered(100_000))
    log.count()
    await until(() => expect(lastOf(feed)).toBe('line 100000'))
    expect(log.asked.length).toBeLessThan(6)
    expect(feed.doc.total).toBe(100_001)
  })

  it('only counts what comes while it does not follow, and then goes on at the end', async () => {
    const log = new MemoryLog(numbered(1_000))
    log.count()
    const feed = feedOf(log)
    await until(() => expect(lastOf(feed)).toBe('line 1000'))
    feed.follow(false)
    log.write(numbered(2_000, 1_001))
    log.count()
    await until(() => expect(feed.doc.total).toBe(3_000))
    expect(lastOf(feed)).toBeUndefined()
    feed.follow(true)
    await until(() => expect(lastOf(feed)).toBe('line 3000'))
  })

  it('opens at a line, and reads what is looked at', async () => {
    const log = new MemoryLog(numbered(20_000))
    log.count()
    const feed = feedOf(log, 7_000)
    feed.show(6_990, 7_030)
    await until(() => expect(feed.doc.lineAt(6_999)?.text).toBe('line 7000'))
    expect(feed.isFollowing).toBe(false)
    feed.show(15_000, 15_040)
    await until(() => expect(feed.doc.lineAt(15_000)?.text).toBe('line 15001'))
    expect(feed.doc.lineAt(15_040)?.text).toBe('line 15041')
  })

  it('opens at a line that is not counted so far, when it is', async () => {
    const log = new MemoryLog(numbered(20_000))
    log.count(1_000)
    const feed = feedOf(log, 7_000)
    feed.show(6_990, 7_030)
    await until(() => expect(log.asked.length).toBeGreaterThan(2))
    log.count()
    await until(() => expect(feed.doc.lineAt(6_999)?.text).toBe('line 7000'))
  })

  it('asks neither for places that a drag only passes, nor for many at a time', async () => {
    const log = new MemoryLog(numbered(200_000))
    log.count()
    const feed = feedOf(log)
    await until(() => expect(lastOf(feed)).toBe('line 200000'))
    log.asked.length = 0
    for (let first = 0; first < 100_000; first += 1_000) feed.show(first, first + 40)
    await until(() => expect(feed.doc.lineAt(99_000)?.text).toBe('line 99001'))
    expect(log.asked.filter(({ from }) => from !== undefined).length).toBeLessThan(12)
    expect(feed.doc.lineAt(50_000)).toBeNull()
  })

  it('keeps what it has when the connection is cut, says so, and goes on from there', async () => {
    const log = new MemoryLog(numbered(10))
    log.count()
    const feed = feedOf(log)
    await until(() => expect(lastOf(feed)).toBe('line 10'))
    log.failure = new AppError('unavailable', 'the host does not answer')
    log.write('more\n')
    await until(() => expect(feed.cut?.error).toBe(log.failure))
    expect(lastOf(feed)).toBe('line 10')
    log.failure = null
    await until(() => expect(lastOf(feed)).toBe('more'))
    expect(feed.cut).toBeNull()
    expect(log.asked.at(-1)?.tail).toBeUndefined()
  })

  it('begins anew where the log becomes another one', async () => {
    const log = new MemoryLog(numbered(100))
    log.count()
    const feed = feedOf(log)
    await until(() => expect(lastOf(feed)).toBe('line 100'))
    log.replace('another\n')
    log.write('log\n')
    await until(() => expect(lastOf(feed)).toBe('log'))
    expect(feed.doc.lineAt(0)?.text).toBe('another')
  })
})
