import { linkSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../platform/log.ts'
import { cutPath } from '../platform/log-cut.ts'
import { readLogPart } from '../platform/log-reader.ts'
import { SwappedLog } from '../platform/log-swapper.suite.ts'
import { waitFor, withDeadline } from '../platform/wait.ts'
import { cutLog } from './log-cutter.ts'
import { LogLimit } from './log-limit.ts'

let log: SwappedLog
beforeEach(() => {
  log = new SwappedLog()
})
afterEach(() => log.close())

const cutter = join(import.meta.dirname, 'cut-log.ts')

describe('a log over its limit', () => {
  it('is cut, which its note and at last its own last line say, also where that is done again', async () => {
    expect(await cutLog({ path: log.path, kept: 5_000, isLast: false })).toBe(10_000)
    expect(readFileSync(cutPath(log.path), 'utf8')).toBe('5000 10000\n')
    writeFileSync(log.path, 'more', { flag: 'a' })
    expect(await cutLog({ path: log.path, kept: 5_000, isLast: true })).toBe(10_004)
    expect(await readLogPart(log.path, 0, 1)).toMatchObject({ size: 5_000, missing: 10_004 })
    expect(readFileSync(log.path, 'utf8')).toMatch(/at least 10004 bytes are missing here\n$/)
  })

  it('is left alone where it is a link, and so is what that points at', async () => {
    rmSync(log.path)
    symlinkSync(log.target, log.path)
    await expect(cutLog({ path: log.path, kept: 1, isLast: true })).rejects.toMatchObject({
      code: 'not_permitted',
    })
    rmSync(log.path)
    linkSync(log.target, log.path)
    await expect(cutLog({ path: log.path, kept: 1, isLast: true })).rejects.toMatchObject({
      code: 'not_permitted',
    })
    expect(log.isUntouched()).toBe(true)
  })

  it('is cut where links lie in the place of its note, which takes their place', async () => {
    for (const note of [cutPath(log.path), `${cutPath(log.path)}.new`]) symlinkSync(log.target, note)
    expect(await cutLog({ path: log.path, kept: 0, isLast: false })).toBe(15_000)
    expect(readFileSync(cutPath(log.path), 'utf8')).toBe('0 15000\n')
    expect(log.isUntouched()).toBe(true)
  })
})

describe.each([false, true])('the limit of logs in a directory (shared: %s)', (isShared) => {
  it('holds for other logs while one is swapped all the time, and harms nothing that links point at', async () => {
    const other = join(log.base, 'other.out')
    const paths = (path: string) => ({ stdout: path, stderr: join(log.base, 'none') })
    const limit = new LogLimit({ limitBytes: 100, isShared, log: silentLog, everyMs: 5, cutter })
    await log.start()
    try {
      limit.watch('1-1', paths(log.path))
      limit.watch('2-1', paths(other))
      for (let turn = 0; turn < 4; turn += 1) {
        writeFileSync(other, 'x'.repeat(5_000))
        await waitFor('the other is cut', () => statSync(other).size === 100, { deadlineMs: 20_000 })
      }
      await withDeadline(limit.end('1-1') ?? Promise.resolve(null), 10_000, 'the last look').catch(() => {})
    } finally {
      limit.close()
      await log.stop()
    }
    expect(log.isUntouched()).toBe(true)
  })
})
