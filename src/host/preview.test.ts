import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PreviewResult, SubmitBody } from '../protocol/schemas.ts'
import { TestHost } from './host.suite.ts'

let host: TestHost
beforeEach(async () => {
  host = await TestHost.start()
})
afterEach(() => host.close())

type Outcome = PreviewResult['items'][number]

/** What a submit did, told as a preview tells it. */
async function submitted(body: SubmitBody): Promise<Outcome[]> {
  const { tasks } = await host.client.submitBatch({ body })
  const numbers = new Map(tasks.map(({ taskId }, index) => [taskId, index + 1]))
  const named = (reason: string) =>
    reason.replace(/task (\d+)/g, (text, id: string) =>
      numbers.has(id) ? `task ${numbers.get(id)} of this submit` : text,
    )
  return Promise.all(
    tasks.map(async ({ target, specIndex, taskId, error }): Promise<Outcome> => {
      const base = { target, specIndex, node: null, numaId: null }
      if (taskId === null) return { ...base, outcome: 'refused', reason: named(error?.message ?? '') }
      const task = await host.client.getTask({ params: { id: taskId } })
      if (task.node === null) return { ...base, outcome: 'waits', reason: named(task.reason ?? '') }
      return { ...base, outcome: 'starts', node: task.node, numaId: task.numaId, reason: null }
    }),
  )
}

/** A preview, and the submit after it, which has to do the same. */
async function previewed(body: SubmitBody): Promise<PreviewResult> {
  const before = host.store.commits
  const preview = await host.client.previewBatch({ body })
  expect(await host.client.previewBatch({ body })).toEqual(preview)
  expect(host.store.commits).toBe(before)
  expect(preview.items).toEqual(await submitted(body))
  return preview
}

const targets = ['any', 'n1', 'n2', 'n1:0', 'n9']

describe('a preview of a submit', () => {
  it('is what the submit then does: with room, with little left, and with none', async () => {
    await host.link({ cores: 4 })
    await host.link({ node: 'n2', runnerId: 'runner-2', cores: 2 })
    const specs = [
      { command: 'a', cores: 2 },
      { command: 'b', queue: false },
      { command: 'c', cores: 3 },
    ]
    const first = await previewed({ specs, targets })
    expect(first).toMatchObject({ total: 15, looked: 15, firstRefused: { target: 'n1:0', specIndex: 0 } })
    expect(first.starts).toBeGreaterThan(0)
    expect(first.waits).toBeGreaterThan(0)
    expect(first.starts + first.waits + first.refused).toBe(15)
    const second = await previewed({ specs, targets })
    expect(second.starts).toBe(0)
    expect(second.items.map(({ reason }) => reason)).toContainEqual(
      expect.stringContaining('waits behind task'),
    )
  })

  it('knows of drained and silent nodes, and of none at all', async () => {
    const specs = [{ command: 'a' }]
    const alone = await previewed({ specs })
    expect(alone.items).toMatchObject([{ outcome: 'waits', reason: 'no node has joined yet' }])
    await host.link({ cores: 1 })
    await host.client.drainNode({ params: { name: 'n1' }, body: {} })
    const drained = await previewed({ specs, targets: ['any', 'n1'] })
    expect(drained.items[1]).toMatchObject({ outcome: 'waits', reason: /takes no new tasks: drained by/ })
  })

  it('of all or nothing refuses all where one is refused, and tells which', async () => {
    await host.link({ cores: 4 })
    const body = { specs: [{ command: 'a' }], targets: ['n1', 'n9'], allOrNothing: true }
    expect(await host.client.previewBatch({ body })).toMatchObject({
      starts: 0,
      waits: 0,
      refused: 2,
      items: [
        { target: 'n1', outcome: 'refused', reason: 'could be made, but all or nothing was asked for' },
        { target: 'n9', outcome: 'refused', reason: 'there is no node n9: the cluster has n1' },
      ],
      firstRefused: { target: 'n9' },
    })
    await expect(host.client.submitBatch({ body })).rejects.toMatchObject({ code: 'unsatisfiable' })
  })

  it.each<[string, SubmitBody]>([
    ['a target', { specs: [{ command: 'a' }], targets: ['no node!'] }],
    ['a task', { specs: [{ command: 'a', env: { UID: '1' } }] }],
    ['too many', { specs: Array(101).fill({ command: 'a' }), targets: Array(100).fill('any') }],
  ])('refuses what no submit may hold, in the same words: %s', async (_what, body) => {
    const words = (error: unknown) => error as { message: string; code: string }
    const preview = await host.client.previewBatch({ body }).catch(words)
    const submit = await host.client.submitBatch({ body }).catch(words)
    const { code, message } = submit as ReturnType<typeof words>
    expect(preview).toMatchObject({ code, message })
    expect(code).toMatch(/invalid_request|too_large/)
  })

  it('counts 10,000 and tells of the first of them', async () => {
    await host.link({ cores: 4 })
    const body = { specs: Array(10_000).fill({ command: 'a' }) as { command: string }[] }
    const preview = await host.client.previewBatch({ body })
    expect(preview).toMatchObject({ total: 10_000, looked: 10_000, starts: 4, waits: 9_996, refused: 0 })
    expect(preview.items).toHaveLength(1_000)
    expect(preview.firstRefused).toBeNull()
  })
})
