/** All links: who may join, what their messages mean for the cluster, and who has been silent for too long. */
import { AppError, unreachable } from '../core/errors.ts'
import type { CertificateIdentity, ShownCertificate } from '../core/joining.ts'
import type { ExecutorInfo } from '../core/node.ts'
import { type HostAttempt, type ReconcileAction, type RunnerAttempt, reconcile } from '../core/reconcile.ts'
import { isNodeName } from '../core/target.ts'
import { type Effect, isHeldTask, type Task, type TaskExit } from '../core/task.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Wire, WireEvents } from '../platform/wire.ts'
import { linkVersion } from '../protocol/link.ts'
import type { Cluster } from './cluster.ts'
import { Copies } from './copies.ts'
import type { Leases } from './leases.ts'
import {
  type FromRunnerOf,
  LinkSession,
  type LogAnswer,
  type LogQuery,
  type LogViewQuery,
} from './link-session.ts'
import type { NodeRecord } from './store/rows.ts'
import type { Store } from './store/store.ts'

export interface LinksDeps {
  cluster: Cluster
  store: Store
  log: Log
  heartbeatMs: number
  /** Between two looks for nodes that have fallen silent. */
  watchMs: number
  silenceFactor: number
  leases: Leases
  clock: Clock
  /** @throws AppError `unavailable`, in words for the task's owner */
  secretsOf: (task: Task) => Promise<Record<string, string>>
}

/** Who wants to know what tasks use. */
export interface UsageSink {
  /** How often runners are to tell it. */
  everyMs: number
  /** What a runner has told. */
  take(runnerId: string, usage: FromRunnerOf<'usage'>): void
}

/** What is asked of whoever keeps credentials. */
export interface LinkCredentials {
  refusalOf(certificate: CertificateIdentity): { code: string; message: string } | null
  runnerOf(nodeId: string): string | null
  shown(certificate: ShownCertificate): Promise<void>
  /** Is there a newer authority than the one that signed this certificate? */
  isBehind(certificate: ShownCertificate): boolean
}

/** How long a runner may take to answer its welcome. */
const helloMs = 10_000

interface Newcomer {
  hello: FromRunnerOf<'hello'>
  /** Takes the end of our patience back. */
  cancel: () => void
  /** The latest that came: what it holds since it was welcomed. null: it has not answered. */
  heartbeat: FromRunnerOf<'heartbeat'> | null
  /** It has said something after its welcome: what an older connection of its runner still brings is older. */
  isLive: boolean
}

/** How often `last seen` is written down while a node is heard. */
const saveSeenMs = 60_000
/** How long a runner may take to answer when its credential is revoked. */
const revokedMs = 300
/** How long a runner may take to answer our goodbye. */
const goodbyeMs = 1_000
/** Tasks of one node that are looked up in the store at a time. */
const looksAtOnce = 500

export class Links {
  private readonly deps: LinksDeps
  private readonly sessions = new Map<string, LinkSession>()
  private readonly open = new Set<LinkSession>()
  /** Those that were welcomed and have not answered that yet. */
  private readonly newcomers = new Map<LinkSession, Newcomer>()
  /** When each node was last heard, by the monotonic clock; at the host's start all get their full time. */
  private readonly heardAt = new Map<string, number>()
  private readonly savedAt = new Map<string, number>()
  /** Attempts that a node's runner holds and this host does not know, told once each. */
  private readonly strangers = new Map<string, ReadonlySet<string>>()
  /** Those of which something is looked up in the store. */
  private readonly lookingUp = new Set<LinkSession>()
  private readonly copies: Copies
  private usageSink: UsageSink | null = null
  private credentials: LinkCredentials | null = null
  /** Takes back the next look. */
  private watch = () => {}
  private watchedAt: number

  constructor(deps: LinksDeps) {
    this.deps = deps
    this.copies = new Copies(deps.clock, (node, reason) => deps.cluster.setProblem(node, 'copy', reason))
    this.watchedAt = deps.clock.monotonic()
    for (const name of deps.cluster.nodes.keys()) this.heardAt.set(name, this.watchedAt)
    this.watchOn()
    deps.cluster.setDispatcher((type, task) => this.dispatch(type, task))
  }

  /** Runners that link from now on are asked what their tasks use. */
  setUsageSink(sink: UsageSink): void {
    this.usageSink = sink
  }

  /** Takes over a connection that was allowed to be a link. */
  take(connect: (events: WireEvents) => Wire, certificate: ShownCertificate | null = null): void {
    const session = new LinkSession(
      connect,
      {
        onHello: (from, hello) => this.join(from, hello),
        onHeartbeat: (from, heartbeat) => this.beat(from, heartbeat),
        onUsage: (from, usage) => this.usage(from, usage),
        onReport: (from, report) => this.report(from, report),
        onHeard: (from) => this.heard(from),
        onClosed: (from, why) => this.left(from, why),
      },
      this.deps.clock,
      certificate,
    )
    this.open.add(session)
  }

  /** Who holds credentials, where machines join by certificates. */
  setCredentials(credentials: LinkCredentials): void {
    this.credentials = credentials
  }

  /** Ends the links of nodes whose credentials hold no more, and tells them why. */
  endRevoked(nodeIds: ReadonlySet<string>, why: string): void {
    for (const session of this.open) {
      if (!nodeIds.has(session.certificate?.nodeId ?? '')) continue
      session.refuse('not_permitted', `${why}: join again with a new invitation (hakuriver join)`, false)
      // one that does not answer our goodbye is not waited for
      this.deps.clock.after(revokedMs, () => session.drop(why))
      void session.gone.then(() => this.endedFor(session.node, why))
    }
  }

  /** It is known that nothing is heard of this node any more: its silence need not be waited for. */
  private endedFor(node: string | null, why: string): void {
    if (node !== null && !this.sessions.has(node)) this.deps.cluster.nodeSilent(node, why)
  }

  /** Ends the links of certificates that another authority has signed than the one that is trusted now. */
  endUntrusted(authority: string): void {
    for (const session of this.open)
      if (session.certificate !== null && session.certificate.authority !== authority)
        session.drop('the authority of its certificate is trusted no more')
  }

  /** Has all nodes make their certificates anew: the authority is being changed. */
  renewAll(): void {
    for (const session of this.open) session.renewCertificate()
  }

  isLinked(node: string): boolean {
    return this.sessions.has(node)
  }

  /**
   * Ends what a node's runner holds and this host does not know; tells what that is.
   * @throws AppError `unavailable` where the node is not linked
   */
  endUnknown(node: string, by: string): number[] {
    const { cluster } = this.deps
    const strangers = cluster.nodes.get(node)?.strangers ?? []
    const session = this.sessions.get(node)
    if (session === undefined)
      throw new AppError('unavailable', `cannot end anything on node ${node}: it is not reachable now`)
    for (const { taskId, attempt } of strangers) {
      cluster.nodeEvent(node, 'unknown_ended', `${by} ended task ${taskId}, which this host does not know`)
      session.kill(taskId, attempt)
    }
    return strangers.map(({ taskId }) => taskId)
  }

  /** @throws AppError `unavailable` where the node is not linked */
  readLog(node: string, query: LogQuery, signal: AbortSignal): Promise<LogAnswer> {
    return this.linked(node).readLog(query, signal)
  }

  /** Does a node's runner give lines of its logs, and search in them? */
  canViewLogs(node: string): boolean {
    return this.sessions.get(node)?.canViewLogs ?? false
  }

  /** Lines of a log, or a search in it. @throws AppError `unavailable` where the node is not linked */
  viewLog(node: string, query: LogViewQuery, signal: AbortSignal): Promise<FromRunnerOf<'log_view'>> {
    return this.linked(node).viewLog(query, signal)
  }

  /** Says goodbye to all runners, and cuts those that do not answer. */
  async close(): Promise<void> {
    this.watch()
    for (const session of this.open) session.close()
    const cancel = this.deps.clock.after(goodbyeMs, () => {
      for (const session of this.open) session.drop('the host stops')
    })
    await Promise.all([...this.open].map((session) => session.gone))
    cancel()
  }

  private linked(node: string): LinkSession {
    const session = this.sessions.get(node)
    if (session !== undefined) return session
    throw new AppError(
      'unavailable',
      `cannot read the log: it lies on node ${node}, which is not reachable now`,
      { details: { node } },
    )
  }

  private join(session: LinkSession, hello: FromRunnerOf<'hello'>): void {
    const { log } = this.deps
    const { node: name, runnerId } = hello
    const refusal = this.certificateRefusal(session, hello) ?? this.refusalOf(hello)
    if (refusal !== null) {
      log.warn({ node: name, runnerId }, `Refused a runner: ${refusal.message}`)
      session.refuse(refusal.code, refusal.message, refusal.retry)
      return
    }
    // what is still on its way of a connection that its runner has given up says no more than this
    this.deps.leases.answering(runnerId)
    const { heartbeatMs, leases, clock } = this.deps
    session.welcome(name, hello, heartbeatMs, leases.leaseMs, this.usageSink?.everyMs)
    const cancel = clock.after(helloMs, () => session.drop('it did not answer the welcome'))
    this.newcomers.set(session, { hello, cancel, heartbeat: null, isLive: false })
  }

  /** A runner has answered its welcome: now it is certain that this connection is the one that it has. */
  private answered(session: LinkSession, newcomer: Newcomer, heartbeat: FromRunnerOf<'heartbeat'>): void {
    const isFirst = newcomer.heartbeat === null
    newcomer.heartbeat = heartbeat
    newcomer.isLive = true
    if (!isFirst) return // it is being looked at
    newcomer.cancel()
    const { hello } = newcomer
    const { node: name, runnerId } = hello
    const others = [...this.sessions.values()].filter((linked) => linked !== session)
    this.copies.check(hello, others, (problem) => {
      if (!session.isOpen) return
      this.newcomers.delete(session)
      const refusal =
        problem === null ? this.refusalOf(hello) : { code: 'conflict', message: problem, retry: false }
      if (refusal === null) return this.accept(session, newcomer)
      this.deps.log.warn({ node: name, runnerId }, `Refused a runner: ${refusal.message}`)
      session.refuse(refusal.code, refusal.message, refusal.retry)
    })
  }

  private accept(session: LinkSession, { hello, heartbeat }: Newcomer): void {
    const { cluster, log } = this.deps
    const { node: name, runnerId, bootId } = hello
    this.sessions.get(name)?.drop('its runner has linked again')
    this.sessions.set(name, session)
    const before = cluster.nodes.get(name)?.record
    const { capacity, runnerVersion } = hello
    const executor = withSecrets(hello.executor, session.takesSecrets)
    const record: NodeRecord = {
      name,
      runnerId,
      bootId,
      capacity,
      executor,
      runnerVersion,
      status: 'online',
      lastSeenMs: this.deps.clock.now(),
      drained: before?.drained ?? null,
    }
    cluster.nodeLinked(record, arrivalOf(before, record))
    for (const { taskId } of hello.attempts) cluster.avoidId(Number(taskId))
    this.heard(session)
    log.info({ node: name, executor: executor.name, cores: capacity.cores }, 'A node has linked')
    this.noteCertificate(session)
    if (heartbeat !== null) this.beat(session, heartbeat)
  }

  /** A certificate is for one node and one runner's state directory, and holds until it is revoked. */
  private certificateRefusal(
    { certificate }: LinkSession,
    { node, runnerId }: FromRunnerOf<'hello'>,
  ): { code: string; message: string; retry: boolean } | null {
    if (certificate === null || this.credentials === null) return null
    const refuse = (code: string, message: string) => ({ code, message, retry: false })
    const refusal = this.credentials.refusalOf(certificate)
    if (refusal !== null) return refuse(refusal.code, refusal.message)
    if (certificate.node !== node)
      return refuse(
        'not_permitted',
        `the certificate is of node ${certificate.node}, and this runner calls itself ${node}: set runner.name to ${certificate.node}, or join again as ${node}`,
      )
    if (this.credentials.runnerOf(certificate.nodeId) === runnerId) return null
    return refuse(
      'not_permitted',
      `the certificate of node ${node} was made for another runner: join again on this machine (hakuriver join)`,
    )
  }

  private refusalOf(hello: FromRunnerOf<'hello'>): { code: string; message: string; retry: boolean } | null {
    const { node, version, runnerId } = hello
    if (version > linkVersion || version < linkVersion - 1) {
      const older = version > linkVersion ? 'host' : 'runner'
      const message = `the runner speaks version ${version} of the link and this host ${linkVersion}: upgrade the ${older}`
      return { code: 'version', message, retry: false }
    }
    if (!isNodeName(node))
      return { code: 'invalid_request', message: `"${node}" cannot be the name of a node`, retry: false }
    const linked = this.sessions.get(node)
    // a silent one is gone without a word, and its connection may never tell
    const isSilent = this.deps.cluster.nodes.get(node)?.record.status === 'unreachable'
    if (linked !== undefined && linked.runnerId !== runnerId && !isSilent) {
      const message = `another runner is linked as ${node}: give this one another name (--name)`
      return { code: 'conflict', message, retry: false }
    }
    return null
  }

  private noteCertificate(session: LinkSession): void {
    const { certificate } = session
    if (certificate === null || this.credentials === null) return
    this.credentials.shown(certificate).catch((error: unknown) => {
      this.deps.log.warn(
        { node: session.node, error: String(error) },
        'Cannot save which certificate a node has',
      )
    })
    if (this.credentials.isBehind(certificate)) session.renewCertificate()
  }

  private beat(session: LinkSession, heartbeat: FromRunnerOf<'heartbeat'>): void {
    const newcomer = this.newcomers.get(session)
    if (newcomer !== undefined) return this.answered(session, newcomer, heartbeat)
    const node = this.deps.cluster.nodes.get(session.node ?? '')
    if (node === undefined || this.sessions.get(node.record.name) !== session) return
    if (this.isOvertaken(session)) return
    node.load = heartbeat.load
    node.loadAtMs = this.deps.clock.monotonic()
    this.deps.cluster.setProblem(node.record.name, 'runner', heartbeat.problem ?? null)
    if (heartbeat.beat !== undefined) {
      this.deps.leases.answering(session.runnerId)
      session.answer(heartbeat.beat)
    }
    this.compareLater(session, heartbeat.attempts)
  }

  private usage(session: LinkSession, usage: FromRunnerOf<'usage'>): void {
    if (session.node === null || this.sessions.get(session.node) !== session || this.isOvertaken(session))
      return
    this.usageSink?.take(session.runnerId, usage)
  }

  /** Does the runner of this connection speak on a newer one, which is not taken in yet? */
  private isOvertaken({ runnerId }: LinkSession): boolean {
    return [...this.newcomers.values()].some(({ hello, isLive }) => isLive && hello.runnerId === runnerId)
  }

  private report(session: LinkSession, report: FromRunnerOf<'report'>): void {
    const { cluster } = this.deps
    const newcomer = this.newcomers.get(session)
    if (newcomer !== undefined) newcomer.isLive = true
    const taskId = Number(report.taskId)
    const { attempt, event, seq } = report
    const task = cluster.task(taskId)
    // after a restored backup another runner may hold the same attempt as well: it is not asked
    if (task !== null && isHeldTask(task) && task.dispatchedTo.runnerId === session.runnerId) {
      if (event.type === 'started')
        cluster.apply(taskId, { type: 'started', attempt, startedAtMs: event.startedAtMs })
      else cluster.apply(taskId, { type: 'exited', attempt, exit: event.exit })
    }
    if (event.type === 'exited') session.forget(taskId, attempt)
    // acknowledgements are cumulative: one per commit says it all
    cluster.afterCommit(() => session.ack(seq), session)
  }

  /**
   * Compares what the runner holds with what the host believes at this moment: both are as of the same point in
   * the link's order. What the host does not have in memory is looked up in between.
   */
  private compareLater(session: LinkSession, held: FromRunnerOf<'heartbeat'>['attempts']): void {
    const name = session.node
    if (name === null) return
    const attempts = held.map((attempt) => ({ ...attempt, taskId: Number(attempt.taskId) }))
    this.deps.cluster.setStuck(name, attempts)
    const believed = this.deps.cluster.attemptsOn(name)
    const strange = attempts.filter(
      ({ taskId, phase }) => phase !== 'ended' && this.deps.cluster.task(taskId) === null,
    )
    // before anything new is placed there
    this.deps.cluster.setUncounted(name, strange)
    if (strange.length === 0) return this.compare(session, name, believed, attempts, new Set())
    // one at a time: the next heartbeat says it again
    if (this.lookingUp.has(session)) return
    this.lookingUp.add(session)
    this.knownOf(strange.map(({ taskId }) => taskId))
      .then(
        (known) => this.compare(session, name, believed, attempts, known),
        (error: unknown) =>
          this.deps.log.error({ node: name, error: String(error) }, 'Cannot compare a node with the store'),
      )
      .finally(() => this.lookingUp.delete(session))
  }

  /** Those of these tasks that this host has known and that have ended. */
  private async knownOf(ids: readonly number[]): Promise<Set<number>> {
    const known = new Set<number>()
    for (let from = 0; from < ids.length; from += looksAtOnce) {
      const some = ids.slice(from, from + looksAtOnce)
      const tasks = await Promise.all(some.map((id) => this.deps.store.task(id)))
      tasks.forEach((task, at) => {
        const id = some[at]
        if (id !== undefined && !isBeyond(task)) known.add(id)
      })
    }
    return known
  }

  private compare(
    session: LinkSession,
    name: string,
    believed: HostAttempt[],
    attempts: RunnerAttempt[],
    ended: ReadonlySet<number>,
  ): void {
    if (this.sessions.get(name) !== session) return
    const { cluster } = this.deps
    const record = cluster.nodes.get(name)?.record
    if (record === undefined) return
    const identity = { runnerId: record.runnerId, bootId: record.bootId }
    const isKnown = (taskId: number) => cluster.task(taskId) !== null || ended.has(taskId)
    const unknown = new Set<string>()
    const strangers: { taskId: number; attempt: number }[] = []
    const strays: number[] = []
    for (const action of reconcile(name, believed, { identity, attempts }, isKnown)) {
      if (action.do === 'unknown') {
        unknown.add(`${action.taskId}/${action.attempt}`)
        strangers.push({ taskId: action.taskId, attempt: action.attempt })
      }
      const isStray = action.do === 'kill' && !believed.some(({ taskId }) => taskId === action.taskId)
      if (isStray) strays.push(action.taskId)
      this.carryOut(session, name, action)
    }
    // what they hold is not to be given away: nobody counts it any more
    const [stray] = strays
    const words = `task ${stray}, which has ended here, still runs there and is being ended`
    cluster.setProblem(name, 'stray', stray === undefined ? null : words)
    this.strangers.set(name, unknown)
    const node = cluster.nodes.get(name)
    if (node !== undefined) node.strangers = strangers
  }

  private carryOut(session: LinkSession, name: string, action: ReconcileAction): void {
    const { cluster, log } = this.deps
    // while the disk takes nothing every heartbeat says the same again
    const key = 'attempt' in action ? `${action.do} ${name} ${action.taskId}/${action.attempt}` : undefined
    switch (action.do) {
      case 'apply':
        cluster.apply(action.taskId, action.event)
        return
      case 'start':
        cluster.afterCommit(() => {
          const task = cluster.task(action.taskId)
          if (task?.status === 'assigning' && task.attempt === action.attempt) this.start(session, task)
        }, key)
        return
      case 'kill':
        cluster.afterCommit(() => session.kill(action.taskId, action.attempt), key)
        return
      case 'unknown': {
        if (this.strangers.get(name)?.has(`${action.taskId}/${action.attempt}`)) return
        log.warn(
          { node: name, taskId: action.taskId },
          'A runner holds a task that this host does not know; left alone',
        )
        cluster.nodeEvent(name, 'unknown_task', `holds task ${action.taskId}, which this host does not know`)
        return
      }
      default:
        unreachable(action)
    }
  }

  private dispatch(type: Effect['type'], task: Task): void {
    if (!isHeldTask(task)) return
    const session = this.sessions.get(task.placement.node)
    if (type === 'dispatch' && task.status === 'assigning' && session !== undefined) this.start(session, task)
    if (type === 'signal') session?.kill(task.id, task.attempt)
  }

  /** Orders a start. What has secrets is sent once they are opened, if it is still to be started then. */
  private start(session: LinkSession, task: Extract<Task, { status: 'assigning' }>): void {
    if (task.spec.sealed === undefined) return session.start(task)
    if (session.hasStarted(task)) return
    const { cluster, secretsOf, log } = this.deps
    const stillToStart = () => {
      const now = cluster.task(task.id)
      const isCurrent = this.sessions.get(task.placement.node) === session
      return now?.status === 'assigning' && now.attempt === task.attempt && isCurrent
    }
    secretsOf(task)
      .then((secrets) => {
        if (!stillToStart()) return
        if (session.takesSecrets) return session.start(task, secrets)
        throw new AppError('unavailable', `the runner of ${session.node} is too old for secrets: upgrade it`)
      })
      .catch((error: unknown) => {
        if (!(error instanceof AppError)) log.error({ taskId: task.id }, 'Cannot read the secrets of a task')
        const why = error instanceof AppError ? error.message : 'its secrets cannot be read now'
        if (stillToStart() && !session.hasStarted(task)) this.failStart(task, why)
      })
  }

  /** It was sent nowhere. */
  private failStart({ id, attempt }: Task, reason: string): void {
    const { cluster, clock } = this.deps
    const exit: TaskExit = {
      cause: 'launch_failed',
      exitCode: null,
      signal: null,
      startedAtMs: null,
      endedAtMs: clock.now(),
      cpuTimeMs: null,
      peakMemoryBytes: null,
      reason,
    }
    cluster.apply(id, { type: 'exited', attempt, exit })
  }

  private heard(session: LinkSession): void {
    const name = session.node
    if (name === null || this.sessions.get(name) !== session) return
    this.copies.heard(session)
    const { cluster, clock } = this.deps
    const at = clock.monotonic()
    this.heardAt.set(name, at)
    const node = cluster.nodes.get(name)
    if (node === undefined) return
    node.record = { ...node.record, lastSeenMs: clock.now() }
    if (node.record.status === 'unreachable') {
      // it was silent, but the link held
      this.savedAt.set(name, at)
      cluster.nodeLinked({ ...node.record, status: 'online' }, 'online')
      return
    }
    if (at - (this.savedAt.get(name) ?? Number.NEGATIVE_INFINITY) < saveSeenMs) return
    this.savedAt.set(name, at)
    cluster.saveNode(node.record)
  }

  private left(session: LinkSession, why: string): void {
    this.open.delete(session)
    this.newcomers.get(session)?.cancel()
    this.newcomers.delete(session)
    const name = session.node
    if (name === null || this.sessions.get(name) !== session) return
    this.sessions.delete(name)
    this.deps.log.warn({ node: name, why }, 'The link to a node is down')
    this.deps.cluster.nodeUnlinked(name)
  }

  private watchOn(): void {
    this.watch = this.deps.clock.after(this.deps.watchMs, () => {
      this.watchOn()
      this.findSilent()
      this.endExpired()
      this.deps.leases.endThoseOver()
      this.copies.forgetOld()
    })
  }

  /** A certificate that was not renewed in time ends its link as well. */
  private endExpired(): void {
    const nowMs = this.deps.clock.now()
    for (const session of this.open)
      if (session.certificate !== null && session.certificate.expiresAtMs <= nowMs)
        session.drop('its certificate is over')
  }

  /** A node that has said nothing for too long is unreachable. A pause of our own is not its silence. */
  private findSilent(): void {
    const { cluster, heartbeatMs, watchMs, silenceFactor, clock } = this.deps
    const at = clock.monotonic()
    const pauseMs = at - this.watchedAt - watchMs
    this.watchedAt = at
    if (pauseMs > Math.max(heartbeatMs, watchMs))
      for (const [name, heard] of this.heardAt) this.heardAt.set(name, Math.min(at, heard + pauseMs))
    const limitMs = heartbeatMs * silenceFactor
    for (const [name, { record }] of cluster.nodes) {
      const silentMs = at - (this.heardAt.get(name) ?? at)
      if (record.status !== 'online' || silentMs <= limitMs) continue
      this.deps.log.warn(
        { node: name, silentMs: Math.round(silentMs) },
        'A node is silent: its tasks are unreachable',
      )
      cluster.nodeSilent(name, `no heartbeat for ${Math.round(limitMs / 1000)} s`)
    }
  }
}

/**
 * Does an attempt of it tell of a time that this host does not know? Of a task that it has never seen, or that was still
 * waiting when the backup was made from which it was restored.
 */
function isBeyond(task: Task | null): boolean {
  return task === null || (task.status === 'lost' && task.placement === null)
}

/** What the executor gives, and whether its runner takes secrets. */
function withSecrets(executor: ExecutorInfo, takesSecrets: boolean): ExecutorInfo {
  const { secrets: _, ...features } = executor.features
  return { ...executor, features: takesSecrets ? { ...features, secrets: true } : features }
}

/** What to tell of a node that has linked; null: it was only away for a moment. */
function arrivalOf(before: NodeRecord | undefined, now: NodeRecord): string | null {
  if (before === undefined) return 'joined'
  if (before.runnerId !== now.runnerId) return 'replaced'
  if (before.bootId !== now.bootId) return 'rebooted'
  return before.status === 'unreachable' ? 'online' : null
}
