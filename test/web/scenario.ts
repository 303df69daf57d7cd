/** A small cluster with something of everything on it: for pictures, and for tests that look at each page. */

import { waitFor } from '../../src/platform/wait.ts'
import type { SpecLike } from '../support/api.ts'
import type { LocalCluster } from '../support/cluster.ts'
import { type MadeUpNode, startRunners } from '../support/runners.ts'

export interface Scenario {
  running: string
  failed: string
  waiting: string
  unreachable: string
  /** A batch that runs, fails and waits. */
  batch: string
  close(): Promise<void>
}

const GiB = 1024 ** 3

/** `forge` runs real processes, so that there are logs; the others only say so. */
const nodes: readonly MadeUpNode[] = [
  { name: 'forge', cores: 32, memoryGiB: 128, numaNodes: 2, executor: 'process' },
  { name: 'haku', cores: 64, memoryGiB: 256, numaNodes: 4 },
  { name: 'reed', cores: 16, memoryGiB: 64 },
  { name: 'stone', cores: 48, memoryGiB: 192, numaNodes: 2 },
  { name: 'moss', cores: 16, memoryGiB: 64 },
]

const trainLog = `
esc=$(printf '\\033')
echo "$esc[1mloading$esc[0m cifar10 from /data … done in 3.2 s"
echo "$esc[2mmodel: resnet18, 11.2 M parameters, lr 0.1, seed 7$esc[0m"
for epoch in $(seq 1 40); do
  echo "epoch $epoch/40  loss $esc[36m0.$((9999 - epoch * 190))$esc[0m  accuracy $esc[32m$((40 + epoch)).$((epoch % 10)) %$esc[0m  $((1200 + epoch)) images/s"
  [ $((epoch % 9)) != 0 ] || echo "$esc[33mwarning$esc[0m: learning rate lowered to 0.0$((epoch % 7))"
done
`

/** Fills the cluster, whose only nodes these are; resolves when everything is as it should be. */
export async function playScenario(cluster: LocalCluster): Promise<Scenario> {
  const { api } = cluster
  const host = { url: api.url, home: cluster.home, dir: cluster.dir }
  const runners = await startRunners(host, nodes)
  await waitFor('all nodes are online', async () => {
    const { items } = await api.client.listNodes({})
    return items.filter(({ status }) => status === 'online').length === nodes.length
  })
  const submit = async (spec: SpecLike, ...targets: string[]) =>
    (await api.submit(spec, ...targets)) as string
  await api.run({ command: 'true', name: 'warm the cache' }, 'reed')
  for (const [name, command, code] of [
    ['tests', 'exit', 0],
    ['lint', 'exit', 0],
    ['render frames 1-400', 'exit', 0],
    ['index', 'exit', 2],
  ] as const)
    await api.run({ command, arguments: [String(code)], name }, 'stone')
  await api.run({ command: 'oom', name: 'cluster 40M points', memoryBytes: 8 * GiB }, 'haku')
  await api.run({ command: 'sleep', arguments: ['60'], timeoutMs: 300, name: 'probe' }, 'reed')
  const failed = await api.run(
    {
      command: 'sh',
      arguments: [
        '-c',
        'echo "reading /data/cells.h5"; echo "Traceback (most recent call last):" >&2; echo "  File \\"fit.py\\", line 41, in load" >&2; echo "KeyError: \'cells\'" >&2; exit 1',
      ],
      name: 'fit cells',
      cores: 4,
      memoryBytes: 2 * GiB,
      env: { DATA: '/data/cells.h5', TOKEN: 'not to be seen' },
    },
    'forge',
  )
  const running = await submit(
    {
      command: 'sh',
      arguments: ['-c', `${trainLog}sleep 3600`],
      name: 'train resnet18',
      cores: 8,
      memoryBytes: 24 * GiB,
    },
    'forge',
  )
  const serving = await submit(
    { command: 'sh', arguments: ['-c', 'while :; do sleep 1; done'], name: 'serve notebooks', cores: 2 },
    'forge',
  )
  const real = [running, serving]
  const specs = Array.from({ length: 24 }, (_, at): SpecLike => {
    const isShort = at % 3 === 0
    return {
      command: isShort ? 'exit' : 'sleep',
      arguments: [isShort ? String(at % 6 === 0 ? 0 : 1) : '3600'],
      name: `sweep lr=${[0.3, 0.1, 0.03][at % 3]} seed=${at + 1}`,
      cores: 6,
      memoryBytes: 12 * GiB,
    }
  })
  const { batchId } = await api.client.submitBatch({
    body: { name: 'lr × seed, second try', specs, targets: ['haku'] },
  })
  await submit(
    { command: 'sleep', arguments: ['3600'], name: 'assemble genome', cores: 20, memoryBytes: 90 * GiB },
    'stone:1',
  )
  await submit({ command: 'sleep', arguments: ['3600'], name: 'blast', cores: 6 }, 'stone:0')
  const waiting = await submit(
    { command: 'sleep', arguments: ['3600'], name: 'fold proteins', cores: 32, memoryBytes: 64 * GiB },
    'stone',
  )
  const killed = await submit({ command: 'sleep', arguments: ['3600'], name: 'wrong branch' }, 'reed')
  await api.reached(killed, 'running')
  await api.client.killTask({ params: { id: killed }, body: { reason: 'wrong branch, started again as 7' } })
  await api.reached(killed, 'killed')
  const unreachable = await submit(
    { command: 'sleep', arguments: ['3600'], name: 'simulate tides', cores: 12 },
    'reed',
  )
  await api.reached(unreachable, 'running')
  await api.client.drainNode({ params: { name: 'moss' }, body: { reason: 'new disks on Friday' } })
  await api.reached(running, 'running')
  await runners.get('reed')?.close()
  await api.reached(unreachable, 'unreachable', 30_000)
  return {
    running,
    failed: failed.id,
    waiting,
    unreachable,
    batch: batchId ?? '',
    close: async () => {
      // real processes outlive their runner
      for (const id of real) await api.client.killTask({ params: { id }, body: {} })
      for (const id of real) await api.reached(id, 'killed')
      await Promise.all([...runners].map(([name, runner]) => (name === 'reed' ? null : runner.close())))
    },
  }
}
