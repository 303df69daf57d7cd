import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { isLocked, lockDirectory } from './instance-lock.ts'

it('tells who holds a directory, without taking it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'hakuriver-lock-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  expect(await isLocked(dir, 'runner')).toBe(false)
  const lock = await lockDirectory(dir, 'runner')
  expect([await isLocked(dir, 'runner'), await isLocked(dir, 'host')]).toEqual([true, false])
  await expect(lockDirectory(dir, 'runner')).rejects.toMatchObject({ code: 'conflict' })
  await lock.release()
  expect(await isLocked(dir, 'runner')).toBe(false)
  expect(await isLocked(join(dir, 'none'), 'runner')).toBe(false)
})
