/** Runners that die at the worst moment, on a cluster of real processes: each task starts once and keeps its end. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'

const killAt = fileURLToPath(new URL('kill-at.cjs', import.meta.url))

describe('a runner that is killed', () => {
  let cluster: LocalCluster
  afterEach(() => cluster.close())

  /** Starts a runner that dies by SIGKILL at a point of its code. */
  const startDoomed = (point: string) => {
    process.env.NODE_OPTIONS = `--require=${killAt}`
    process.env.KILL_AT = point
    try {
      return cluster.startRunner('n1')
    } finally {
      delete process.env.NODE_OPTIONS
      delete process.env.KILL_AT
    }
  }
  const witness = () => {
    const dir = join(cluster.dir, 'witness')
    mkdirSync(dir)
    chmodSync(dir, 0o777)
    return join(dir, 'starts')
  }

  it.each(['before-handle', 'after-handle', 'before-spawn', 'after-spawn', 'before-outbox', 'after-outbox'])(
    'row 3: at the point "%s" it loses no task, starts none twice, and the exit code is kept',
    async (point) => {
      cluster = await LocalCluster.start({ heartbeatSeconds: 0.25, nodes: [] })
      const { api } = cluster
      const starts = witness()
      const doomed = startDoomed(point)
      await cluster.allOnline()
      const id = await api.submit({
        command: 'sh',
        arguments: ['-c', 'echo start >> "$0"; sleep 0.3; exit 9', starts],
      })
      expect(await doomed.ended).toMatchObject({ signal: 'SIGKILL' })
      cluster.startRunner('n1')
      const task = await api.ended(id)
      // between the claim and the start nobody can know whether it ran: it is not started again
      if (point === 'before-spawn') expect(task).toMatchObject({ status: 'lost', attempt: 1 })
      else expect(task).toMatchObject({ status: 'failed', exitCode: 9, attempt: 1 })
      const seen = existsSync(starts) ? readFileSync(starts, 'utf8') : ''
      expect(seen).toBe(point === 'before-spawn' ? '' : 'start\n')
    },
  )

  it('row 3: while it is idle, the next one takes its place', async () => {
    cluster = await LocalCluster.start({ heartbeatSeconds: 0.25 })
    await cluster.runner('n1').stop('SIGKILL')
    cluster.startRunner('n1')
    await waitFor('the link', () => cluster.runner('n1').stderr.includes('Linked'))
    expect(await cluster.api.run({ command: 'sh', arguments: ['-c', 'exit 3'] })).toMatchObject({
      exitCode: 3,
    })
  })

  it('row 23: stops in order at SIGTERM, its tasks go on, and the next one knows their ends', async () => {
    cluster = await LocalCluster.start({ heartbeatSeconds: 0.25 })
    const { api } = cluster
    const starts = witness()
    const script = 'echo start >> "$0"; while [ ! -e "$0.go" ]; do sleep 0.05; done; exit 6'
    const id = await api.submit({ command: 'sh', arguments: ['-c', script, starts] })
    const short = await api.submit({ command: 'sh', arguments: ['-c', 'sleep 0.5; exit 5'] })
    const { startedAt } = await api.reached(id, 'running')
    await api.reached(short, 'running')
    expect(await cluster.runner('n1').stop('SIGTERM')).toEqual({ code: 0, signal: null })
    cluster.startRunner('n1')
    await waitFor('the link', () => cluster.runner('n1').stderr.includes('Linked'))
    expect(await api.run({ command: 'touch', arguments: [`${starts}.go`] })).toMatchObject({
      status: 'completed',
    })
    expect(await api.ended(id)).toMatchObject({ status: 'failed', exitCode: 6, startedAt, attempt: 1 })
    expect(await api.ended(short)).toMatchObject({ status: 'failed', exitCode: 5, attempt: 1 })
    expect(readFileSync(starts, 'utf8')).toBe('start\n')
  })

  it('row 18: a host that runs out of memory loses nothing: it comes back, and its tasks with it', async () => {
    cluster = await LocalCluster.start({ heartbeatSeconds: 0.25 })
    const starts = witness()
    const hog = fileURLToPath(new URL('hog.cjs', import.meta.url))
    process.env.NODE_OPTIONS = `--require=${hog} --max-old-space-size=64`
    process.env.HOG_FILE = `${starts}.hog`
    try {
      await cluster.restartHost('SIGTERM')
    } finally {
      delete process.env.NODE_OPTIONS
      delete process.env.HOG_FILE
    }
    const doomed = cluster.host
    const script = 'echo start >> "$0"; sleep 1; exit 6'
    const id = await cluster.api.submit({ command: 'sh', arguments: ['-c', script, starts] })
    await cluster.api.reached(id, 'running')
    writeFileSync(`${starts}.hog`, '')
    await doomed.ended
    expect(doomed.stderr).toContain('heap out of memory')
    rmSync(`${starts}.hog`)
    await cluster.restartHost()
    expect(await cluster.api.ended(id)).toMatchObject({ status: 'failed', exitCode: 6, attempt: 1 })
    expect(readFileSync(starts, 'utf8')).toBe('start\n')
  })
})
