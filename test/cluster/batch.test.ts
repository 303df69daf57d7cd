/** The batch verbs against a real host and two runners. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'

let cluster: LocalCluster
beforeAll(async () => {
  cluster = await LocalCluster.start({ nodes: ['n1', 'n2'] })
})
afterAll(() => cluster.close())

async function run(...words: string[]) {
  const program = cluster.cli(...words)
  const { code } = await program.ended
  return { code, out: program.stdout, err: program.stderr }
}
/** Submits on both nodes; gives the batch and its tasks. */
async function submitBoth(script: string) {
  const both = ['-t', 'n1', '-t', 'n2']
  const { out } = await run('submit', '--json', ...both, '--', 'sh', '-c', script)
  const { batchId, tasks } = JSON.parse(out) as { batchId: string; tasks: { taskId: string }[] }
  return { batchId, ids: tasks.map(({ taskId }) => taskId) }
}

it('logs -f shows all tasks as they write, over a host that was killed, and loses no line', async () => {
  const lines = 30
  const script = `i=0; while [ $i -lt ${lines} ]; do echo line $i; echo err $i >&2; i=$((i+1)); sleep 0.05; done`
  const { batchId, ids } = await submitBoth(script)
  const following = cluster.cli('batch', 'logs', '-f', batchId)
  await waitFor('the first lines', () => ids.every((id) => following.stdout.includes(`${id} `)))
  await cluster.restartHost('SIGKILL')
  expect(await following.ended).toMatchObject({ code: 0 })
  for (const [at, id] of ids.entries()) {
    const of = (text: string) => text.split('\n').filter((line) => line.startsWith(`${id} n${at + 1} | `))
    const wanted = (word: string) =>
      Array.from({ length: lines }, (_, i) => `${id} n${at + 1} | ${word} ${i}`)
    expect(of(following.stdout)).toEqual(wanted('line'))
    expect(of(following.stderr)).toEqual(wanted('err'))
  }
  const after = await run('logs', 'batch:last')
  expect(after.out.split('\n').toSorted()).toEqual(following.stdout.split('\n').toSorted())
})

it('logs -f begins before its tasks do, and more of them than run at once', async () => {
  const targets = Array.from({ length: 24 }, () => ['-t', 'any']).flat()
  const following = cluster.cli('submit', '-f', ...targets, '--', 'sh', '-c', 'echo "$HAKURIVER_TASK_ID"')
  expect(await following.ended).toMatchObject({ code: 0 })
  const lines = following.stdout.trim().split('\n')
  expect(lines).toHaveLength(24)
  for (const line of lines) expect(line).toMatch(/^(\d+) \| \1$/)
})

it('logs -f lets go on Ctrl-C, and its tasks go on', async () => {
  const { batchId, ids } = await submitBoth('echo here; exec sleep 600')
  const following = cluster.cli('batch', 'logs', '-f', batchId)
  await waitFor('both lines', () => following.stdout.split('here\n').length === 3)
  following.child.kill('SIGINT')
  expect(await following.ended).toMatchObject({ code: 130 })
  expect(following.stderr).toContain(`hakuriver batch logs -f ${batchId}`)
  for (const id of ids) expect(await cluster.api.task(id)).toMatchObject({ status: 'running' })
  await run('batch', 'kill', '--wait', batchId)
})

it('show, wait and kill tell of the whole batch and of each task', async () => {
  const { batchId, ids } = await submitBoth('exec sleep 600')
  for (const id of ids) await cluster.api.reached(id, 'running')
  const shown = await run('batch', 'show', batchId)
  expect(shown.out).toContain('2 running\n0 of 2 ended\n')
  expect(shown.out).toMatch(/^TARGET {2}RUNNING\nn1 +1\nn2 +1\n/m)

  const waiting = cluster.cli('batch', 'wait', batchId)
  const killed = await run('batch', 'kill', '--reason', 'not needed', batchId)
  expect(killed).toMatchObject({ code: 0, err: `batch ${batchId}: asked for the end of 2 tasks\n` })
  for (const id of ids) expect(killed.out).toMatch(new RegExp(`^${id} {2}kill(ing|ed)$`, 'm'))
  expect(await waiting.ended).toMatchObject({ code: 1 })
  for (const [at, id] of ids.entries())
    expect(waiting.stdout).toContain(`${id}  killed  not needed  on n${at + 1}\n`)
  expect(waiting.stderr).toBe('2 tasks: 2 killed\n')

  expect((await run('batch', 'show', batchId)).out).toContain('2 killed\nall ended\n')
  expect(await run('batch', 'kill', batchId)).toEqual({
    code: 0,
    out: '',
    err: `batch ${batchId}: asked for the end of 0 tasks, 2 tasks had ended already\n`,
  })
})

it('rerun runs what failed of a batch again, on the same targets, and waits for it', async () => {
  const marker = join(cluster.dir, 'fixed')
  const { batchId, ids } = await submitBoth(`test -e ${marker} && echo fixed`)
  for (const id of ids) expect(await cluster.api.ended(id)).toMatchObject({ status: 'failed' })
  writeFileSync(marker, '')
  const again = await run('batch', 'rerun', '--failed', '--wait', batchId)
  expect(again.code).toBe(0)
  expect(again.err).toMatch(/^2 tasks: 2 completed$/m)
  const made = again.out.match(/^\d+$/gm) ?? []
  const tasks = await Promise.all(made.map((id) => cluster.api.task(id)))
  expect(tasks.map(({ rerunOf, target, status }) => [rerunOf, target, status])).toEqual([
    [ids[0], 'n1', 'completed'],
    [ids[1], 'n2', 'completed'],
  ])
  expect(new Set(tasks.map((task) => task.batchId)).size).toBe(1)
  expect((await run('show', made[0] ?? '')).out).toContain(`a rerun of task ${ids[0]}`)
  expect(await run('batch', 'rerun', '--failed', tasks[0]?.batchId ?? '')).toMatchObject({ code: 3, out: '' })
})

it('knows `last` and `batch:`', async () => {
  const { batchId, ids } = await submitBoth('true')
  for (const word of [`batch:${batchId}`, 'batch:last']) {
    const { code, out } = await run('wait', word)
    expect([code, out.match(/^\d+/gm)?.toSorted()]).toEqual([0, ids.toSorted()])
  }
  expect((await run('batch', 'show', 'last')).out).toContain(`Batch ${batchId}`)
})
