import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AuditRow, verifyChain } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { systemClock } from '../platform/clock.ts'
import { silentLog } from '../platform/log.ts'
import { type EndpointName, hostApi } from '../protocol/host-api.ts'
import { routes } from '../protocol/routes.ts'
import { auditRules, isMutating } from './audit-rules.ts'
import { type Answer, type CallOptions, call, cookieOf } from './call.suite.ts'
import { TestHost } from './host.suite.ts'
import { ownRows } from './refused-calls.ts'
import { sha256 } from './store/audit-table.ts'
import { openDatabase } from './store/open.ts'

interface Route {
  method: string
  url: string
  audit: string | null
}

let host: TestHost
let serverRoutes: Route[]
/** Ends the minutes that the host waits for. */
let minutes: (() => void)[]

beforeEach(async () => {
  serverRoutes = []
  minutes = []
  const clock = {
    ...systemClock,
    after: (ms: number, act: () => void) => {
      if (ms !== 60_000) return systemClock.after(ms, act)
      minutes.push(act)
      return () => {}
    },
  }
  const onRoute = ({
    method,
    url,
    config,
  }: {
    method: string | string[]
    url: string
    config?: { audit?: string | null }
  }) => {
    for (const each of [method].flat()) serverRoutes.push({ method: each, url, audit: config?.audit ?? null })
  }
  host = await TestHost.startWith({ onRoute, clock })
})
afterEach(() => host.close())

const send = (method: string, path: string, options: CallOptions = {}) =>
  call(host.host.url, method, path, options)
const post = (path: string, body: unknown = {}, token = host.token('admin')) =>
  send('POST', path, { token, body })

async function rows(): Promise<AuditRow[]> {
  const { text } = await send('GET', '/api/v1/audit/export', { token: host.token('admin') })
  const found = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as AuditRow]))
  expect(verifyChain(found, sha256)).toBeNull()
  return found
}

/** The rows that an action adds. */
async function rowsOf(act: () => Promise<unknown>): Promise<AuditRow[]> {
  const before = (await rows()).length
  await act()
  return (await rows()).slice(before)
}

async function tokenOf(name: string, role: string): Promise<string> {
  await post('/api/v1/users', { name, role })
  const { json } = await post('/api/v1/tokens', { label: 'test', user: name })
  return json.token
}

const spec = {
  command: 'true',
  arguments: ['canary-arg'],
  env: { A: 'canary-env' },
  secrets: { B: 'canary-secret' },
}

async function submitTask(token = host.token('admin')): Promise<string> {
  const { json } = await post('/api/v1/batches', { specs: [spec] }, token)
  return json.tasks[0].taskId
}

describe('every route that changes something', () => {
  it('writes exactly one row for a call, whatever becomes of it', async () => {
    const changing = serverRoutes.filter(({ audit, method }) => audit !== null && method !== 'HEAD')
    expect(changing.map(({ audit }) => audit)).toEqual(
      expect.arrayContaining(['submitBatch', 'seedKill', 'readBackup']),
    )
    for (const { method, url, audit } of changing) {
      const path = url.replace(/:\w+/g, '7')
      const added = await rowsOf(() =>
        send(method, path, { token: host.token('admin'), ...(method === 'POST' && { body: {} }) }),
      )
      expect(added, `${method} ${url}`).toMatchObject([{ action: audit }])
    }
  })

  it('is audited, or says that it changes nothing: a new one without a word does not start', () => {
    const mutating = serverRoutes.filter(({ method }) => method !== 'GET' && method !== 'HEAD')
    const unaudited = mutating
      .filter(({ audit }) => audit === null)
      .map(({ method, url }) => `${method} ${url}`)
    const known = ['/api/v1/batches/preview', '/api/v1/checks/shared-file', '/csp-reports']
    const isKnown = (route: string) =>
      known.some((path) => route.endsWith(path)) ||
      // the redirects of the original's paths, and its answers to other methods
      /^(POST \S+\/|(PUT|PATCH|DELETE|OPTIONS) \S+|POST (\/api)?\/(nodes|health|tasks|status\/:task_id|task\/:task_id\/std(out|err)))$/.test(
        route,
      )
    expect(unaudited.filter((route) => !isKnown(route))).toEqual([])
    const endpoints = (Object.keys(hostApi) as EndpointName[]).filter(
      (name) => hostApi[name].method !== 'GET',
    )
    expect(Object.keys(auditRules).sort()).toEqual(endpoints.sort())
  })

  /** What each endpoint takes when it goes well, and what its row says. A new one has to come in here. */
  const done: Record<string, () => Promise<[path: string, body: unknown, expected: Partial<AuditRow>]>> = {
    submitBatch: async () => [
      routes.submitBatch.path,
      { specs: [spec, { command: 'a' }] },
      { details: '{"specs":2,"tasks":2,"refused":0}' },
    ],
    killBatch: async () => {
      const { json } = await post(routes.submitBatch.path, { specs: [spec] })
      return [`/api/v1/batches/${json.batchId}/kill`, {}, { target: json.batchId, details: '{"killed":1}' }]
    },
    killTasks: async () => {
      const [one, two] = [await submitTask(), await submitTask()]
      return [
        routes.killTasks.path,
        { ids: [one, two] },
        { target: `${one} ${two}`, details: '{"killed":2}' },
      ]
    },
    killTask: async () => {
      const id = await submitTask()
      return [`/api/v1/tasks/${id}/kill`, { reason: 'canary-reason' }, { target: id, details: '{}' }]
    },
    rerunTasks: async () => {
      const id = await submitTask()
      await post(`/api/v1/tasks/${id}/kill`)
      return [
        routes.rerunTasks.path,
        { ids: [id] },
        { target: expect.stringMatching(` ${id}$`), details: expect.stringContaining('"tasks":1') },
      ]
    },
    forgetTask: async () => {
      const id = await submitTask()
      await host.link()
      for (;;) if ((await host.client.getTask({ params: { id } })).status === 'assigning') break
      host.runners.at(-1)?.cut()
      const { raw, close } = openDatabase(join(host.dir, 'cluster.db'))
      await host.host.close()
      raw.exec("update nodes set status = 'unreachable'")
      close()
      await host.boot()
      return [`/api/v1/tasks/${id}/forget`, {}, { target: id }]
    },
    drainNode: async () => {
      await host.link()
      return ['/api/v1/nodes/n1/drain', {}, { target: 'n1' }]
    },
    resumeNode: async () => {
      await host.link()
      return ['/api/v1/nodes/n1/resume', {}, { target: 'n1' }]
    },
    removeNode: async () => {
      const runner = await host.link()
      await host.host.close()
      runner.cut()
      const { raw, close } = openDatabase(join(host.dir, 'cluster.db'))
      raw.exec("update nodes set status = 'unreachable'")
      close()
      await host.boot()
      return [
        '/api/v1/nodes/n1/remove',
        { force: true },
        { target: 'n1', details: '{"force":true,"lost":0}' },
      ]
    },
    endUnknownTasks: async () => {
      await host.link()
      return ['/api/v1/nodes/n1/end-unknown', {}, { target: 'n1', details: '{"ended":0}' }]
    },
    beginSession: async () => [
      routes.beginSession.path,
      { token: host.token('admin') },
      { who: 'admin', role: 'admin', details: '{"by":"token"}' },
    ],
    endSession: async () => [routes.endSession.path, {}, { target: '' }],
    makeLoginLink: async () => [routes.makeLoginLink.path, {}, { target: '' }],
    createUser: async () => [
      routes.createUser.path,
      { name: 'ann', role: 'viewer' },
      { target: 'ann', details: '{"role":"viewer"}' },
    ],
    updateUser: async () => {
      await tokenOf('ann', 'viewer')
      return [
        '/api/v1/users/ann',
        { role: 'operator', isDisabled: false },
        { target: 'ann', details: '{"role":"operator","isDisabled":false}' },
      ]
    },
    inviteUser: async () => {
      await tokenOf('ann', 'viewer')
      return [
        '/api/v1/users/ann/invitations',
        { ttlSeconds: 60 },
        { target: 'ann', details: '{"ttlSeconds":60}' },
      ]
    },
    claimLogin: async () => {
      await tokenOf('ann', 'viewer')
      const { json } = await post('/api/v1/users/ann/invitations')
      return [
        routes.claimLogin.path,
        { secret: json.link.split('code=')[1] },
        { who: 'ann', target: 'ann', role: 'viewer' },
      ]
    },
    createToken: async () => [
      routes.createToken.path,
      { label: 'canary-label', role: 'viewer' },
      { details: expect.stringContaining('"role":"viewer"') },
    ],
    revokeToken: async () => {
      const { json } = await post(routes.createToken.path, { label: 'x' })
      return [`/api/v1/tokens/${json.id}/revoke`, {}, { target: json.id }]
    },
  }

  it('has a call that goes well below', () => {
    const audited = Object.entries(auditRules).flatMap(([name, rule]) => (rule === null ? [] : [name]))
    // over TLS alone: pki/joins-audit.test.ts
    const joining = [
      'makeJoinTokens',
      'joinCluster',
      'renewCertificate',
      'revokeNode',
      'rotateAuthority',
      'finishAuthority',
    ]
    expect([...Object.keys(done), ...joining].sort()).toEqual(audited.sort())
  })

  it.each(Object.keys(done))(
    'tells of %s that is done: by whom, how, and of what, without what its body said',
    async (name) => {
      const [path, body, expected] = (await done[name]?.()) ?? ['', {}, {}]
      const isPublic = isMutating(name as EndpointName) && hostApi[name as EndpointName].access === 'public'
      let answer: Answer | null = null
      const added = await rowsOf(async () => {
        answer = await send('POST', path, { body, ...(!isPublic && { token: host.token('admin') }) })
      })
      expect(answer).toMatchObject({ status: hostApi[name as EndpointName].status })
      const caller = isPublic
        ? {}
        : { who: 'admin', role: 'admin', via: 'token', token: expect.stringMatching(/^\d+$/) }
      expect(added).toMatchObject([
        { action: name, result: 'ok', address: '127.0.0.1', ...caller, ...expected },
      ])
      expect(JSON.stringify(added)).not.toContain('canary')
      expect(JSON.stringify(await rows())).not.toMatch(/canary|hakuriver_(admin|api|login|join)_/)
    },
  )
})

describe('calls that are refused', () => {
  it('of somebody known are rows, with the code of the error', async () => {
    const viewer = await tokenOf('vera', 'viewer')
    const added = await rowsOf(async () => {
      await post('/api/v1/batches', { specs: [spec] }, viewer)
      await post('/api/v1/tasks/7/kill', {})
      await post('/api/v1/batches', { specs: [{ ...spec, command: '' }] })
      await send('POST', '/api/v1/batches', {
        token: host.token('admin'),
        raw: 'rubbish canary',
        headers: { 'content-type': 'application/json' },
      })
      await send('POST', '/api/v1/batches', { token: host.token('join'), body: {} })
    })
    expect(added.map(({ who, action, target, result }) => [who, action, target, result])).toEqual([
      ['vera', 'submitBatch', '', 'not_permitted'],
      ['admin', 'killTask', '7', 'not_found'],
      ['admin', 'submitBatch', '', 'invalid_request'],
      ['admin', 'submitBatch', '', 'invalid_request'],
      ['a runner', 'submitBatch', '', 'not_permitted'],
    ])
    expect(JSON.stringify(added)).not.toContain('canary')
  })

  it('of nobody known are a few rows a minute, and a number', async () => {
    const added = await rowsOf(async () => {
      for (let tries = 0; tries < ownRows + 7; tries += 1) await send('POST', '/api/v1/batches', { body: {} })
      await send('POST', '/api/v1/session', { body: { token: 'canary-wrong' } })
    })
    expect(added).toHaveLength(ownRows)
    expect(added[0]).toMatchObject({
      who: null,
      token: null,
      via: 'nobody',
      action: 'submitBatch',
      result: 'unauthenticated',
    })
    const told = await rowsOf(async () => {
      for (const end of minutes) end()
      await post('/api/v1/tasks/7/kill') // is written behind it
    })
    expect(told[0]).toMatchObject({ action: 'refusedCalls', details: '{"count":8,"addresses":"127.0.0.1"}' })
    expect(JSON.stringify(told)).not.toContain('canary')
  })
})

describe('reading', () => {
  it('is not told, but for a backup, and for a first look at the output or environment of somebody else', async () => {
    const ann = await tokenOf('ann', 'submitter')
    const own = await submitTask()
    const others = await submitTask(ann)
    const paths = (id: string) => [
      `/api/v1/tasks/${id}`,
      `/api/v1/tasks/${id}/logs/stdout/lines`,
      `/api/v1/tasks/${id}/logs/stderr`,
      `/task/${id}/stdout`,
      `/status/${id}`,
    ]
    const look = async (ids: string[], token: string) => {
      for (const id of ids) for (const path of paths(id)) await send('GET', path, { token })
    }
    expect(await rowsOf(() => look([own], host.token('admin')))).toEqual([])
    expect(await rowsOf(() => look([others], ann))).toEqual([])
    expect(await rowsOf(() => send('GET', '/api/v1/tasks', { token: host.token('admin') }))).toEqual([])
    const added = await rowsOf(async () => {
      await look([others], host.token('admin'))
      await look([others], host.token('admin'))
    })
    expect(added.map(({ action, target, details }) => [action, target, details])).toEqual([
      ['readEnvironment', others, '{"owner":"ann"}'],
      ['readLog', others, '{"owner":"ann"}'],
    ])
    // who may not see it has not seen it
    expect(await rowsOf(() => look([own], ann))).toEqual([])
    expect(await rowsOf(() => send('GET', '/api/v1/backup', { token: host.token('admin') }))).toMatchObject([
      { action: 'readBackup', result: 'ok' },
    ])
  })
})

describe('an answer', () => {
  it('goes out when its row is on disk, and not without it', async () => {
    const ids = [await submitTask(), await submitTask()]
    const before = (await rows()).length
    host.store.failure = new AppError('store_full', 'cannot save: the disk of the host is full')
    const refused = await post('/api/v1/nodes/nowhere/drain')
    const login = await send('POST', '/api/v1/session', { body: { token: host.token('admin') } })
    const packed = await send('POST', '/api/v1/tokens', {
      token: host.token('admin'),
      body: { label: 'x' },
      headers: { 'accept-encoding': 'br' },
    })
    host.store.failure = null
    for (const answer of [refused, login, packed])
      expect(answer).toMatchObject({ status: 507, json: { code: 'store_full' } })
    expect(cookieOf(login)).toBe('')
    expect((await rows()).length).toBe(before)
    const gate = Promise.withResolvers<void>()
    host.store.gate = gate.promise
    let answered = 0
    const kills = ids.map((id) => post(`/api/v1/tasks/${id}/kill`).then(() => (answered += 1)))
    await systemTurns()
    expect(answered).toBe(0)
    host.store.gate = null
    gate.resolve()
    await Promise.all(kills)
    expect((await rows()).length).toBe(before + 2)
  })

  it('of a submit costs no commit of its own', async () => {
    await submitTask()
    const before = host.store.commits
    await submitTask()
    expect(host.store.commits).toBe(before + 1)
  })

  it('of a submit that is sent again has a row too', async () => {
    const body = { submissionId: 'twice-the-same', specs: [spec] }
    const added = await rowsOf(async () => {
      await post('/api/v1/batches', body)
      await post('/api/v1/batches', body)
    })
    expect(added).toHaveLength(2)
    expect(added[1]?.target).toBe(added[0]?.target)
  })

  it('has its row among those of many at once, and the chain is whole, also over a restart', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        at % 3 === 0 ? post('/api/v1/tasks/7/kill') : post('/api/v1/batches', { specs: [spec] }),
      ),
    )
    const batches = answers.flatMap(({ json }) => json.batchId ?? [])
    await host.restart()
    await submitTask()
    const targets = (await rows()).map(({ target }) => target)
    for (const batch of batches) expect(targets.filter((target) => target === batch)).toHaveLength(1)
    expect(targets.filter((target) => target === '7')).toHaveLength(67)
  })
})

describe('the list', () => {
  it('is for admins alone', async () => {
    for (const role of ['viewer', 'submitter', 'operator']) {
      const token = await tokenOf(`of-${role}`, role)
      for (const path of ['/api/v1/audit', '/api/v1/audit/export'])
        expect((await send('GET', path, { token })).status).toBe(403)
    }
  })

  it('is newest first, in pages, and filtered by who, what, when and of what', async () => {
    const ann = await tokenOf('ann', 'submitter')
    const ids: string[] = []
    for (let at = 0; at < 5; at += 1) ids.push(await submitTask(ann))
    await post(`/api/v1/tasks/${ids[0]}/kill`, {}, ann)
    await post('/api/v1/tasks/kill', { ids })
    const list = async (query: string) =>
      (await send('GET', `/api/v1/audit?${query}`, { token: host.token('admin') })).json
    const all = await list('')
    expect(all.items.map(({ seq }: { seq: number }) => seq)).toEqual(
      all.items.map((_: unknown, at: number) => all.head.seq - at),
    )
    expect(all.head.hash).toBe(all.items[0].hash)
    expect(all.next).toBeNull()
    const first = await list('limit=3')
    const second = await list(`limit=3&cursor=${first.next}`)
    expect([...first.items, ...second.items]).toEqual(all.items.slice(0, 6))
    expect((await list('user=ann')).items).toHaveLength(6)
    expect((await list('user=ann&action=killTask')).items).toMatchObject([
      { target: [ids[0]], user: 'ann', role: 'submitter' },
    ])
    expect((await list(`target=${ids[0]}`)).items).toMatchObject([
      { action: 'killTasks' },
      { action: 'killTask' },
    ])
    expect((await list(`target=${ids[0]?.slice(1)}`)).items).toEqual([])
    expect((await list('since=2999-01-01')).items).toEqual([])
    expect((await list('until=2000-01-01')).items).toEqual([])
    expect((await list('since=2000-01-01T00:00:00Z')).items).toHaveLength(all.items.length)
    expect(await list('since=yesterday')).toMatchObject({ code: 'invalid_request' })
  })
})

describe('the database', () => {
  it('lets nobody change or remove a row, and one that was changed all the same is found', async () => {
    const id = await submitTask()
    await post(`/api/v1/tasks/${id}/kill`)
    const kept = (await rows()).at(-1)?.hash ?? ''
    await host.host.close()
    const tamper = (sql: string) => {
      const { raw, close } = openDatabase(join(host.dir, 'cluster.db'))
      try {
        raw.exec(sql)
      } finally {
        close()
      }
    }
    expect(() => tamper("update audit set who = 'mallory'")).toThrow('only added to')
    expect(() => tamper('delete from audit')).toThrow('only added to')
    tamper("drop trigger audit_is_not_changed; update audit set who = 'mallory' where action = 'submitBatch'")
    await host.boot()
    const { text } = await send('GET', '/api/v1/audit/export', { token: host.token('admin') })
    const found = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as AuditRow]))
    expect(verifyChain(found, sha256)).toEqual({ seq: 1, why: 'it was changed: its hash is another one' })
    await host.host.close()
    tamper("update audit set who = 'admin' where action = 'submitBatch'")
    tamper("drop trigger audit_is_not_removed; delete from audit where action = 'killTask'")
    await host.boot()
    expect(verifyChain(await rows(), sha256)).toBeNull()
    expect(verifyChain(await rows(), sha256, kept)?.why).toContain('rows at the end are gone')
  })

  it('takes a row of a size that is known', async () => {
    const pages = () => {
      const { raw, close } = openDatabase(join(host.dir, 'cluster.db'))
      const { bytes } =
        raw.prepare("select sum(pgsize) as bytes from dbstat where name = 'audit'").get() ?? {}
      close()
      return Number(bytes)
    }
    const before = pages()
    await Promise.all(Array.from({ length: 1_000 }, () => post('/api/v1/tasks/1234567890123456/kill')))
    expect((pages() - before) / 1_000).toBeLessThan(250)
  })
})

it('says in its own log where the chain has come to, when it starts and when it stops', async () => {
  const told: object[] = []
  const log = {
    ...silentLog,
    info: (fields: object, words: string) => void (words.startsWith('Last row') && told.push(fields)),
  }
  const other = await TestHost.startWith({ log })
  await other.client.submitBatch({ body: { specs: [spec] } })
  await other.close()
  expect(told).toEqual([
    { when: 'start', seq: 0, hash: '0'.repeat(64) },
    { when: 'stop', seq: 1, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
  ])
})

async function systemTurns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}
