import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cutPath } from './log-cut.ts'
import { logFolder } from './log-paths.ts'
import { awaitLogPart, readLogPart } from './log-reader.ts'
import { SwappedLog } from './log-swapper.suite.ts'
import { LogViews } from './log-views.ts'
import { withDeadline } from './wait.ts'

let log: SwappedLog
beforeEach(() => {
  log = new SwappedLog()
})
afterEach(() => log.close())

describe('what is in the place of a log', () => {
  const read = () => readLogPart(log.path, 0, 100)
  const refused = (why: string) => ({ code: 'not_permitted', message: expect.stringContaining(why) })
  /** Takes the honest log away, and puts something else there. */
  const instead = (make: () => unknown) => {
    rmSync(log.path)
    make()
  }

  it('is read where it is an ordinary file', async () => {
    expect(await read()).toMatchObject({ isThere: true, missing: 0, size: 15_000 })
    rmSync(log.path)
    expect(await read()).toMatchObject({ isThere: false, size: 0 })
    rmSync(dirname(log.path), { recursive: true })
    expect(await read()).toMatchObject({ isThere: false, size: 0 })
  })

  it('is refused where it is a link, a hard link, a pipe, a folder, a socket or a device', async () => {
    instead(() => symlinkSync(log.target, log.path))
    await expect(read()).rejects.toMatchObject(refused('a symbolic link'))
    instead(() => symlinkSync(join(log.base, 'nowhere'), log.path))
    await expect(read()).rejects.toMatchObject(refused('a symbolic link'))
    instead(() => linkSync(log.target, log.path))
    await expect(read()).rejects.toMatchObject(refused('2 names (hard links)'))
    instead(() => execFileSync('mkfifo', [log.path]))
    await expect(withDeadline(read(), 5_000, 'reading a pipe')).rejects.toMatchObject(
      refused('no ordinary file'),
    )
    instead(() => mkdirSync(log.path))
    await expect(read()).rejects.toMatchObject(refused('no ordinary file'))
  })

  it('is refused where its folder is a link', async () => {
    const folder = logFolder(log.base, 'stdout')
    renameSync(folder, join(log.base, 'aside', 'folder'))
    symlinkSync(join(log.base, 'secret'), folder)
    await expect(read()).rejects.toMatchObject(refused('no directory of its own'))
    rmSync(folder)
    writeFileSync(folder, '')
    await expect(read()).rejects.toMatchObject(refused('no directory of its own'))
  })

  it('is read without a note that is none', async () => {
    writeFileSync(cutPath(log.path), '10 5\n')
    expect(await read()).toMatchObject({ size: 10, missing: 5 })
    rmSync(cutPath(log.path))
    execFileSync('mkfifo', [cutPath(log.path)])
    expect(await withDeadline(read(), 5_000, 'reading a note')).toMatchObject({ size: 15_000, missing: 0 })
    rmSync(cutPath(log.path))
    writeFileSync(log.target, '3 3\n')
    symlinkSync(log.target, cutPath(log.path))
    expect(await read()).toMatchObject({ size: 15_000, missing: 0 })
  })
})

it('a log that is swapped all the time while it is read, followed and searched never shows what a link points at', async () => {
  const views = new LogViews({ mostLogs: 4, mostScans: 1, mostSearches: 1 })
  const { signal } = new AbortController()
  const makeReader = (signal: AbortSignal) => async (offset: number, limit: number, waitMs: number) => ({
    ...(await awaitLogPart(log.path, offset, limit, { waitMs, isDone: () => true, signal })),
    isFinal: true,
  })
  const calls: (() => Promise<unknown>)[] = [
    () => readLogPart(log.path, 0, 50_000).then(({ data }) => data.toString()),
    () => readLogPart(log.path, -20, 50_000).then(({ data }) => data.toString()),
    () => views.lines('1', makeReader, { from: 1 }, signal),
    () => views.lines('1', makeReader, { tail: true }, signal),
    () => views.search('1', makeReader, { q: 'CANARY' }, signal),
  ]
  await log.start()
  const seen = { answers: 0, refusals: new Set<string>(), leaks: [] as number[] }
  const endMs = performance.now() + 2_000
  for (let turn = 0; performance.now() < endMs || seen.answers < 20; turn += 1) {
    const call = calls[turn % calls.length]
    try {
      const answer = JSON.stringify(await withDeadline(call?.() ?? Promise.resolve(), 10_000, 'a read'))
      if (answer.includes('CANARY')) seen.leaks.push(turn % calls.length)
      seen.answers += 1
    } catch (error) {
      expect(error).toMatchObject({
        name: 'AppError',
        code: expect.stringMatching(/^(not_permitted|unavailable)$/),
      })
      seen.refusals.add(String(error).replace(/.*: it /, ''))
    }
  }
  await log.stop()
  await views.close()
  expect(seen.leaks).toEqual([])
  expect(seen.refusals.size).toBeGreaterThanOrEqual(3)
  expect(log.isUntouched()).toBe(true)
})
