import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import type { SubmitBody } from '../protocol/schemas.ts'
import { TestHost } from './host.suite.ts'
import { type OpenDatabase, openDatabase } from './store/open.ts'
import { keyFile } from './vault.ts'

let host: TestHost
beforeEach(async () => {
  host = await TestHost.start()
})
afterEach(() => host.close())

const canary = 'canary-5f0c6e1d7b'
const secrets = { TOKEN: canary, MULTI: `${canary}\nsecond 'line' "x"` }
const body = { specs: [{ command: 'true', secrets }] }

async function submit(given: SubmitBody = body): Promise<string[]> {
  const { tasks } = await host.client.submitBatch({ body: given })
  return tasks.map(({ taskId }) => taskId ?? '')
}

async function ended(id: string): Promise<string | null> {
  const task = await waitFor(`the end of ${id}`, async () => {
    const found = await host.client.getTask({ params: { id } })
    return found.endedAt === null ? null : found
  })
  return task.reason
}

function database<T>(action: (raw: OpenDatabase['raw']) => T): T {
  const { raw, close } = openDatabase(join(host.dir, 'cluster.db'))
  try {
    return action(raw)
  } finally {
    close()
  }
}

/** Everything that lies in the host's directory. */
function onDisk(): string {
  return readdirSync(host.dir)
    .map((name) => readFileSync(join(host.dir, name), 'latin1'))
    .join('\n')
}

describe('secrets', () => {
  it('go to the node with the start, beside the spec, and nowhere else', async () => {
    const runner = await host.link()
    const [id = ''] = await submit()
    const start = await runner.heard('start')
    expect(start).toMatchObject({ taskId: id, secrets })
    expect(JSON.stringify(start.spec)).not.toContain('TOKEN')
    runner.exited(id)
    await ended(id)
    const { client } = host
    const shown = [
      await client.getTask({ params: { id } }),
      await client.listTasks({ query: {} }),
      await client.listTasks({ query: { q: canary } }),
      await client.listTaskEvents({ params: { id } }),
      await client.previewBatch({ body }),
      await (await fetch(`${host.host.url}/openapi.json`)).json(),
    ]
    expect(shown[0]).toMatchObject({ env: {}, secretNames: ['MULTI', 'TOKEN'] })
    expect(shown[2]).toMatchObject({ items: [] })
    expect(JSON.stringify(shown)).not.toContain(canary)
    expect(onDisk()).not.toContain(canary)
  })

  it('of all specs are sent once, and the own ones of a spec win', async () => {
    const runner = await host.link()
    await submit({
      specs: [{ command: 'a' }, { command: 'b', secrets: { TOKEN: 'own' } }],
      secrets: { TOKEN: canary, OTHER: 'x' },
    })
    await runner.heard('start', 2)
    expect(runner.all('start').map((start) => start.secrets)).toEqual([
      { TOKEN: canary, OTHER: 'x' },
      { TOKEN: 'own', OTHER: 'x' },
    ])
  })

  it('that are the same lie in the database once, for however many tasks', async () => {
    const specs = Array.from({ length: 2_000 }, (_, at) => ({
      command: 'true',
      arguments: [String(at)],
      secrets,
    }))
    await submit({ specs, targets: ['any', 'any'] })
    expect(database((raw) => raw.prepare('select count(*) as count from secrets').get())).toEqual({
      count: 1,
    })
  })

  it('are the same for a repeated submit, whose answer shows none', async () => {
    const twice = { submissionId: 'twice-the-same', ...body }
    const first = await host.client.submitBatch({ body: twice })
    expect(await host.client.submitBatch({ body: twice })).toEqual(first)
    expect(JSON.stringify(first)).not.toContain(canary)
  })

  it('go with each attempt anew', async () => {
    const runner = await host.link()
    const [id = ''] = await submit({ specs: [{ command: 'true', secrets, requeue: 1 }] })
    await runner.heard('start')
    runner.cut()
    const next = await host.link({ bootId: 'boot-2' }) // a reboot is evidence at once
    const start = await next.heard('start')
    expect(start).toMatchObject({ taskId: id, attempt: 2, secrets })
  })

  it('survive a restart of the host', async () => {
    const [id = ''] = await submit()
    await host.restart()
    const runner = await host.link()
    expect(await runner.heard('start')).toMatchObject({ taskId: id, secrets })
  })

  it.each<[string, SubmitBody['specs'][number], string]>([
    [
      'in both',
      { command: 'a', env: { TOKEN: 'x' }, secrets },
      'TOKEN is both an environment variable and a secret',
    ],
    [
      'no name',
      { command: 'a', secrets: { 'A-B': canary } },
      'the secret name \\"A-B\\" cannot be set by a shell',
    ],
    [
      'ours',
      { command: 'a', secrets: { HAKURIVER_X: canary } },
      'the secret HAKURIVER_X is set by the runner',
    ],
    ["the shell's", { command: 'a', secrets: { UID: canary } }, 'the secret UID belongs to the shell'],
    ['NUL', { command: 'a', secrets: { A: `${canary}\0` } }, 'the secret A holds a NUL byte'],
    [
      'large',
      { command: 'a', secrets: { A: canary.repeat(5_000) } },
      'the secret A takes 85000 bytes, more than 65536',
    ],
    [
      'many',
      {
        command: 'a',
        secrets: Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`S${at}`, canary])),
      },
      'it has 101 secrets, more than 100',
    ],
    [
      'large together',
      {
        command: 'a',
        secrets: Object.fromEntries(Array.from({ length: 5 }, (_, at) => [`S${at}`, 'x'.repeat(65_000)])),
      },
      'its secrets take 325000 bytes together, more than 262144',
    ],
  ])('are refused in a sentence without their value: %s', async (_, spec, why) => {
    const refused = await host.client.submitBatch({ body: { specs: [spec] } }).catch((error: Error) => error)
    expect(refused).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(why.replaceAll('\\', '')),
    })
    expect(String(refused)).not.toContain(canary)
  })

  it('are not sent to a runner that does not know them, and the reason says so', async () => {
    const old = await host.dial()
    old.secrets = false
    old.hello({ node: 'old' })
    await waitFor('it is there', async () => (await host.client.listNodes({})).items.length > 0)
    await expect(host.client.submitBatch({ body: { ...body, targets: ['old'] } })).rejects.toMatchObject({
      message: 'no task was made: the runner of old is too old for secrets: upgrade it',
    })
    const [id = ''] = await submit()
    const { reason } = await host.client.getTask({ params: { id } })
    expect(reason).toBe('every runner that is online is too old for secrets: upgrade them')
    const able = await host.link({ node: 'new', runnerId: 'runner-2' })
    expect(await able.heard('start')).toMatchObject({ taskId: id, secrets })
    expect(old.all('start')).toEqual([])
  })

  it('that its node no longer takes are kept from it: the runner went back to an older version', async () => {
    const runner = await host.link()
    await runner.heard('welcome')
    const [id = ''] = await submit({ specs: [{ command: 'true', cores: 4, secrets }] })
    await runner.heard('start')
    runner.cut()
    const old = await host.dial()
    old.secrets = false
    old.hello() // it has not got the start
    expect(await ended(id)).toBe('the runner of n1 is too old for secrets: upgrade it')
    expect(old.all('start')).toEqual([])
  })

  it.each([
    ['gone', () => rmSync(join(host.dir, keyFile)), 'is not the one with which they were sealed'],
    [
      'no key',
      () => writeFileSync(join(host.dir, keyFile), 'rubbish'),
      'is not the one with which they were sealed',
    ],
  ])('do not start where the key file is %s, and all else goes on', async (_, spoil, why) => {
    const [id = ''] = await submit()
    await host.host.close()
    spoil()
    await host.boot()
    const runner = await host.link()
    expect(await ended(id)).toContain(why)
    const [plain = ''] = await submit({ specs: [{ command: 'true' }] })
    expect(await runner.heard('start')).toMatchObject({ taskId: plain })
    expect((await host.client.getTask({ params: { id } })).status).toBe('failed')
  })

  it('are of no use for a task of another owner, were the database changed by hand', async () => {
    const [id = ''] = await submit()
    await host.host.close()
    database((raw) => raw.exec("update tasks set owner = 'mallory'"))
    await host.boot()
    const runner = await host.link()
    expect(await ended(id)).toContain('belong to another task')
    expect(runner.all('start')).toEqual([])
  })

  it('stay with a kill that comes while they are opened: nothing is started after it', async () => {
    const runner = await host.link()
    const [id = ''] = await submit()
    await host.client.killTask({ params: { id }, body: {} })
    await runner.heard('kill')
    const order = runner.messages
      .map(({ type }) => type)
      .filter((type) => type === 'start' || type === 'kill')
    expect(order).toEqual(order.includes('start') ? ['start', 'kill'] : ['kill'])
  })
})

describe('a rerun of a task with secrets', () => {
  it('has the same, also of a rerun', async () => {
    const runner = await host.link()
    let [id = ''] = await submit()
    for (const attempt of [1, 2, 3]) {
      await runner.heard('start', attempt)
      runner.exited(id)
      await ended(id)
      const { items } = await host.client.rerunTasks({ body: { ids: [id] } })
      id = items[0]?.taskId ?? ''
    }
    expect((await runner.heard('start', 4)).secrets).toEqual(secrets)
    expect(database((raw) => raw.prepare('select count(*) as count from secrets').get())).toEqual({
      count: 1,
    })
  })

  it('is for its owner alone; others are told per task', async () => {
    const runner = await host.link()
    const [secret = '', plain = ''] = await submit({
      specs: [{ command: 'true', secrets }, { command: 'true' }],
    })
    runner.exited(secret)
    runner.exited(plain)
    await ended(secret)
    await ended(plain)
    database((raw) => raw.exec("update tasks set owner = 'alice'"))
    const { items } = await host.client.rerunTasks({ body: { ids: [secret, plain] } })
    expect(items[0]?.error).toEqual({
      code: 'not_permitted',
      message: `cannot run task ${secret} again: it has secrets of alice, and only alice may start it`,
    })
    expect(items[1]?.error).toBeNull()
  })
})

it('a body that is no JSON is refused without a word of it', async () => {
  const answer = await fetch(`${host.host.url}/api/v1/batches`, {
    method: 'POST',
    headers: { authorization: `Bearer ${host.token('admin')}`, 'content-type': 'application/json' },
    body: `{"specs":[{"command":"a","secrets":{"A":"${canary}}}]}`,
  })
  const text = await answer.text()
  expect(answer.status).toBe(400)
  expect(text).not.toContain('canary')
})
