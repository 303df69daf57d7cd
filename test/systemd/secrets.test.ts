/** Secrets of tasks on real systemd machines: the task gets them, and nobody else finds them anywhere. */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { routes, streamRoutes } from '../../src/protocol/routes.ts'
import type { SubmitBody } from '../../src/protocol/schemas.ts'
import { describeInLab } from '../lab/require.ts'
import { type Canary, canary, filesWith, foundIn, needlesOf } from '../support/canary.ts'
import { LabCluster } from '../support/lab-cluster.ts'

/** Tells that it has the secret, without telling what it is. */
const proof = 'printf %s "$TOKEN" | sha256sum | cut -c 1-64'
const proofOf = ({ value }: Canary) => `${createHash('sha256').update(value).digest('hex')}\n`

describe('the search for a canary', () => {
  const made = canary()
  const needles = needlesOf([made])
  it.each<[string, (text: string) => string | Uint8Array]>([
    ['as it is', (text) => `x${text}y`],
    ['as JSON', (text) => JSON.stringify({ a: text })],
    ['as JSON in JSON', (text) => JSON.stringify(JSON.stringify([text]))],
    ['a line alone', (text) => text.split('\n').at(-1) ?? ''],
    ['reversed', (text) => [...text].reverse().join('')],
    ['in hex', (text) => Buffer.from(text).toString('hex')],
    ['in base64', (text) => Buffer.from(text).toString('base64')],
    ['in base64, one byte later', (text) => Buffer.from(`x${text}`).toString('base64')],
    ['in base64, two bytes later', (text) => Buffer.from(`xy${text}z`).toString('base64url')],
    ['in a URL', (text) => encodeURIComponent(text)],
    ['in UTF-16', (text) => Buffer.from(text, 'utf16le')],
    ['in UTF-8 bytes', (text) => Buffer.from(text)],
  ])('finds it %s', (_, form) => {
    expect(foundIn(needles, form(made.value))).not.toEqual([])
    expect(foundIn(needles, form(canary().value))).toEqual([])
  })
})

describeInLab('secrets on systemd machines', () => {
  let cluster: LabCluster
  const canaries: Canary[] = []
  /** Everything that our programs print, and the host answers. */
  const told: string[] = []
  const nodes = ['node1', 'node2']
  /** Tokens of others than the owner, each of another role. */
  const others: string[] = []

  const fresh = (): Canary => {
    const made = canary()
    canaries.push(made)
    return made
  }
  const needles = () => needlesOf(canaries)

  beforeAll(async () => {
    cluster = await LabCluster.start({
      nodes: 2,
      heartbeatSeconds: 0.5,
      isShared: true,
      hostArgs: ['--log-level', 'debug', '--requeue-after', '5'],
      runnerArgs: ['--log-level', 'debug'],
      id: 'sec',
      net: '10.78.6',
    })
    for (const role of ['viewer', 'submitter', 'operator'] as const) {
      const name = `of-${role}`
      await cluster.api.client.createUser({ body: { name, role } })
      others.push((await cluster.api.client.createToken({ body: { label: 'test', user: name } })).token)
    }
    // every command line that there ever is in a machine
    const look = 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n"; sleep 0.02'
    const keep = "awk '!seen[$0]++ { print; fflush() }' > /scratch/command-lines"
    for (const node of nodes)
      await cluster.lab.spawn(node, ['sh', '-c', `while :; do ${look}; done | ${keep}`])
  })
  afterAll(() => cluster?.close())

  const submit = async (
    secret: Canary,
    spec: Partial<SubmitBody['specs'][number]>,
    rest: Partial<SubmitBody> = {},
  ) => {
    const task = { command: 'sh', ...spec, secrets: { TOKEN: secret.value } }
    const answer = await cluster.api.client.submitBatch({ body: { specs: [task], ...rest } })
    told.push(JSON.stringify(answer))
    return answer.tasks.map(({ taskId }) => taskId ?? '')
  }
  const shell = (script: string) => ({ arguments: ['-c', script] })
  const cli = async (...words: string[]) => {
    const program = cluster.local.cli(...words)
    const ended = await program.ended
    told.push(program.stdout, program.stderr)
    return { ...ended, out: program.stdout }
  }
  /** In a machine, by who may read everything there; the needles go over standard input. */
  const filesInMachine = async (node: string, paths: string[]) => {
    const words = ['grep', '-raFl', '--devices=skip', '-f', '-', '--', ...paths]
    const { stdout } = await cluster.lab.exec(node, words, { input: `${needles().join('\n')}\n` })
    return stdout.split('\n').filter((path) => path !== '')
  }
  const machinePaths = ['/run', '/var', '/tmp', '/etc', '/root', '/home', '/scratch', '/shared', '/dev/shm']

  /** What anybody on a machine can see or ask for. */
  const seenInMachine = async (node: string) => {
    const nobody = { user: 'nobody' }
    const asked = await Promise.all([
      cluster.lab.exec(node, ['systemctl', 'show', '*', '--all', '--no-pager'], nobody),
      cluster.lab.exec(node, ['sh', '-c', 'systemctl cat "hakuriver*" --no-pager'], nobody),
      cluster.lab.exec(node, ['sh', '-c', 'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline'], nobody),
      cluster.lab.exec(node, ['sh', '-c', 'cat /run/hakuriver/*/* /run/hakuriver/*/*/*'], nobody),
      cluster.lab.exec(node, ['journalctl', '--all', '--no-pager', '--output=export']),
      cluster.lab.exec(node, ['sh', '-c', 'cat /run/systemd/transient/* /run/systemd/units/*']),
      cluster.lab.exec(node, ['cat', '/scratch/command-lines']),
    ])
    return asked.map(({ stdout, stderr }) => stdout + stderr)
  }

  /** All answers of the host that can be had by reading. */
  const answersOfHost = async (id: string, batchId: string) => {
    const named: Record<string, string> = { ':id': id, ':name': 'node1', ':stream': 'stdout' }
    const ofBatch = (path: string) => (path.includes('/batches/') ? { ...named, ':id': batchId } : named)
    const queries: Record<string, string> = {
      [routes.searchLog.path]: '?q=a',
      [routes.listUsage.path]: `?ids=${id}`,
    }
    const reads = [
      ...Object.values(routes),
      streamRoutes.taskLog,
      streamRoutes.openapi,
      streamRoutes.auditExport,
    ]
      .filter(({ method }) => method === 'GET')
      .map(({ path }) => {
        const filled = path.replace(/:\w+/g, (word) => ofBatch(path)[word] ?? word)
        return filled + (queries[path] ?? '')
      })
    const seed = ['/tasks', `/status/${id}`, `/task/${id}/stdout`, '/nodes', '/health'].flatMap((path) => [
      path,
      `/api${path}`,
    ])
    const paths = [...reads, ...seed]
    const answers = await Promise.all(
      paths.map(async (path) => ({ path, ...(await cluster.api.raw({ path })) })),
    )
    for (const { path, status } of answers) expect([200, 404], path).toContain(status)
    const ofOthers = await Promise.all(
      others.flatMap((token) =>
        paths.map((path) => cluster.api.raw({ path, headers: { authorization: `Bearer ${token}` } })),
      ),
    )
    return [...answers, ...ofOthers].map(({ text }) => text)
  }

  it('arrive at a task on a node, and its start script alone holds them', async () => {
    const secret = fresh()
    const [id = ''] = await submit(secret, shell(`${proof}; sleep 600`), { targets: ['node1'] })
    await cluster.api.reached(id, 'running')
    await waitFor('it has told', async () => (await cluster.api.log(id)) === proofOf(secret))
    const holding = await filesInMachine('node1', machinePaths)
    expect(holding).toEqual([expect.stringMatching(/^\/run\/hakuriver\/tasks\/[^/]+\/run\.sh$/)])
    expect(await cluster.lab.sh('node1', `stat -c '%a %U' ${holding[0]}; stat -f -c %T ${holding[0]}`)).toBe(
      '600 worker\ntmpfs\n',
    )
    for (const text of await seenInMachine('node1')) expect(foundIn(needles(), text)).toEqual([])
    for (const text of await answersOfHost(id, id)) expect(foundIn(needles(), text)).toEqual([])
    await cluster.api.client.killTask({ params: { id }, body: {} })
    expect(await cluster.api.ended(id)).toMatchObject({ status: 'killed', secretNames: ['TOKEN'] })
  })

  it('leave nothing behind, however the task ends: 0 hits of any of them anywhere', async () => {
    const { api, local, lab } = cluster
    const events = await api.events((event) => told.push(JSON.stringify(event)), 0)

    const ids: string[] = []
    const well = fresh()
    ids.push(...(await submit(well, shell(proof), { targets: ['node1', 'node2'] })))
    ids.push(...(await submit(fresh(), shell('exit 3'))))
    ids.push(...(await submit(fresh(), { command: 'no-such-program' })))
    ids.push(...(await submit(fresh(), { ...shell('true'), cwd: '/no/such/place' })))
    ids.push(...(await submit(fresh(), { ...shell('sleep 600'), timeoutMs: 500 })))
    ids.push(...(await submit(fresh(), { ...shell('true'), privateNetwork: true, privatePids: true })))
    const batch = fresh()
    const specs = ['a', 'b', 'c'].map((word) => ({ command: 'sh', arguments: ['-c', `${proof}; : ${word}`] }))
    const { batchId, tasks } = await api.client.submitBatch({
      body: { specs, secrets: { TOKEN: batch.value } },
    })
    const ofBatch = tasks.map(({ taskId }) => taskId ?? '')
    for (const id of [...ids, ...ofBatch]) await api.ended(id, 30_000)
    for (const id of [...ids.slice(0, 2), ...ofBatch])
      expect(await api.log(id)).toBe(proofOf(ofBatch.includes(id) ? batch : well))

    // refused ones
    const refused = fresh()
    for (const spec of [
      { command: 'a', env: { TOKEN: 'x' }, secrets: { TOKEN: refused.value } },
      { command: 'a', secrets: { TOKEN: `${refused.value}\0` } },
      { command: 'a', secrets: { TOKEN: refused.value }, cores: 5_000 },
    ]) {
      const body = { specs: [spec], targets: ['node1'] }
      told.push(String(await api.client.submitBatch({ body }).catch((error: unknown) => error)))
    }
    const broken = `{"specs":[{"command":"a","secrets":{"TOKEN":"${refused.core}}}]}`
    told.push((await api.raw({ method: 'POST', path: routes.submitBatch.path, body: broken })).text)

    // by the command line, run again, shown and listed
    const typed = fresh()
    const file = join(local.dir, 'token')
    writeFileSync(file, `${typed.value}\n`)
    const { out } = await cli('submit', '--secret', `TOKEN=@${file}`, '-w', '--', 'sh', '-c', proof)
    writeFileSync(file, '')
    const byCli = out.trim().split('\n')[0] ?? ''
    expect(await api.log(byCli)).toBe(proofOf(typed))
    const rerun = (await cli('rerun', '-q', byCli)).out.trim().split('\n')[0] ?? ''
    await api.ended(rerun)
    expect(await api.log(rerun)).toBe(proofOf(typed))
    // an operator may touch it, but not run it again
    const asOperator = { authorization: `Bearer ${others.at(-1)}` }
    const foreign = JSON.stringify({ ids: [byCli] })
    const path = routes.rerunTasks.path
    const { text } = await api.raw({ method: 'POST', path, body: foreign, headers: asOperator })
    expect(text).toContain('it has secrets of admin, and only admin may start it')
    told.push(text)
    for (const words of [
      ['audit', 'export'],
      ['audit', 'verify'],
      ['show', rerun],
      ['show', rerun, '--json'],
      ['ps', '-a', '--json'],
      ['logs', rerun],
    ])
      await cli(...words)
    expect(told.join('\n')).toContain('TOKEN (secret)')

    // its node is lost: the next one gets it too
    const moved = fresh()
    const [again = ''] = await submit(moved, { ...shell(`${proof}; sleep 600`), requeue: 1 })
    const { node } = await api.reached(again, 'running')
    const lost = node ?? ''
    await lab.off(lost)
    await waitFor(
      'it runs elsewhere',
      async () => {
        const task = await api.task(again)
        return task.status === 'running' && task.attempt === 2
      },
      { deadlineMs: 60_000 },
    )
    await waitFor('it has told again', async () => (await api.log(again)).endsWith(proofOf(moved)))
    await lab.boot(lost)
    await cluster.startRunner(lost)
    await api.client.killTask({ params: { id: again }, body: {} })
    await api.ended(again, 30_000)

    await waitFor('the nodes have let go of all', async () => {
      const left = await Promise.all(nodes.map((each) => lab.sh(each, 'find /run/hakuriver -name run.sh')))
      return left.every((names) => names.trim() === '')
    })
    expect((await cli('backup', join(local.dir, 'backup.db'))).code).toBe(0)
    for (const each of nodes) {
      expect(await filesInMachine(each, machinePaths), each).toEqual([])
      for (const text of await seenInMachine(each)) expect(foundIn(needles(), text)).toEqual([])
    }
    for (const id of [byCli, ...ofBatch])
      for (const text of await answersOfHost(id, batchId ?? '')) expect(foundIn(needles(), text)).toEqual([])
    // database with its journal, history, keys, backup: all that lies there
    expect(filesWith(needles(), local.dir)).toEqual([])
    expect(filesWith(needles(), lab.sharedDir)).toEqual([])
    expect(foundIn(needles(), local.host.stdout + local.host.stderr)).toEqual([])
    events.close()
    expect(foundIn(needles(), told.join('\n'))).toEqual([])
    expect(told.length).toBeGreaterThan(20)
  }, 180_000)
})
