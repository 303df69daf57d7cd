/** A host's database that is damaged, of another time, or restored: the host says so, and nothing is lost or done twice. */
import {
  chmodSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'
import { processOf } from '../support/processes.ts'
import { bundle, Program } from '../support/program.ts'

/** Cuts the end of a file off. */
function tear(part: number): (path: string) => void {
  return (path) => truncateSync(path, Math.floor(statSync(path).size * part))
}

describe('a host and its database', () => {
  let cluster: LocalCluster
  afterEach(() => cluster.close())
  const start = async () => {
    cluster = await LocalCluster.start({ heartbeatSeconds: 0.25 })
    return cluster.api
  }
  const database = () => join(cluster.home, 'cluster.db')

  /** Starts the host where it cannot run. @returns how it ended, and what it said */
  const refusedStart = async () => {
    const host = new Program(process.execPath, [bundle('host'), '--state-dir', cluster.home, '--port', '0'])
    const { code } = await host.ended
    return { code, said: host.stderr.trim().split('\n').at(-1) }
  }

  it.each([
    ['is not one', (path: string) => overwrite(path, 0, Buffer.from('this is no database at all'))],
    ['has a hole in the middle', (path: string) => overwrite(path, 4096, Buffer.alloc(12 * 4096, 0x5a))],
  ])('row 11: does not start where the database %s, and says what helps', async (_, damage) => {
    const api = await start()
    await api.run({ command: 'true' })
    await cluster.host.stop()
    damage(database())
    const { code, said } = await refusedStart()
    expect(code).toBe(1)
    expect(said).toContain(`the database ${database()} is damaged`)
    expect(said).toContain('run hakuriver restore with a backup')
  })

  it('row 11: does not start where it may not read its database', async () => {
    await start()
    await cluster.host.stop()
    rmSync(database())
    mkdirSync(database())
    const { code, said } = await refusedStart()
    expect(code).toBe(4)
    expect(said).toContain(`this user may not read and write the database ${database()}`)
  })

  it.each([
    ...[0.35, 0.5, 0.6, 0.7, 0.85].map((part) => [`torn at ${part} of it`, tear(part)] as const),
    ['gone', (wal: string) => rmSync(wal)] as const,
  ])(
    'row 11: where the end of what was saved is %s, nothing runs twice and new work goes on',
    async (_, harm) => {
      const api = await start()
      const witness = join(cluster.dir, 'witness', 'runs')
      mkdirSync(join(cluster.dir, 'witness'))
      chmodSync(join(cluster.dir, 'witness'), 0o777)
      const append = { command: 'sh', arguments: ['-c', 'echo "$HAKURIVER_TASK_ID" >> "$0"', witness] }
      for (let task = 0; task < 5; task += 1) await api.run(append)
      await cluster.host.stop('SIGKILL')
      harm(`${database()}-wal`)
      await cluster.startHost()
      const after = cluster.api
      expect(await after.run({ command: 'true' })).toMatchObject({ status: 'completed' })
      const known = (await after.client.listTasks({ query: {} })).items
      await Promise.all(known.map(({ id }) => after.ended(id)))
      const runs = readFileSync(witness, 'utf8').trim().split('\n')
      expect(new Set(runs).size).toBe(runs.length)
    },
  )

  it('row 12: restored from an old backup it shows what it does not know, leaves it alone, and uses no id again', async () => {
    const api = await start()
    const before = await api.run({ command: 'sh', arguments: ['-c', 'exit 3'] })
    const saved = cluster.cli('backup', join(cluster.dir, 'old.db'), '--json')
    expect(await saved.ended).toEqual({ code: 0, signal: null })
    const lost = await api.submit({ command: 'sleep', arguments: ['1000'] })
    await api.reached(lost, 'running')
    expect(await restore().ended).toMatchObject({ code: 1 })
    await cluster.host.stop()
    const restored = restore()
    expect(await restored.ended).toEqual({ code: 0, signal: null })
    expect(restored.stdout).toContain('with 1 tasks')
    await cluster.startHost()
    const after = cluster.api
    expect(await after.task(before.id)).toMatchObject({ status: 'failed', exitCode: 3 })
    const node = await waitFor('the task is shown', async () => {
      const shown = await after.client.getNode({ params: { name: 'n1' } })
      return shown.unknownTasks.length > 0 && shown
    })
    expect(node.unknownTasks).toEqual([{ taskId: lost, attempt: 1 }])
    const page = cluster.cli('node', 'n1')
    await page.ended
    expect(page.stdout).toContain(`holds task ${lost}, which this host does not know: left alone`)
    const next = await after.run({ command: 'true' })
    expect(Number(next.id)).toBeGreaterThan(Number(lost))
    expect(readdirSync(cluster.home).filter((name) => name.includes('.before-restore-'))).not.toEqual([])
    // it is there still, until somebody has it ended
    expect(processOf(lost)).not.toBeNull()
    const ending = cluster.cli('node', 'end-unknown', 'n1')
    expect(await ending.ended).toEqual({ code: 0, signal: null })
    expect(ending.stdout).toBe(`n1 ends 1 task: ${lost}\n`)
    await waitFor('it has ended', () => processOf(lost) === null)
    await waitFor(
      'it is let go',
      async () => (await after.client.getNode({ params: { name: 'n1' } })).coresAllocated === 0,
    )
  })

  it('row 12: runs nothing again that has run since the backup', async () => {
    const api = await start()
    const dir = join(cluster.dir, 'witness')
    mkdirSync(dir)
    chmodSync(dir, 0o777)
    const node = { params: { name: 'n1' } }
    await api.client.drainNode({ ...node, body: {} })
    const script = 'echo ran >> "$0"; exec sleep "$1"'
    const [short = '', long = ''] = await api.submitAll([
      { command: 'sh', arguments: ['-c', script, join(dir, 'short'), '0'] },
      { command: 'sh', arguments: ['-c', script, join(dir, 'long'), '1000'] },
    ])
    await cluster.cli('backup', join(cluster.dir, 'old.db')).ended
    await api.client.resumeNode({ ...node, body: {} })
    await api.ended(short)
    await api.reached(long, 'running')
    await cluster.host.stop()
    expect(await restore().ended).toMatchObject({ code: 0 })
    await cluster.startHost()
    const after = cluster.api
    const reason = 'the host was restored from a backup: whether it has run since is not known'
    expect(await after.task(short)).toMatchObject({ status: 'lost', reason })
    await after.client.resumeNode({ ...node, body: {} })
    await waitFor('what runs on is shown', async () => {
      const { unknownTasks } = await after.client.getNode(node)
      return unknownTasks.some(({ taskId }) => taskId === long)
    })
    expect(await after.run({ command: 'true' })).toMatchObject({ status: 'completed' })
    for (const name of ['short', 'long']) expect(readFileSync(join(dir, name), 'utf8')).toBe('ran\n')
    expect(processOf(long)).not.toBeNull()
    process.kill(processOf(long) ?? 0, 'SIGKILL')
  })

  it('row 12: gives out no id of the database of before, also by a clock that was set back', async () => {
    const api = await start()
    const saved = cluster.cli('backup', join(cluster.dir, 'old.db'))
    await saved.ended
    const { id } = await api.run({ command: 'true' })
    await cluster.host.stop()
    await restore().ended
    const raw = new DatabaseSync(database(), { readOnly: true })
    expect(raw.prepare("select value from id_floors where name = 'task'").get()).toEqual({
      value: Number(id),
    })
    raw.close()
    await cluster.startHost()
  })

  it('row 22: does not start on a database of a newer version, and leaves it as it is', async () => {
    await start()
    await cluster.host.stop()
    const raw = new DatabaseSync(database())
    raw.exec('insert into schema_versions values (99)')
    raw.close()
    const { code, said } = await refusedStart()
    expect(code).toBe(1)
    expect(said).toContain('the database has schema 99')
  })

  const restore = () => cluster.cli('restore', join(cluster.dir, 'old.db'), '--state-dir', cluster.home)
})

function overwrite(path: string, at: number, bytes: Buffer): void {
  writeSync(openSync(path, 'r+'), bytes, 0, bytes.length, at)
}
