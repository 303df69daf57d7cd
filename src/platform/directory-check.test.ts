import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type As, checkDirectory, removeCheckFile } from './directory-check.ts'

const isRoot = process.getuid?.() === 0
/** As an ordinary user, also where the tests are run by root. */
const nobody: As = isRoot
  ? { user: 'nobody', words: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'] }
  : { user: 'me', words: [] }
const me: As = { user: 'me', words: [] }

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-directory-'))
  chmodSync(dir, 0o755)
})
afterEach(() => rmSync(dir, { recursive: true }))

const check = (path: string, as = me) => checkDirectory(path, { as, deadlineMs: 5_000 })

it('writes, removes, and tells the room and the file system', async () => {
  const facts = await check(dir)
  expect(facts).toMatchObject({ path: dir, state: 'ok', why: null, user: 'me' })
  expect(facts.totalBytes).toBeGreaterThan(facts.freeBytes ?? Number.POSITIVE_INFINITY)
  expect(facts.mount?.type).toMatch(/./)
  expect(readdirSync(dir)).toEqual([])
})

it('leaves a file that others can read, where asked to', async () => {
  const leave = { name: 'for-others', content: 'some bytes; $HOME "quoted"' }
  expect(await checkDirectory(dir, { as: me, deadlineMs: 5_000, leave })).toMatchObject({ state: 'ok' })
  const path = join(dir, '.hakuriver-check-for-others')
  expect(readFileSync(path, 'utf8')).toBe(leave.content)
  await removeCheckFile(dir, leave.name, me, 5_000)
  expect(existsSync(path)).toBe(false)
})

it('tells what is wrong', async () => {
  const file = join(dir, 'file')
  writeFileSync(file, '')
  expect(await check(file)).toMatchObject({ state: 'not_a_directory' })
  expect(await check(join(dir, 'none/below'))).toMatchObject({ state: 'absent', canBeMade: true })
  symlinkSync('/no/such/place', join(dir, 'dangling'))
  expect(await check(join(dir, 'dangling'))).toMatchObject({ state: 'not_a_directory' })
  const closed = join(dir, 'closed')
  mkdirSync(closed, { mode: 0o700 })
  if (!isRoot) chmodSync(closed, 0)
  expect(await check(closed, nobody)).toMatchObject({ state: 'no_entry', user: nobody.user })
  const readable = join(dir, 'readable')
  mkdirSync(readable)
  chmodSync(readable, 0o555)
  expect(await check(readable, nobody)).toMatchObject({ state: 'not_writable', why: 'Permission denied' })
  chmodSync(dir, 0o555)
  expect(await check(join(dir, 'none'), nobody)).toMatchObject({ state: 'absent', canBeMade: false })
  chmodSync(dir, 0o755)
})

it('takes a path as it is, whatever is in it', async () => {
  const odd = join(dir, 'a "b" $(touch x) \'c\' %n')
  mkdirSync(odd)
  expect(await check(odd)).toMatchObject({ state: 'ok' })
  expect(readdirSync(dir)).toEqual([odd.slice(dir.length + 1)])
})

it('does not wait for a file system that hangs', async () => {
  const hung = { user: 'me', words: ['/bin/sh', '-c', 'sleep 30', 'sh'] }
  const beginMs = performance.now()
  expect(await checkDirectory(dir, { as: hung, deadlineMs: 200 })).toMatchObject({ state: 'hung' })
  expect(performance.now() - beginMs).toBeLessThan(3_000)
})

it('says where it could not be tried', async () => {
  const facts = await check(dir, { user: 'x', words: ['/no/such/setpriv'] })
  expect(facts).toMatchObject({ state: 'unknown', why: 'ENOENT' })
})
