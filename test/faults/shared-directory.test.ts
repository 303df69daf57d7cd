/** A shared directory that does not answer, on a cluster of real processes. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { LocalCluster } from '../support/cluster.ts'

describe('a shared directory that does not answer', () => {
  let cluster: LocalCluster
  afterEach(() => cluster.close())

  it('row 9: holds up the start of the task that needs it, and neither heartbeats nor kills nor other tasks', async () => {
    cluster = await LocalCluster.start({ heartbeatSeconds: 0.25, nodes: [] })
    const shared = join(cluster.dir, 'shared')
    cluster.startRunner('n1', '--shared-dir', shared)
    await cluster.allOnline()
    const { api } = cluster
    const before = await api.run({ command: 'true' })
    // whoever opens a pipe that nobody reads waits, as for a dead file system: one for each id that may come next
    const outputs = join(shared, 'task_outputs')
    mkdirSync(outputs, { recursive: true })
    const second = Math.floor(Number(before.id) / 100_000)
    const next = Array.from({ length: 20 }, (_, i) => [
      (second + i) * 100_000 + 1,
      (second + i) * 100_000 + 3,
    ]).flat()
    const paths = [...next, Number(before.id) + 2].map((id) => join(outputs, `${id}.out`))
    execFileSync('sh', ['-c', 'for path; do [ -e "$path" ] || mkfifo "$path"; done', 'sh', ...paths])
    const held = await api.submit({ command: 'true' })
    expect(paths).toContain(join(outputs, `${held}.out`))
    const others = await api.submitAll(
      Array.from({ length: 3 }, () => ({ command: 'sh', arguments: ['-c', 'exit 4'] })),
    )
    const ended = await Promise.all(others.slice(1).map((id) => api.ended(id)))
    expect(ended).toMatchObject([{ exitCode: 4 }, { exitCode: 4 }])
    expect((await api.task(held)).status).toBe('assigning')
    const node = await api.client.getNode({ params: { name: 'n1' } })
    expect(node.status).toBe('online')
    expect(Date.now() - Date.parse(node.lastSeenAt)).toBeLessThan(2_000)
    for (const id of [held, others[0] ?? '']) {
      if ((await api.task(id)).endedAt !== null) continue
      await api.client.killTask({ params: { id }, body: {} })
      expect(await api.ended(id, 20_000)).toMatchObject({ status: 'killed' })
    }
  })
})
