/** Tasks of `--requeue` on real systemd machines: their node ends them by itself before they start elsewhere. */
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { describeInLab } from '../lab/require.ts'
import { LabCluster } from '../support/lab-cluster.ts'

const leaseSeconds = 8
/** The lease, the host's margin, and what a busy machine adds. */
const overMs = 60_000

/** Writes every moment at which it is alive, attempt by attempt; the witness file is on no machine's own disk. */
const witness = (name: string, before = '') =>
  `${before} while :; do echo "$HAKURIVER_ATTEMPT $(date +%s%3N) $HAKURIVER_NODE" >> /shared/witness/${name}; sleep 0.05; done`

interface Sight {
  attempt: number
  atMs: number
  node: string
}

describeInLab('--requeue on systemd machines', () => {
  let cluster: LabCluster
  beforeAll(async () => {
    cluster = await LabCluster.start({
      nodes: 2,
      heartbeatSeconds: 0.5,
      isShared: true,
      hostArgs: ['--requeue-after', String(leaseSeconds)],
      id: 'rq',
      net: '10.78.5',
    })
    const dir = join(cluster.lab.sharedDir, 'witness')
    mkdirSync(dir)
    chmodSync(dir, 0o777)
  })
  afterAll(() => cluster?.close())

  const sightsOf = (name: string): Sight[] => {
    const path = join(cluster.lab.sharedDir, 'witness', name)
    if (!existsSync(path)) return []
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => {
      const [attempt, atMs, node = ''] = line.split(' ')
      return { attempt: Number(attempt), atMs: Number(atMs), node }
    })
  }

  /** Submits a task that never ends by itself; answers once it is seen alive. */
  const begin = async (name: string, before = ''): Promise<{ id: string; node: string; other: string }> => {
    const id = await cluster.api.submit({
      command: 'sh',
      arguments: ['-c', witness(name, before)],
      requeue: 1,
      name,
    })
    const { node } = await cluster.api.reached(id, 'running')
    await waitFor('it is alive', () => sightsOf(name).length > 0)
    return { id, node: node ?? '', other: node === 'node1' ? 'node2' : 'node1' }
  }

  /** Never two at a time, and each attempt on one node. */
  const expectOneAtATime = (name: string, nodes: string[]): void => {
    const sights = sightsOf(name)
    expect(sights.map(({ attempt }) => attempt)).toEqual(sights.map(({ attempt }) => attempt).sort())
    const places = [...new Set(sights.map(({ attempt, node }) => `${attempt} ${node}`))]
    expect(places).toEqual(nodes.map((node, index) => `${index + 1} ${node}`))
    const lastOf = (attempt: number) =>
      Math.max(...sights.filter((sight) => sight.attempt === attempt).map(({ atMs }) => atMs))
    const [first] = sights.filter(({ attempt }) => attempt === 2)
    if (first !== undefined) expect(first.atMs).toBeGreaterThan(lastOf(1))
  }

  /** Resolves when the second attempt is alive; answers how long the first one has lived on after a moment. */
  const secondAttempt = async (name: string, id: string, sinceMs: number): Promise<number> => {
    await waitFor('the second attempt is alive', () => sightsOf(name).some(({ attempt }) => attempt === 2), {
      deadlineMs: overMs,
    })
    expect(await cluster.api.reached(id, 'running')).toMatchObject({ attempt: 2 })
    const first = sightsOf(name).filter(({ attempt }) => attempt === 1)
    return Math.max(...first.map(({ atMs }) => atMs)) - sinceMs
  }

  const finish = async (id: string): Promise<void> => {
    await cluster.api.client.killTask({ params: { id }, body: {} })
    expect(await cluster.api.ended(id)).toMatchObject({ status: 'killed', attempt: 2 })
  }

  it("is offered by root's systemd", async () => {
    const { items } = await cluster.api.client.listNodes({})
    for (const { executor } of items) expect(executor.features.lease).toBe(true)
  })

  it('row 4: a task whose node lost power runs again elsewhere, once', async () => {
    const { id, node, other } = await begin('power')
    await cluster.lab.off(node)
    await secondAttempt('power', id, Date.now())
    expectOneAtATime('power', [node, other])
    const { items } = await cluster.api.client.listTaskEvents({ params: { id } })
    expect(items.map(({ type }) => type)).toEqual([
      'submitted',
      'placed',
      'started',
      'node_silent',
      'requeued',
      'placed',
      'started',
    ])
    expect(items.find(({ type }) => type === 'requeued')).toMatchObject({
      node,
      attempt: 1,
      status: 'pending',
      reason: expect.stringContaining('lease ran out'),
    })
    await cluster.lab.boot(node)
    await cluster.startRunner(node)
    expect(await cluster.api.task(id)).toMatchObject({ status: 'running', attempt: 2, node: other })
    await finish(id)
    expectOneAtATime('power', [node, other])
    const log = await cluster.api.log(id)
    expect(log).toBe('')
  }, 120_000)

  it('row 5: a node that is cut off ends a task within its lease, also one that ignores TERM; then it runs elsewhere', async () => {
    const { id, node, other } = await begin('cut', "trap '' TERM; echo first words;")
    const cutAt = Date.now()
    await cluster.lab.cut(node)
    const livedMs = await secondAttempt('cut', id, cutAt)
    expect(livedMs).toBeGreaterThan(2_000)
    // from the last answer before the cut, and the grace for what ignores TERM
    expect(livedMs).toBeLessThan((leaseSeconds + 13) * 1000)
    expectOneAtATime('cut', [node, other])
    await cluster.lab.heal(node)
    await cluster.online(node, Date.now())
    expect(await cluster.api.task(id)).toMatchObject({ status: 'running', attempt: 2, node: other })
    expect(await cluster.api.log(id)).toBe(
      'first words\n--- hakuriver: attempt 2 begins here ---\nfirst words\n',
    )
    await finish(id)
    expectOneAtATime('cut', [node, other])
  }, 120_000)

  it('row 3: a node whose runner is dead ends a task within its lease; then it runs elsewhere', async () => {
    const { id, node, other } = await begin('dead')
    const deadAt = Date.now()
    await cluster.runner(node).stop('SIGKILL')
    expect(await secondAttempt('dead', id, deadAt)).toBeLessThan((leaseSeconds + 3) * 1000)
    expectOneAtATime('dead', [node, other])
    await cluster.startRunner(node)
    expect(await cluster.api.task(id)).toMatchObject({ status: 'running', attempt: 2, node: other })
    await finish(id)
    expectOneAtATime('dead', [node, other])
  }, 120_000)

  it('row 3: a runner that stood still the whole time starts nothing and revives nothing when it goes on', async () => {
    const { id, node, other } = await begin('frozen')
    const frozenAt = Date.now()
    await cluster.lab.sh(node, 'systemctl kill --signal=STOP hakuriver-runner')
    expect(await secondAttempt('frozen', id, frozenAt)).toBeLessThan((leaseSeconds + 3) * 1000)
    await cluster.lab.sh(node, 'systemctl kill --signal=CONT hakuriver-runner')
    await cluster.online(node, Date.now())
    expect(await cluster.api.task(id)).toMatchObject({ status: 'running', attempt: 2, node: other })
    expectOneAtATime('frozen', [node, other])
    await finish(id)
  }, 120_000)

  it('row 4: a task whose node was rebooted starts again as soon as that is known, once', async () => {
    const { id, node } = await begin('reboot')
    await cluster.lab.off(node)
    await cluster.lab.boot(node)
    const bootedAt = Date.now()
    await cluster.startRunner(node)
    await waitFor('the second attempt is alive', () =>
      sightsOf('reboot').some(({ attempt }) => attempt === 2),
    )
    const [first] = sightsOf('reboot').filter(({ attempt }) => attempt === 2)
    expect((first?.atMs ?? 0) - bootedAt).toBeLessThan(leaseSeconds * 1000)
    expectOneAtATime('reboot', [node, first?.node ?? ''])
    const { items } = await cluster.api.client.listTaskEvents({ params: { id } })
    expect(items.filter(({ type }) => type === 'requeued')).toMatchObject([
      { attempt: 1, reason: expect.stringContaining('rebooted') },
    ])
    await finish(id)
  }, 120_000)

  it('row 1: a host that was killed in between waits a whole lease again', async () => {
    const { id, node, other } = await begin('host')
    await cluster.lab.cut(node)
    await cluster.local.restartHost('SIGKILL')
    const restartedAt = Date.now()
    await secondAttempt('host', id, restartedAt)
    const [first] = sightsOf('host').filter(({ attempt }) => attempt === 2)
    expect((first?.atMs ?? 0) - restartedAt).toBeGreaterThan(leaseSeconds * 1000)
    expectOneAtATime('host', [node, other])
    await cluster.lab.heal(node)
    await cluster.online(node, Date.now())
    await finish(id)
  }, 120_000)

  it('row 5: a link that is back before the lease is over changes nothing, and neither does a runner that restarts', async () => {
    const { id, node } = await begin('back')
    await cluster.lab.cut(node)
    await cluster.lab.heal(node)
    await cluster.runner(node).stop('SIGKILL')
    await cluster.startRunner(node)
    await cluster.lab.sh(node, 'systemctl daemon-reload; systemctl daemon-reexec')
    const since = Date.now()
    const aliveUntil = since + (leaseSeconds + 4) * 1000
    await waitFor('it lives on', () => (sightsOf('back').at(-1)?.atMs ?? 0) > aliveUntil, {
      deadlineMs: overMs,
    })
    expect(await cluster.api.task(id)).toMatchObject({ status: 'running', attempt: 1, node })
    expectOneAtATime('back', [node])
    await cluster.api.client.killTask({ params: { id }, body: {} })
    expect(await cluster.api.ended(id)).toMatchObject({ status: 'killed', attempt: 1 })
    // no second attempt, whatever its node does
    await cluster.runner(node).stop('SIGKILL')
    await cluster.startRunner(node)
    expect(await cluster.api.task(id)).toMatchObject({ status: 'killed', attempt: 1 })
    expect(sightsOf('back').every(({ attempt }) => attempt === 1)).toBe(true)
  }, 120_000)
})
