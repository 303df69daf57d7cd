import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { anybody } from './caller.ts'
import { createChecks } from './checks.ts'
import { TestHost } from './host.suite.ts'

let shared: string
let host: TestHost
beforeAll(async () => {
  shared = mkdtempSync(join(tmpdir(), 'hakuriver-checks-'))
  host = await TestHost.start('--shared-dir', shared)
})
afterAll(async () => {
  await host.close()
  rmSync(shared, { recursive: true })
})

const look = (name: string) => host.client.checkSharedFile({ body: { name } })
const nothing = { directory: null, size: null, sha256: null }

describe('the shared file', () => {
  it('is told with size and checksum where the host sees it, and is absent where not', async () => {
    writeFileSync(join(shared, '.hakuriver-check-there-1234'), 'bytes')
    expect(await look('there-1234')).toEqual({
      state: 'found',
      directory: shared,
      size: 5,
      sha256: createHash('sha256').update('bytes').digest('hex'),
    })
    expect(await look('not-there-1')).toEqual({ ...nothing, state: 'absent', directory: shared })
  })

  it('is no link, no directory, and nothing of another name', async () => {
    symlinkSync('/etc/hostname', join(shared, '.hakuriver-check-a-link-1'))
    mkdirSync(join(shared, '.hakuriver-check-a-folder'))
    writeFileSync(join(shared, 'other-file'), 'secret')
    for (const name of ['a-link-1', 'a-folder']) expect(await look(name)).toMatchObject({ state: 'absent' })
    for (const name of ['../../other-file', 'x/../../../other-file', 'UPPERCASE', 'short', 'with space', ''])
      await expect(look(name)).rejects.toMatchObject({ code: 'invalid_request' })
  })

  it('is read no further than a check needs', async () => {
    writeFileSync(join(shared, '.hakuriver-check-too-large'), Buffer.alloc(1_000_000))
    expect(await look('too-large')).toMatchObject({ state: 'found', size: 4096 })
  })

  it('is not looked for where no directory is set', async () => {
    const { checkSharedFile } = createChecks({
      cluster: { nodes: new Map() },
      sharedDir: null,
      now: Date.now,
    })
    expect(await checkSharedFile(ask('some-name'), caller)).toEqual({ ...nothing, state: 'no_directory' })
  })

  it('does not wait for a file system that hangs, nor give it a second thread', async () => {
    let reads = 0
    const { checkSharedFile } = createChecks({
      cluster: { nodes: new Map() },
      sharedDir: '/shared',
      now: Date.now,
      read: () => {
        reads += 1
        return new Promise(() => {})
      },
    })
    const first = checkSharedFile(ask('first-name'), caller)
    await expect(checkSharedFile(ask('second-name'), caller)).rejects.toThrow(AppError)
    expect(await first).toEqual({ ...nothing, state: 'hung', directory: '/shared' })
    expect(await checkSharedFile(ask('third-name'), caller)).toMatchObject({ state: 'hung' })
    expect(reads).toBe(1)
  })
})

describe('the host', () => {
  it('tells its time, and what it knows of a node', async () => {
    const before = Date.now()
    const answer = await host.client.checkHost({ query: { node: 'n1' } })
    expect(Date.parse(answer.time)).toBeGreaterThanOrEqual(before)
    expect(answer).toMatchObject({ token: 'user', node: null, version: expect.any(String) })
    const runner = await host.link({ node: 'n1' })
    expect(await host.client.checkHost({ query: { node: 'n1' } })).toMatchObject({
      node: { name: 'n1', status: 'online', runnerVersion: 'test', executor: { name: 'fake' } },
    })
    expect((await host.client.checkHost({ query: {} })).node).toBeNull()
    runner.cut()
  })

  it('answers who shows a join token, and says that it is one', async () => {
    const answer = await fetch(`${host.host.url}/api/v1/checks/host`, {
      headers: { authorization: `Bearer ${host.token('join')}` },
    })
    expect(await answer.json()).toMatchObject({ token: 'join' })
  })
})

const caller = anybody
function ask(name: string) {
  return { params: undefined, query: undefined, body: { name } }
}
