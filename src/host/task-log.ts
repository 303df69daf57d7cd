/** One output of one task, wherever it lies: in the shared directory, or on a node. */
import { AppError } from '../core/errors.ts'
import { parseId } from '../core/id.ts'
import type { Actor } from '../core/roles.ts'
import { isFinal, type Task } from '../core/task.ts'
import { logPath } from '../platform/log-paths.ts'
import { awaitLogPart, boundedReader } from '../platform/log-reader.ts'
import type { LogStream } from '../protocol/routes.ts'
import { refuseOthers } from './caller.ts'
import type { Cluster } from './cluster.ts'
import type { EventHub } from './event-hub.ts'
import type { FromRunnerOf, LogAnswer, LogViewQuery } from './link-session.ts'
import type { Links } from './links.ts'
import type { Store } from './store/store.ts'

/** Of the four threads that wait for all files of the host (libuv), so many may wait for the shared directory. */
const readShared = boundedReader(2, 5_000)

export interface LogDeps {
  cluster: Cluster
  store: Store
  hub: EventHub
  links: Links
  sharedDir: string | null
}

/** What a task has written is for its owner, and for operators. @throws AppError `not_found`, `not_permitted` */
export async function refuseOthersLog(
  store: Pick<Store, 'task'>,
  idText: string,
  caller: Actor,
): Promise<void> {
  const task = await store.task(parseId(idText) ?? 0)
  if (task === null) throw new AppError('not_found', `there is no task ${idText}`)
  refuseOthers(caller, task.owner, `read the output of task ${task.id}`)
}

/** What is wanted of a log besides bytes. */
export type LogWanted = LogViewQuery extends infer Q
  ? Q extends LogViewQuery
    ? Pick<Q, 'type' | 'query'>
    : never
  : never

export interface TaskLogPart extends LogAnswer {
  /** The task has ended: neither the log's bytes nor its size will change. */
  isFinal: boolean
  /** Tells it from another file in its place. */
  file: string
}

export class TaskLog {
  private readonly deps: LogDeps
  private readonly id: number
  private readonly stream: LogStream
  private readonly signal: AbortSignal
  /** It was found in the shared directory. */
  private isShared = false

  constructor(deps: LogDeps, id: number, stream: LogStream, signal: AbortSignal) {
    this.deps = deps
    this.id = id
    this.stream = stream
    this.signal = signal
  }

  /** Bytes from an offset: as soon as there are some, or the task has ended, or after `waitMs`. */
  async read(offset: number, limit: number, waitMs: number): Promise<TaskLogPart> {
    const endMs = performance.now() + waitMs
    for (;;) {
      const leftMs = Math.max(0, Math.round(endMs - performance.now()))
      const answer = await this.readNow(offset, limit, leftMs)
      if (answer !== null) return answer
      if (leftMs === 0 || this.signal.aborted) return nothing(offset, false)
      // it waits for a place, or its node is away
      await this.nextChange(Math.min(leftMs, 1_000))
    }
  }

  /**
   * Lines of the log, or a search in it, from the node where it lies; null: it has to be read here, byte by byte, as it
   * lies in the shared directory, or nowhere, or the node's runner is an older one.
   * `isFinal`: the host knows that the task has ended, so that the runner can be believed that no more will come.
   */
  async view(wanted: LogWanted): Promise<{ view: FromRunnerOf<'log_view'>; isFinal: boolean } | null> {
    const { store, links, sharedDir } = this.deps
    const task = await store.task(this.id)
    if (task === null || !('placement' in task) || task.placement === null) return null
    const { node } = task.placement
    if (!links.canViewLogs(node)) return null
    if (sharedDir !== null && task.attempt > 0) {
      const { isThere } = await readShared(logPath(sharedDir, this.stream, this.id), 0, 0)
      if (isThere) return null
    }
    const isFinal = this.isDone()
    const { attempt } = task
    const query = { taskId: this.id, attempt, stream: this.stream, ...wanted }
    return { view: await links.viewLog(node, query, this.signal), isFinal }
  }

  /** Resolves at the next change of the task, or after `waitMs`. */
  nextChange(waitMs: number): Promise<void> {
    return this.deps.hub.nextChange(this.id, waitMs, this.signal)
  }

  /** null: nothing can be read yet. */
  private async readNow(offset: number, limit: number, leftMs: number): Promise<TaskLogPart | null> {
    // where it was found to be shared it is looked for there alone: who reads all of it asks a thousand times
    const known = this.isShared ? await this.readShared(offset, limit, leftMs) : null
    if (known !== null) return known
    const task = await this.deps.store.task(this.id)
    if (task === null) throw new AppError('not_found', `there is no task ${this.id}`)
    // what an earlier attempt has written is there also while the task waits for the next
    const shared = task.attempt > 0 ? await this.readShared(offset, limit, leftMs) : null
    this.isShared = shared !== null
    return shared ?? this.readOnNode(task, offset, limit, leftMs)
  }

  /** null: it is not there; the node has another shared directory, or none, and tells by the link what it has. */
  private async readShared(offset: number, limit: number, leftMs: number): Promise<TaskLogPart | null> {
    const { sharedDir } = this.deps
    if (sharedDir === null) return null
    const path = logPath(sharedDir, this.stream, this.id)
    // asked before the read: what was written until the end is then in what is read
    const isFinal = this.isDone()
    const part = await readShared(path, offset, limit)
    if (!part.isThere) return null
    const ended = isFinal && part.offset + part.data.length >= part.size
    if (part.data.length > 0 || ended || leftMs === 0) return { ...part, ended, isFinal }
    const options = { waitMs: leftMs, isDone: () => this.isDone(), signal: this.signal, read: readShared }
    const later = await awaitLogPart(path, offset, limit, options)
    return { ...later, isFinal: later.ended }
  }

  private isDone(): boolean {
    return this.deps.cluster.task(this.id) === null
  }

  /** null: nothing can be read yet. */
  private async readOnNode(
    task: Task,
    offset: number,
    limit: number,
    leftMs: number,
  ): Promise<TaskLogPart | null> {
    const { links } = this.deps
    const wasDone = this.isDone()
    if (!('placement' in task) || task.placement === null)
      return isFinal(task.status) ? nothing(offset, true) : null
    const { node } = task.placement
    if (!links.isLinked(node) && leftMs > 0) return null
    const { attempt } = task
    const wanted = { taskId: this.id, attempt, stream: this.stream, limit, waitMs: leftMs }
    const from = offset < 0 ? Math.max(0, offset + (await this.sizeOn(node, attempt))) : offset
    const answer = await links.readLog(node, { ...wanted, offset: from }, this.signal)
    const file = `on ${node}`
    if (!answer.ended || this.isDone()) {
      const isBefore = answer.offset + answer.data.length < answer.size
      return { ...answer, file, isFinal: wasDone && (answer.ended || isBefore) }
    }
    // the runner has not got the start yet, or its report has not come: there may be more
    return answer.data.length > 0 || leftMs === 0 ? { ...answer, ended: false, file, isFinal: false } : null
  }

  /** The link knows no negative offsets. */
  private async sizeOn(node: string, attempt: number): Promise<number> {
    const { id: taskId, stream } = this
    const wanted = { taskId, attempt, stream, offset: 0, limit: 1, waitMs: 0 }
    const { size } = await this.deps.links.readLog(node, wanted, this.signal)
    return size
  }
}

/** Of a log that is not there: not yet, or not at all. */
function nothing(offset: number, isFinal: boolean): TaskLogPart {
  return {
    offset: Math.max(0, offset),
    size: 0,
    data: Buffer.alloc(0),
    ended: isFinal,
    missing: 0,
    isFinal,
    file: '',
  }
}
