/** The host's API for tests and benchmarks: the typed client over kept-alive connections, raw requests, and events. */
import http, { type Agent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https from 'node:https'
import { AppError, type ErrorCode } from '../../src/core/errors.ts'
import { isFinal } from '../../src/core/task.ts'
import type { PinnedTls } from '../../src/platform/tls-pin.ts'
import { waitFor } from '../../src/platform/wait.ts'
import { createClient, fillPath, type HostClient } from '../../src/protocol/client.ts'
import { type LogStream, streamRoutes } from '../../src/protocol/routes.ts'
import type { ClusterEvent, ErrorBody, SpecInput, TaskDetail } from '../../src/protocol/schemas.ts'

export interface RawAnswer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

export interface RawRequest {
  method?: string
  path: string
  body?: string
  headers?: Record<string, string>
}

/** A spec of which only what matters to a test is given. */
export type SpecLike = Partial<SpecInput> & { command: string }

export class Api {
  readonly url: string
  readonly token: string | null
  readonly client: HostClient
  private readonly agent: Agent

  /** `tls`: by what a host that speaks TLS is known. */
  constructor(url: string, token: string | null, connections = 16, tls?: PinnedTls) {
    this.url = url
    this.token = token
    const options = { keepAlive: true, maxSockets: connections }
    this.agent = tls === undefined ? new http.Agent(options) : new https.Agent({ ...options, ...tls })
    this.client = createClient(async ({ method, path, body }) => {
      const answer = await this.raw({
        method,
        path,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const value: unknown = JSON.parse(answer.text)
      if (answer.status < 400) return value
      const { code, message, details } = value as ErrorBody // the host's one error shape
      throw new AppError(code as ErrorCode, message, details === undefined ? {} : { details })
    })
  }

  /** One request as it is, with the token unless headers say otherwise. */
  raw({ method = 'GET', path, body, headers = {} }: RawRequest): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      const sending = this.open(method, path, body, headers, reject)
      sending.on('response', (answer: IncomingMessage) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            text: Buffer.concat(chunks).toString(),
          }),
        )
      })
    })
  }

  /** Submits one command and answers with the id of its first task. */
  async submit(spec: SpecLike, ...targets: string[]): Promise<string> {
    const [id] = await this.submitAll([spec], targets)
    if (id === undefined) throw new Error('no task was made')
    return id
  }

  /** Submits specs on targets and answers with the ids of the tasks that were made. */
  async submitAll(specs: SpecLike[], targets: string[] = []): Promise<string[]> {
    const body = targets.length === 0 ? { specs } : { specs, targets }
    const { tasks } = await this.client.submitBatch({ body })
    return tasks.flatMap(({ taskId }) => taskId ?? [])
  }

  async task(id: string): Promise<TaskDetail> {
    return this.client.getTask({ params: { id } })
  }

  /** The task once it has this status. */
  reached(id: string, status: TaskDetail['status'], deadlineMs = 15_000): Promise<TaskDetail> {
    return this.until(id, `task ${id} is ${status}`, (task) => task.status === status, deadlineMs)
  }

  /** The task once it has ended. */
  ended(id: string, deadlineMs = 15_000): Promise<TaskDetail> {
    return this.until(id, `task ${id} has ended`, (task) => isFinal(task.status), deadlineMs)
  }

  /** Resolves when all these nodes are online, also where the host is away at first. */
  async online(names: readonly string[], deadlineMs: number): Promise<void> {
    await waitFor(
      `${names.join(' and ')} online`,
      async () => {
        const { items } = await this.client.listNodes({}).catch(() => ({ items: [] }))
        const found = items.filter(({ status }) => status === 'online').map(({ name }) => name)
        return names.every((name) => found.includes(name))
      },
      { deadlineMs },
    )
  }

  private until(
    id: string,
    what: string,
    found: (task: TaskDetail) => boolean,
    deadlineMs: number,
  ): Promise<TaskDetail> {
    let last = ''
    return waitFor(
      what,
      async () => {
        const task = await this.task(id)
        last = `${task.status} (${task.reason ?? ''})`
        return found(task) ? task : null
      },
      { deadlineMs },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; it is ${last}`)
    })
  }

  /** Submits and waits for the end. */
  async run(spec: SpecLike, target = 'any', deadlineMs = 15_000): Promise<TaskDetail> {
    return this.ended(await this.submit(spec, target), deadlineMs)
  }

  /** The whole log. */
  async log(id: string, stream: LogStream = 'stdout'): Promise<string> {
    const { status, text } = await this.raw({
      path: fillPath(streamRoutes.taskLog.path, { params: { id, stream } }),
    })
    if (status !== 200) throw new Error(`log of ${id}: ${status} ${text}`)
    return text
  }

  /** Follows a log; hands on each piece. Resolves when the answer ends, rejects when it is cut. */
  follow(
    id: string,
    onData: (data: Buffer) => void,
    stream: LogStream = 'stdout',
  ): { done: Promise<void>; cut: () => void } {
    const path = fillPath(streamRoutes.taskLog.path, { params: { id, stream }, query: { follow: true } })
    const end = Promise.withResolvers<void>()
    const sending = this.open('GET', path, undefined, {}, end.reject)
    sending.on('response', (answer: IncomingMessage) => {
      answer.on('data', onData)
      answer.on('error', end.reject)
      answer.on('end', end.resolve)
    })
    return { done: end.promise, cut: () => sending.destroy() }
  }

  /** Listens to the event stream; resolves once nothing can be missed any more. */
  events(onEvent: (event: ClusterEvent) => void, after?: number): Promise<{ close: () => void }> {
    const path = fillPath(streamRoutes.events.path, { query: { after } })
    return new Promise((resolve, reject) => {
      const sending = this.open('GET', path, undefined, {}, reject)
      sending.on('response', (answer: IncomingMessage) => {
        let rest = ''
        answer.on('error', () => {})
        answer.on('data', (chunk: Buffer) => {
          const blocks = (rest + chunk.toString()).split('\n\n')
          rest = blocks.pop() ?? ''
          for (const block of blocks) {
            if (block.startsWith(': listening')) resolve({ close: () => sending.destroy() })
            const data = block.split('\n').find((line) => line.startsWith('data: '))
            if (data !== undefined) onEvent(JSON.parse(data.slice(6)) as ClusterEvent)
          }
        })
      })
    })
  }

  close(): void {
    this.agent.destroy()
  }

  private open(
    method: string,
    path: string,
    body: string | undefined,
    headers: Record<string, string>,
    onError: (error: Error) => void,
  ) {
    const own = {
      ...(this.token === null ? {} : { authorization: `Bearer ${this.token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const { request } = this.url.startsWith('https:') ? https : http
    const sending = request(`${this.url}${path}`, {
      method,
      agent: this.agent,
      headers: { ...own, ...headers },
    })
    sending.on('error', onError)
    sending.end(body)
    return sending
  }
}
