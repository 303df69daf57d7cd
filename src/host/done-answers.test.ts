import { expect, it } from 'vitest'
import { call } from './call.suite.ts'
import { TestHost } from './host.suite.ts'
import { maxCodes } from './login.ts'
import { personOn } from './people.suite.ts'

it('what was done is answered and written as done, also where its answer is one too large for now', async () => {
  const host = await TestHost.startWith({ caps: { answerBytesPerAddress: 70_000 } })
  try {
    const token = host.token('admin')
    const { tasks } = await host.client.submitBatch({ body: { specs: [{ command: 'true' }] } })
    const id = tasks[0]?.taskId ?? ''
    const ids = [id, ...Array.from({ length: 3_000 }, (_, at) => String(100_000 + at))]
    const killed = await call(host.host.url, 'POST', '/api/v1/tasks/kill', { token, body: { ids } })
    expect([killed.status, killed.text.length > 70_000]).toEqual([202, true])
    expect((await host.client.getTask({ params: { id } })).status).toBe('killed')
    const { items } = await host.client.listAudit({ query: { action: 'killTasks' } })
    expect(items).toMatchObject([{ result: 'ok' }])
  } finally {
    await host.close()
  }
})

it('many login links of one user leave those of another as they are', async () => {
  const host = await TestHost.start()
  try {
    const viewer = await personOn(host, 'eve', 'viewer')
    const link = (token: string) => call(host.host.url, 'POST', '/api/v1/login-links', { token, body: {} })
    const { json } = await link(host.token('admin'))
    for (let at = 0; at <= maxCodes; at += 1) expect((await link(viewer)).status).toBe(201)
    const code = json.url.split('#code=')[1]
    expect((await call(host.host.url, 'POST', '/api/v1/session', { body: { code } })).status).toBe(200)
  } finally {
    await host.close()
  }
})
