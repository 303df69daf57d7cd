/** `hakuriver node drain, resume, remove` and `task forget` as an operator types them. */
import { afterEach, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'

let cluster: LocalCluster
afterEach(() => cluster.close())

const type = async (...words: string[]) => {
  const command = cluster.cli(...words)
  const { code } = await command.ended
  return { code, stdout: command.stdout, stderr: command.stderr }
}

it('drains a node, says so wherever it is shown, and opens it again', async () => {
  cluster = await LocalCluster.start({ nodes: ['n1', 'n2'], heartbeatSeconds: 0.25 })
  const drained = await type('node', 'drain', 'n1', 'n9', '--reason', 'new disk')
  expect(drained).toMatchObject({ code: 3, stderr: expect.stringContaining('there is no node n9') })
  expect(drained.stdout).toContain(
    'n1 takes no new tasks; nothing runs there. Back again: hakuriver node resume n1',
  )
  const { stdout } = await type('nodes')
  expect(stdout).toMatch(/n1 +no new tasks/)
  expect(stdout).toContain('n1 takes no new tasks: drained by admin: new disk.')
  expect(await cluster.api.run({ command: 'true' })).toMatchObject({ node: 'n2' })
  expect(await type('node', 'resume', 'n1')).toMatchObject({ code: 0, stdout: 'n1 takes tasks again.\n' })
  expect(await cluster.api.run({ command: 'true' }, 'n1')).toMatchObject({ node: 'n1' })
})

it('tells the history of tasks and nodes in sentences, and goes on as it happens', async () => {
  cluster = await LocalCluster.start({ heartbeatSeconds: 0.25 })
  const follow = cluster.cli('events', '--follow')
  const { id } = await cluster.api.run({ command: 'sh', arguments: ['-c', 'exit 3'] })
  await type('node', 'drain', 'n1', '--reason', 'new disk')
  const lines = (stdout: string) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/^.*? {2}/, ''))
  const ofTask = await type('events', id)
  expect(lines(ofTask.stdout)).toEqual(['submitted', 'placed on n1', 'runs on n1', 'ended with exit code 3'])
  const ofNode = await type('events', '--node', 'n1')
  expect(lines(ofNode.stdout)).toEqual([
    'n1 joined the cluster',
    'n1 takes no new tasks: drained by admin: new disk',
  ])
  const asJson = await type('events', '--node', 'n1', '--json')
  expect(JSON.parse(asJson.stdout.split('\n')[0] ?? '')).toMatchObject({ kind: 'node', type: 'joined' })
  expect(await type('events')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('whose history is not said'),
  })
  await waitFor('the drain was followed', () => follow.stdout.includes('takes no new tasks'))
  await follow.stop('SIGINT')
})

it('removes what does not come back, and gives up its tasks', async () => {
  cluster = await LocalCluster.start({ nodes: ['n1'], heartbeatSeconds: 0.1 })
  const id = await cluster.api.submit({ command: 'sleep', arguments: ['60'] })
  await cluster.api.reached(id, 'running')
  expect(await type('task', 'forget', id)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('its node n1 is online: kill it instead'),
  })
  expect(await type('node', 'remove', 'n1')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('cannot remove n1: it is online; stop its runner first'),
  })
  await cluster.runner('n1').stop()
  await waitFor('it is silent', async () => (await cluster.api.task(id)).status === 'unreachable')
  const given = await type('task', 'forget', id, '--reason', 'the machine burned')
  expect(given).toMatchObject({ code: 0, stdout: expect.stringContaining(`${id} is lost by your word.`) })
  expect(await cluster.api.task(id)).toMatchObject({ reason: 'admin gave it up: the machine burned' })
  expect(await type('node', 'remove', 'n1')).toMatchObject({ code: 0, stdout: 'n1 is removed.\n' })
  expect((await type('nodes')).stderr).toContain('No node has joined yet.')
  // back it joins as new, and what was given up is ended there
  cluster.startRunner('n1')
  await cluster.allOnline()
  await waitFor('nothing of it is left', async () => {
    const node = await cluster.api.client.getNode({ params: { name: 'n1' } })
    return node.problem === null && (await cluster.api.run({ command: 'true' })).status === 'completed'
  })
  expect(await cluster.api.task(id)).toMatchObject({ status: 'lost' })
})
