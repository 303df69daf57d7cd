import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { restore } from './restore.ts'
import { SqliteStore } from './sqlite.ts'
import type { CredentialRecord } from './store.ts'

let dir: string
let path: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-joins-'))
  path = join(dir, 'cluster.db')
})
afterEach(() => rmSync(dir, { recursive: true }))

const token = (hash: string) => ({ hash, node: null, createdAtMs: 1, expiresAtMs: 100, usedAtMs: null })
const credential = (nodeId: string, node = nodeId): CredentialRecord => ({
  nodeId,
  node,
  runnerId: `r-${nodeId}`,
  authority: 'a',
  createdAtMs: 2,
  expiresAtMs: 50,
  revokedAtMs: null,
})

it('uses a token up and makes a node together, or neither', async () => {
  const store = new SqliteStore(path)
  await store.addJoinTokens([token('x'), token('y')], 0)
  await store.join({ tokenHash: 'x', atMs: 5, credential: credential('1'), replaced: [] })
  expect(await store.joinToken('x')).toMatchObject({ usedAtMs: 5 })
  const again = { tokenHash: 'x', atMs: 6, credential: credential('2'), replaced: ['1'] }
  await expect(store.join(again)).rejects.toMatchObject({ code: 'conflict' })
  await expect(store.join({ ...again, tokenHash: 'none' })).rejects.toMatchObject({ code: 'conflict' })
  expect(await store.credentials()).toEqual([credential('1')])
  await store.join({ ...again, tokenHash: 'y' })
  expect(await store.credentials()).toEqual([{ ...credential('1'), revokedAtMs: 6 }, credential('2')])
  await store.addJoinTokens([], 101)
  expect(await store.joinToken('x')).toBeNull()
  await store.close()
})

it('forgets with a restored backup neither who was revoked nor who has joined since, and voids all invitations', async () => {
  const store = new SqliteStore(path)
  await store.addJoinTokens([token('x')], 0)
  await store.saveCredential(credential('1'))
  const copy = join(dir, 'backup.db')
  await store.backup(copy)
  await store.saveCredential({ ...credential('1'), revokedAtMs: 7 })
  await store.saveCredential(credential('2'))
  await store.close()
  await restore(copy, { stateDir: dir, databaseFile: path }, 9)
  const restored = new SqliteStore(path)
  expect(await restored.credentials()).toEqual([{ ...credential('1'), revokedAtMs: 7 }, credential('2')])
  expect(await restored.joinToken('x')).toBeNull()
  await restored.close()
})
