import { once } from 'node:events'
import { request } from 'node:http'
import fc from 'fast-check'
import { type TSchema, Type } from 'typebox'
import { Check } from 'typebox/value'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../platform/wait.ts'
import { TestHost, type TestRunner } from '../host.suite.ts'

/** What the original answers, as its clients read it. */
const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const closed = { additionalProperties: false }
const Time = Type.String({
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d+(Z|[+-]\\d\\d:\\d\\d)$',
})
const Topology = Nullable(
  Type.Record(
    Type.String({ pattern: '^\\d+$' }),
    Type.Object({ cores: Type.Array(Type.Integer()), memory_bytes: Nullable(Type.Integer()) }, closed),
  ),
)
const NodeStatus = Type.Enum(['online', 'offline'])
const SeedNode = Type.Object(
  {
    hostname: Type.String(),
    url: Type.String(),
    total_cores: Type.Integer(),
    cores_in_use: Type.Union([Type.Integer(), Type.Literal('N/A')]),
    available_cores: Type.Integer(),
    status: NodeStatus,
    last_heartbeat: Nullable(Time),
    numa_topology: Topology,
  },
  closed,
)
const SeedHealth = Type.Object(
  {
    hostname: Type.String(),
    status: NodeStatus,
    last_heartbeat: Nullable(Time),
    cpu_percent: Nullable(Type.Number()),
    memory_percent: Nullable(Type.Number()),
    memory_used_bytes: Nullable(Type.Integer()),
    memory_total_bytes: Nullable(Type.Integer()),
    total_cores: Type.Integer(),
    url: Type.String(),
    numa_topology: Topology,
  },
  closed,
)
const Id = Type.String({ pattern: '^\\d+$' })
const SeedTask = Type.Object(
  {
    task_id: Id,
    batch_id: Nullable(Id),
    command: Type.String(),
    arguments: Type.Array(Type.String()),
    env_vars: Type.Record(Type.String(), Type.String()),
    required_cores: Type.Integer(),
    required_memory_bytes: Nullable(Type.Integer()),
    status: Type.String(),
    assigned_node: Nullable(Type.String()),
    target_numa_node_id: Nullable(Type.Integer()),
    stdout_path: Type.String(),
    stderr_path: Type.String(),
    exit_code: Nullable(Type.Integer()),
    error_message: Nullable(Type.String()),
    submitted_at: Time,
    started_at: Nullable(Time),
    completed_at: Nullable(Time),
    use_private_network: Type.Boolean(),
    use_private_pid: Type.Boolean(),
    systemd_unit_name: Nullable(Type.String()),
    assignment_suspicion_count: Type.Integer(),
  },
  closed,
)
const Detail = Type.Object({ detail: Type.String() }, closed)
const Invalid = Type.Object(
  {
    detail: Type.Array(
      Type.Object(
        {
          type: Type.String(),
          loc: Type.Array(Type.Union([Type.String(), Type.Integer()])),
          msg: Type.String(),
          input: Type.Unknown(),
          ctx: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
        },
        closed,
      ),
      { minItems: 1 },
    ),
  },
  closed,
)

let host: TestHost
let runner: TestRunner
beforeEach(async () => {
  host = await TestHost.start()
  runner = await host.link({ cores: 4 })
})
afterEach(() => host.close())

interface Answered {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever it is, the schema has checked it
  json: any
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  token = host.token('admin'),
): Promise<Answered> {
  const answer = await fetch(`${host.host.url}${path}`, {
    method,
    redirect: 'manual',
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true
  return { status: answer.status, headers: answer.headers, text, json: isJson ? JSON.parse(text) : null }
}
const get = (path: string) => call('GET', path)
const post = (path: string, body?: unknown) => call('POST', path, body)

/** A node with two NUMA nodes that runs tasks as units, without sandbox. */
async function linkSystemdNode(): Promise<TestRunner> {
  const second = await host.dial()
  const distances = {}
  second.send({
    type: 'hello',
    version: 1,
    runnerVersion: 'test',
    node: 'n2',
    runnerId: 'runner-2',
    bootId: 'boot-2',
    capacity: {
      cores: 4,
      memoryBytes: 2 ** 33,
      numaNodes: [
        { id: 0, cpus: [0, 1], memoryBytes: 2 ** 30, distances },
        { id: 1, cpus: [2, 3], memoryBytes: null, distances },
      ],
    },
    executor: {
      name: 'systemd',
      why: 'a test',
      enforcesLimits: true,
      features: { privateNetwork: false, privatePids: false, numa: true },
    },
    attempts: [],
  })
  await second.heard('welcome')
  return second
}

function expectShape(schema: TSchema, value: unknown): void {
  expect(Check(schema, value), JSON.stringify(value)).toBe(true)
}

describe.each(['', '/api'])('below "%s"', (base) => {
  it('lists nodes and their health', async () => {
    const nodes = await get(`${base}/nodes`)
    expect(nodes.status).toBe(200)
    expectShape(Type.Array(SeedNode, { minItems: 1 }), nodes.json)
    expect(nodes.json[0]).toMatchObject({ hostname: 'n1', total_cores: 4, cores_in_use: 0, status: 'online' })
    const health = await get(`${base}/health`)
    expectShape(Type.Array(SeedHealth, { minItems: 1 }), health.json)
    expect((await get(`${base}/health?hostname=`)).json).toHaveLength(1)
    expect((await get(`${base}/health?hostname=n1`)).json).toHaveLength(1)
    const unknown = await get(`${base}/health?hostname=n9`)
    expect([unknown.status, unknown.json]).toEqual([404, { detail: 'No health data found for hostname: n9' }])
  })

  it('submits, tells the status, gives the log and kills', async () => {
    const submitted = await post(`${base}/submit`, { command: 'echo', arguments: ['hi'], targets: ['n1'] })
    expect(submitted.status).toBe(202)
    expect(submitted.json).toEqual({
      message: 'Task batch submitted successfully. 1 tasks created.',
      task_ids: [expect.stringMatching(/^\d+$/)],
    })
    const [id] = submitted.json.task_ids
    await runner.heard('start')
    runner.started(id)
    await waitFor('it runs', async () => (await get(`${base}/status/${id}`)).json.status === 'running')
    const { status, json } = await get(`${base}/status/${id}`)
    expect(status).toBe(200)
    expectShape(SeedTask, json)
    expect(json).toMatchObject({
      task_id: id,
      batch_id: expect.stringMatching(/^\d+$/),
      assigned_node: 'n1',
      env_vars: {},
      // of a client that says nothing of memory
      required_memory_bytes: 1_000_000_000,
      completed_at: null,
    })
    expectShape(Type.Array(SeedTask), (await get(`${base}/tasks`)).json)

    const reading = get(`${base}/task/${id}/stdout`)
    const read = await runner.heard('log_read')
    const bytes = Buffer.from([0x68, 0x69, 0xff, 0x0a])
    const { requestId } = read
    const chunk = { offset: 0, size: 4, data: bytes.toString('base64'), ended: false, error: null }
    runner.send({ type: 'log_chunk', requestId, ...chunk })
    const log = await reading
    expect([log.status, log.headers.get('content-type'), log.text]).toEqual([
      200,
      'text/plain; charset=utf-8',
      'hi\ufffd\n',
    ])

    const killed = await post(`${base}/kill/${id}`)
    expect([killed.status, killed.json]).toEqual([202, { message: expect.stringContaining(id) }])
    // not before it is true
    expect((await get(`${base}/status/${id}`)).json.status).toBe('killing')
    runner.exited(id, null, 'killed')
    await waitFor('it is killed', async () => (await get(`${base}/status/${id}`)).json.status === 'killed')
    const again = await post(`${base}/kill/${id}`)
    expect([again.status, again.json]).toEqual([409, { detail: 'Task cannot be killed (state: killed)' }])
  })
})

describe('a submit', () => {
  const submit = (body: unknown) => post('/submit', body)

  it('reads what is nearly right, as the original did', async () => {
    const body = {
      command: 'job',
      env_vars: { A: '1' },
      required_cores: '2',
      required_memory_bytes: null,
      use_private_network: 'yes',
      use_private_pid: 0,
      nobody_knows_this: [],
      targets: null,
    }
    const { status, json } = await submit(body)
    expect(status).toBe(202)
    const task = (await get(`/status/${json.task_ids[0]}`)).json
    expect(task).toMatchObject({
      required_cores: 2,
      required_memory_bytes: null,
      use_private_network: true,
      use_private_pid: false,
      env_vars: { A: '1' },
    })
  })

  it('answers for each target by itself, in the words of the original', async () => {
    const targets = ['n1', 'n1', 'n9', 'n1:0', 'n1:7']
    const { status, json } = await submit({ command: 'job', targets })
    expect(status).toBe(202)
    expect(json.task_ids).toHaveLength(2)
    expect(json.message).toBe('Task batch submitted. 2 tasks created. Some targets failed.')
    expect(json.failed_targets).toEqual([
      { target: 'n9', reason: 'Node not registered' },
      { target: 'n1:0', reason: 'Node has no NUMA topology' },
      { target: 'n1:7', reason: 'Node has no NUMA topology' },
    ])
  })

  it('tells what a node cannot do, or not now, in the words of the original', async () => {
    await linkSystemdNode()
    const reasonOf = async (target: string, rest: object = {}) =>
      (await submit({ command: 'job', targets: ['n1', target], ...rest })).json.failed_targets?.[0].reason
    expect(await reasonOf('n2:7')).toBe('Invalid NUMA ID for node (Valid: [0, 1])')
    expect(await reasonOf('n2:12345')).toBe('Invalid NUMA ID format')
    expect(await reasonOf('-n2')).toBe('Node not registered')
    const many = await submit({ command: 'job', required_cores: 9, targets: ['n2', 'n2:0'] })
    const tooMany = "'reason': 'Insufficient available cores'"
    expect(many.json.detail.split(tooMany)).toHaveLength(3)
    // it has the cores, but not these
    expect(await reasonOf('n2', { use_private_network: true })).toContain('private network')
    const busy = await submit({ command: 'job', targets: ['n1'], queue: false })
    expect(busy.json.detail).toContain(tooMany)
    host.runners[1]?.cut()
    await waitFor('n2 is away', async () => {
      const { json } = await submit({ command: 'job', targets: ['n2'], queue: false })
      return json.detail?.includes("'reason': 'Node status is offline'")
    })
  })

  it('has to say that it is JSON, so that no page of another site can send it', async () => {
    const send = async (type: string) => {
      const body = new Blob(['{"command": "job"}'], { type })
      const headers = { authorization: `Bearer ${host.token('admin')}` }
      const answer = await fetch(`${host.host.url}/submit`, { method: 'POST', body, headers })
      return [answer.status, await answer.json()]
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
      const [status, json] = await send(type)
      expect(status).toBe(422)
      expectShape(Invalid, json)
    }
    expect((await send('application/json; charset=utf-8'))[0]).toBe(202)
    expect((await send('application/vnd.api+json'))[0]).toBe(202)
  })

  it('may ask for no more than the native API gives', async () => {
    const { status, json } = await submit({ command: 'job', required_cores: 1_000_000 })
    expect(status).toBe(400)
    expectShape(Detail, json)
  })

  it('is refused with 503 where no target takes it', async () => {
    const { status, json } = await submit({ command: 'job', targets: ['n9', 'n8'] })
    expect(status).toBe(503)
    const failures =
      "[{'target': 'n9', 'reason': 'Node not registered'}, {'target': 'n8', 'reason': 'Node not registered'}]"
    expect(json).toEqual({ detail: `Failed to schedule task for any target. Failures: ${failures}` })
  })

  it('waits for a busy node, unless it says that it does not', async () => {
    expect((await submit({ command: 'job', required_cores: 4, targets: ['n1'] })).status).toBe(202)
    const waiting = await submit({ command: 'job', targets: ['n1'] })
    expect(waiting.status).toBe(202)
    expect((await get(`/status/${waiting.json.task_ids[0]}`)).json).toMatchObject({
      status: 'pending',
      assigned_node: null,
    })
    const refused = await submit({ command: 'job', targets: ['n1'], queue: false })
    expect(refused.status).toBe(503)
    expectShape(Detail, refused.json)
  })

  it.each([
    [{}, 'missing', ['body', 'command']],
    [{ command: 1 }, 'string_type', ['body', 'command']],
    [{ command: '' }, 'string_too_short', ['body', 'command']],
    [{ command: 'x', arguments: 'y' }, 'list_type', ['body', 'arguments']],
    [{ command: 'x', arguments: ['a', 1] }, 'string_type', ['body', 'arguments', 1]],
    [{ command: 'x', env_vars: [] }, 'dict_type', ['body', 'env_vars']],
    [{ command: 'x', required_cores: 0 }, 'greater_than_equal', ['body', 'required_cores']],
    [{ command: 'x', required_cores: 'two' }, 'int_parsing', ['body', 'required_cores']],
    [{ command: 'x', required_memory_bytes: 0 }, 'greater_than_equal', ['body', 'required_memory_bytes']],
    [{ command: 'x', use_private_network: 'maybe' }, 'bool_parsing', ['body', 'use_private_network']],
    [{ command: 'x', targets: ['a_b'] }, 'value_error', ['body', 'targets']],
    ['{', 'json_invalid', ['body', 0]],
    ['', 'missing', ['body']],
    ['[]', 'model_attributes_type', ['body']],
  ])('%j is refused with 422', async (body, type, loc) => {
    const { status, json } = await submit(body)
    expect(status).toBe(422)
    expectShape(Invalid, json)
    expect(json.detail[0]).toMatchObject({ type, loc })
  })

  it('is never answered with 500, whatever it is', async () => {
    const keys = ['command', 'arguments', 'env_vars', 'required_cores', 'required_memory_bytes', 'targets']
    const flags = ['use_private_network', 'use_private_pid', 'queue']
    const nearly = fc.record(
      Object.fromEntries([...keys, ...flags].map((key) => [key, fc.jsonValue({ maxDepth: 2 })])),
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(fc.oneof(nearly, fc.jsonValue()), async (body) => {
        const { status, json } = await submit(JSON.stringify(body))
        expect([202, 400, 413, 422, 503]).toContain(status)
        if (status !== 202) expect(json).toHaveProperty('detail')
      }),
      { numRuns: 150 },
    )
  })
})

describe('a task on a node with systemd', () => {
  it('names its unit, its NUMA node and the signal that ended it', async () => {
    const second = await linkSystemdNode()
    const [id] = (await post('/submit', { command: 'job', targets: ['n2:1'] })).json.task_ids
    await second.heard('start')
    second.started(id)
    second.exited(id, null, 'killed', 'SIGKILL')
    await waitFor('it has ended', async () => (await get(`/status/${id}`)).json.completed_at !== null)
    const { json } = await get(`/status/${id}`)
    expectShape(SeedTask, json)
    expect(json).toMatchObject({
      systemd_unit_name: `hakuriver-task-${id}-1-runner2.service`,
      target_numa_node_id: 1,
      exit_code: -9,
    })
    const [node] = (await get('/nodes')).json.filter(
      ({ hostname }: { hostname: string }) => hostname === 'n2',
    )
    expectShape(SeedNode, node)
    expect(node.numa_topology).toEqual({
      0: { cores: [0, 1], memory_bytes: 2 ** 30 },
      1: { cores: [2, 3], memory_bytes: null },
    })
  })

  it('has its logs where host and node share a directory', async () => {
    const [id] = (await post('/submit', { command: 'job' })).json.task_ids
    await host.restart('--shared-dir', '/nowhere/shared')
    const { json } = await get(`/status/${id}`)
    expect([json.stdout_path, json.stderr_path]).toEqual([
      `/nowhere/shared/task_outputs/${id}.out`,
      `/nowhere/shared/task_errors/${id}.err`,
    ])
  })
})

describe('errors', () => {
  it('no id, name or page whatever ends in 500', async () => {
    const text = fc.oneof(fc.string(), fc.bigInt().map(String), fc.double().map(String))
    const wild = text.map((some) => encodeURIComponent(some.toWellFormed()))
    const path = fc.oneof(
      wild.map((some) => ['GET', `/status/${some}`] as const),
      wild.map((some) => ['GET', `/api/task/${some}/stderr`] as const),
      wild.map((some) => ['POST', `/kill/${some}`] as const),
      wild.map((some) => ['GET', `/health?hostname=${some}&hostname=${some}`] as const),
      fc.tuple(wild, wild).map(([a, b]) => ['GET', `/tasks?limit=${a}&cursor=${b}`] as const),
    )
    await fc.assert(
      fc.asyncProperty(path, async ([method, at]) => {
        const { status, json } = await call(method, at)
        expect(status).toBeLessThan(500)
        if (status >= 400) expect(json).not.toBeNull()
      }),
      { numRuns: 150 },
    )
  })

  it.each([
    ['GET', '/status/99', 404, 'Task not found'],
    ['GET', '/status/99999999999999999999', 404, 'Task not found'],
    ['GET', '/task/99/stdout', 404, 'Task not found'],
    ['POST', '/kill/99', 404, 'Task not found.'],
    ['GET', '/submit', 405, 'Method Not Allowed'],
    ['POST', '/nodes', 405, 'Method Not Allowed'],
    ['OPTIONS', '/tasks', 405, 'Method Not Allowed'],
  ])('%s %s is %i', async (method, path, status, detail) => {
    const answered = await call(method, path)
    expect([answered.status, answered.json]).toEqual([status, { detail }])
    if (status === 405) expect(answered.headers.get('allow')).toBe(path === '/submit' ? 'POST' : 'GET')
  })

  it('an id that is no number is 422, and a slash at the end leads on', async () => {
    const answered = await get('/status/abc')
    expect(answered.status).toBe(422)
    expectShape(Invalid, answered.json)
    expect(answered.json.detail[0]).toMatchObject({
      type: 'int_parsing',
      loc: ['path', 'task_id'],
      input: 'abc',
    })
    const led = await get('/health/?hostname=n1')
    expect([led.status, led.headers.get('location')]).toEqual([307, '/health?hostname=n1'])
  })

  it('the log of a task that waits is 404, and of one whose node is away 503', async () => {
    const [first] = (await post('/submit', { command: 'job', required_cores: 4 })).json.task_ids
    const [second] = (await post('/submit', { command: 'job', required_cores: 4 })).json.task_ids
    const waiting = await get(`/task/${second}/stderr`)
    expect([waiting.status, waiting.json]).toEqual([
      404,
      { detail: 'Standard error file not found (might not be generated yet).' },
    ])
    await runner.heard('start')
    runner.cut()
    await waitFor('it is away', async () => (await get(`/task/${first}/stdout`)).status === 503)
    expectShape(Detail, (await get(`/task/${first}/stdout`)).json)
    await waitFor('it is offline', async () => (await get('/nodes')).json[0].available_cores >= 0)
  })

  it('need a token where the host asks for one, and none where it does not', async () => {
    const refused = await call('GET', '/nodes', undefined, 'wrong')
    expect(refused.status).toBe(401)
    expectShape(Detail, refused.json)
    expect((await call('POST', '/submit', { command: 'x' }, host.token('join'))).status).toBe(403)
    await host.restart('--insecure-loopback')
    expect((await call('GET', '/nodes', undefined, 'wrong')).status).toBe(200)
    const { port } = new URL(host.host.url)
    for (const path of ['/nodes', '/api/v1/nodes']) {
      const headers = { 'sec-fetch-site': 'cross-site' }
      const [answer] = await once(request({ port, path, headers }).end(), 'response')
      answer.resume()
      expect(answer.statusCode).toBe(403)
    }
  })
})

describe('the list of tasks', () => {
  it('is the newest first, page by page where that is asked for', async () => {
    const ids: string[] = []
    for (let i = 0; i < 5; i += 1) ids.unshift((await post('/submit', { command: 'job' })).json.task_ids[0])
    const idsOf = (answered: Answered) => answered.json.map((task: { task_id: string }) => task.task_id)
    const whole = await get('/tasks')
    expect([idsOf(whole), whole.headers.get('x-next-cursor')]).toEqual([ids, null])
    const first = await get('/tasks?limit=2')
    const second = await get(`/tasks?limit=2&cursor=${first.headers.get('x-next-cursor')}`)
    expect([...idsOf(first), ...idsOf(second)]).toEqual(ids.slice(0, 4))
    expect((await get('/tasks?limit=0')).status).toBe(422)
    expect((await get('/tasks?cursor=x')).status).toBe(422)
  })
})
