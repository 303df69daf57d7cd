/** A node whose wall clock is wrong, and is set while tasks run. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import type { ClusterEvent, TaskDetail } from '../../src/protocol/schemas.ts'
import { LocalCluster } from '../support/cluster.ts'

const wrongClock = fileURLToPath(new URL('clock.cjs', import.meta.url))
const hour = 3_600_000

describe('a node with a wrong clock', () => {
  let cluster: LocalCluster
  afterEach(() => cluster.close())

  const setClock = (offsetMs: number) => writeFileSync(join(cluster.dir, 'clock'), String(offsetMs))
  const startRunner = async () => {
    cluster = await LocalCluster.start({ heartbeatSeconds: 0.25, nodes: [] })
    setClock(0)
    process.env.NODE_OPTIONS = `--require=${wrongClock}`
    process.env.CLOCK_FILE = join(cluster.dir, 'clock')
    try {
      cluster.startRunner('n1')
    } finally {
      delete process.env.NODE_OPTIONS
      delete process.env.CLOCK_FILE
    }
    await cluster.allOnline()
  }
  const times = ({ submittedAt, startedAt, endedAt }: TaskDetail) =>
    [submittedAt, startedAt, endedAt].map((at) => Date.parse(at ?? ''))
  const sleeper = (script: string) => ({ command: 'sh', arguments: ['-c', script] })

  it.each([
    ['an hour behind', -hour],
    ['an hour ahead', hour],
  ])(
    'row 13: %s: nothing ends before it starts or starts before its submit, and durations are right',
    async (_, offset) => {
      await startRunner()
      setClock(offset)
      const task = await cluster.api.run(sleeper('sleep 0.5; exit 4'))
      expect(task).toMatchObject({ status: 'failed', exitCode: 4 })
      const [submitted = 0, started = 0, ended = 0] = times(task)
      expect(started).toBeGreaterThanOrEqual(submitted)
      expect(ended - started).toBeGreaterThanOrEqual(400)
      expect(ended).toBeLessThanOrEqual(Date.now())
    },
  )

  it('row 13: a clock that is set while tasks run makes none lost, none timed out, and no kill wait', async () => {
    await startRunner()
    const seen: ClusterEvent[] = []
    const { api } = cluster
    const listening = await api.events((event) => seen.push(event))
    const long = await api.submit({ ...sleeper('sleep 2; exit 5'), timeoutMs: 600_000 })
    const stubborn = await api.submit(sleeper('trap "" TERM; while :; do sleep 0.1; done'))
    await api.reached(long, 'running')
    await api.reached(stubborn, 'running')
    setClock(hour)
    const meanwhile = await api.run(sleeper('exit 3'))
    await api.client.killTask({ params: { id: stubborn }, body: {} })
    setClock(-hour)
    const ends = await Promise.all([api.ended(long), api.ended(stubborn, 20_000)])
    expect([meanwhile, ...ends]).toMatchObject([
      { status: 'failed', exitCode: 3 },
      { status: 'failed', exitCode: 5 },
      { status: 'killed' },
    ])
    for (const task of [meanwhile, ...ends]) {
      const [submitted = 0, started = 0, ended = 0] = times(task)
      expect(started).toBeGreaterThanOrEqual(submitted)
      expect(ended).toBeGreaterThanOrEqual(started)
      expect(ended).toBeLessThanOrEqual(Date.now())
    }
    listening.close()
    expect(seen.filter(({ type }) => /unreachable|silent|lost/.test(type))).toEqual([])
  })
})
