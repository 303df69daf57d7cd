import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { boundedReader, readLogPart } from './log-reader.ts'

let dir = ''
let path = ''
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-log-'))
  path = join(dir, '1.out')
  writeFileSync(path, 'whole')
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('row 9: a file system that does not answer holds no more than so many threads, and each reader is told in time', async () => {
  const hung = Promise.withResolvers<void>()
  let atOnce = 0
  const read = boundedReader(2, 200, async (...wanted) => {
    atOnce += 1
    await hung.promise
    atOnce -= 1
    return readLogPart(...wanted)
  })
  const told = await Promise.allSettled(Array.from({ length: 10 }, () => read(path, 0, 100)))
  expect(atOnce).toBe(2)
  for (const each of told) expect(each).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } })
  hung.resolve()
  const after = await Promise.all(Array.from({ length: 10 }, () => read(path, 0, 100)))
  expect(after.map(({ data }) => String(data))).toEqual(Array.from({ length: 10 }, () => 'whole'))
})

test('row 9: what cannot be read is told as it is', async () => {
  await expect(boundedReader(1, 1_000)(dir, 0, 100)).rejects.toMatchObject({ code: 'not_permitted' })
  expect(await boundedReader(1, 1_000)(join(dir, 'none'), 0, 100)).toMatchObject({ isThere: false })
})
