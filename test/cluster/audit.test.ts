/** The log of who did what, with real processes: it survives kill -9, and what was done to its file by hand is found. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditRow } from '../../src/core/audit.ts'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'

describe('the log of who did what', () => {
  let cluster: LocalCluster
  beforeAll(async () => {
    cluster = await LocalCluster.start({ nodes: ['n1'] })
  })
  afterAll(() => cluster.close())

  const cli = async (...words: string[]) => {
    const program = cluster.cli(...words)
    const { code } = await program.ended
    return { code, out: program.stdout, err: program.stderr }
  }
  const exported = async (): Promise<AuditRow[]> => {
    const { out } = await cli('audit', 'export')
    return out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as AuditRow]))
  }

  it('has each call that was answered when its host is killed, and is whole, again and again', async () => {
    const answered = { batches: new Set<string>(), kills: new Set<string>() }
    for (let round = 0; round < 4; round += 1) {
      const { client } = cluster.api
      let isOver = false
      const callers = Array.from({ length: 12 }, async () => {
        while (!isOver) {
          const body = { specs: [{ command: 'true', cores: 5_000 }] }
          const made = await client.submitBatch({ body }).catch(() => null)
          if (made === null) continue
          answered.batches.add(made.batchId ?? '')
          const id = made.tasks[0]?.taskId ?? ''
          const killed = await client.killTask({ params: { id }, body: {} }).catch(() => null)
          if (killed !== null) answered.kills.add(id)
        }
      })
      const before = answered.kills.size
      await waitFor('some were answered', () => answered.kills.size > before + 40, { deadlineMs: 30_000 })
      await cluster.host.stop('SIGKILL')
      isOver = true
      await Promise.all(callers)
      await cluster.startHost()
    }
    expect(await cli('audit', 'verify')).toMatchObject({ code: 0, out: expect.stringContaining('is whole') })
    const rows = await exported()
    const targets = (action: string) =>
      rows.filter((row) => row.action === action && row.result === 'ok').map(({ target }) => target)
    const submits = targets('submitBatch')
    const kills = targets('killTask')
    expect([...answered.batches].filter((id) => !submits.includes(id))).toEqual([])
    expect([...answered.kills].filter((id) => !kills.includes(id))).toEqual([])
    // a row of a submit and the submit itself are one: there is none without the other
    const { total } = await cluster.api.client.listBatches({ query: {} })
    expect(new Set(submits).size).toBe(submits.length)
    expect(submits).toHaveLength(total)
  }, 120_000)

  it('is listed, exported, and checked on the command line, of the host and of a file', async () => {
    const id = await cluster.api.submit({ command: 'true' })
    await cli('kill', id)
    const listed = await cli('audit', '--of', id, '--since', '1h')
    expect(listed.out).toMatch(/admin +admin +killTasks? /)
    const rows = JSON.parse((await cli('audit', 'list', '--limit', '3', '--json')).out)
    expect(rows.items).toHaveLength(3)
    const file = join(cluster.dir, 'audit.ndjson')
    const saved = await cli('audit', 'export', '--out', file)
    const head = /[0-9a-f]{64}/.exec(saved.err)?.[0] ?? ''
    expect(await cli('audit', 'verify', '--file', file, '--head', head)).toMatchObject({ code: 0 })
    await cli('submit', '--', 'true')
    expect(await cli('audit', 'verify', '--head', head)).toMatchObject({ code: 0 })
    // the export without its last row is whole by itself, and not by what was kept
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    writeFileSync(file, `${lines.slice(0, -1).join('\n')}\n`)
    expect(await cli('audit', 'verify', '--file', file)).toMatchObject({ code: 0 })
    const cut = await cli('audit', 'verify', '--file', file, '--head', head, '--json')
    expect(cut.code).toBe(1)
    expect(JSON.parse(cut.out)).toMatchObject({ isWhole: false, broken: { seq: lines.length } })
    expect(await cli('audit', 'verify', '--head', 'rubbish')).toMatchObject({ code: 2 })
    expect(await cli('audit', 'verify', '--file', '/nowhere')).toMatchObject({ code: 2 })
  })

  it('tells of what was done to its file by hand', async () => {
    const database = join(cluster.home, 'cluster.db')
    const tamper = async (sql: string) => {
      await cluster.host.stop()
      const raw = new DatabaseSync(database)
      raw.exec(sql)
      raw.close()
      await cluster.startHost()
      return cli('audit', 'verify')
    }
    const [row] = (await exported()).slice(5)
    const seq = row?.seq ?? 0
    const unlock = 'drop trigger audit_is_not_changed; drop trigger audit_is_not_removed;'
    const changed = await tamper(`${unlock} update audit set who = 'mallory' where seq = ${seq}`)
    expect(changed).toMatchObject({
      code: 1,
      out: expect.stringContaining(`broken at row ${seq}: it was changed`),
    })
    expect(await tamper(`update audit set who = '${row?.who}' where seq = ${seq}`)).toMatchObject({ code: 0 })
    const removed = await tamper(`delete from audit where seq in (${seq}, ${seq + 1})`)
    expect(removed).toMatchObject({
      code: 1,
      out: expect.stringContaining(
        `broken at row ${seq + 2}: rows ${seq} to ${seq + 1} before it are missing`,
      ),
    })
  })
})
