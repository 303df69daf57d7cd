/**
 * Writes who did what: one row for each call that changes something, done or refused, and its answer goes out only when
 * the row is on disk. What nobody known has tried is counted rather than written row by row, so that it fills no disk.
 */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AuditEntry } from '../core/audit.ts'
import { AppError, errorTable } from '../core/errors.ts'
import { parseId } from '../core/id.ts'
import { mayTouch } from '../core/roles.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { EndpointName, Input, Output } from '../protocol/host-api.ts'
import type { Gate } from './access.ts'
import { type AuditedAs, auditRules, isMutating } from './audit-rules.ts'
import type { Caller } from './caller.ts'
import { asAppError } from './http-error.ts'
import { RefusedCalls } from './refused-calls.ts'
import type { Store } from './store/store.ts'

declare module 'fastify' {
  interface FastifyContextConfig extends AuditedAs {}
}

export interface AuditDeps {
  /** Resolves when it is on disk. */
  write: (entry: AuditEntry) => Promise<void>
  store: Pick<Store, 'taskOwner' | 'auditHead'>
  gate: Pick<Gate, 'admit'>
  clock: Clock
  log: Log
}

/** A call that is going on. */
interface Call {
  caller: Caller | null
  target: readonly string[]
  details: AuditEntry['details']
  /** Its row is on disk, or was tried to be written. */
  isDone: boolean
}

/** A look at somebody else's task is told once in so long a time, however often a page asks again. */
const readAgainMs = 3_600_000
const mostReads = 10_000

export class Audit {
  private readonly deps: AuditDeps
  private readonly calls = new WeakMap<FastifyRequest, Call>()
  /** When each look at somebody else's task may be told again, oldest first. */
  private readonly reads = new Map<string, number>()
  private readonly refused: RefusedCalls

  constructor(deps: AuditDeps) {
    this.deps = deps
    this.refused = new RefusedCalls(deps)
  }

  /** Tells in the program's log where the chain has come to: a hash that is kept elsewhere. */
  async tellHead(when: 'start' | 'stop'): Promise<void> {
    const { seq, hash } = await this.deps.store.auditHead()
    this.deps.log.info({ when, seq, hash }, 'Last row of the log of who did what')
  }

  async close(): Promise<void> {
    await this.refused.close()
    await this.tellHead('stop')
  }

  /** Takes part in all requests of a server. Before its routes are added: one of those without a rule is an error. */
  watch(app: FastifyInstance): void {
    app.addHook('onRoute', (route) => {
      const { method, url, config } = route
      const isReading = [method].flat().every((each) => each === 'GET' || each === 'HEAD')
      if (!isReading && config?.audit === undefined)
        throw new Error(`the route ${String(method)} ${url} says nothing of how it is audited`)
      // only where there is something to do: most calls of a busy host are others
      if (config?.auditRead !== undefined || config?.audit === 'endSession')
        route.preHandler = [
          route.preHandler ?? [],
          (request: FastifyRequest) => this.beforeCall(request),
        ].flat()
      if (config?.audit != null)
        route.onSend = [
          route.onSend ?? [],
          (request: FastifyRequest, reply: FastifyReply, payload: unknown) =>
            this.beforeAnswer(request, reply, payload),
        ].flat()
    })
  }

  /** Does what an endpoint does, and keeps for its row what that was about. */
  async call<N extends EndpointName>(
    request: FastifyRequest,
    name: N,
    input: Input<N>,
    caller: Caller,
    act: (caller: Caller) => Promise<Output<N>>,
  ): Promise<Output<N>> {
    if (!isMutating(name) || auditRules[name] === null) return act(caller)
    const call = this.callOf(request)
    if (caller.via !== 'nobody') call.caller = caller
    const describe = (answer: Output<N> | null) => describeCall(call, name, input, answer)
    describe(null)
    const { action } = asked(request)
    const ticket = {
      entryFor: (answer: unknown) => {
        describe(answer as Output<N>) // of this endpoint
        return this.entryOf(request, call, action, 'ok')
      },
      written: () => {
        call.isDone = true
      },
    }
    const answer = await act({ ...caller, audit: ticket })
    if (!call.isDone) describe(answer)
    return answer
  }

  private callOf(request: FastifyRequest): Call {
    const call = this.calls.get(request) ?? { caller: null, target: [], details: {}, isDone: false }
    this.calls.set(request, call)
    return call
  }

  private async beforeCall(request: FastifyRequest): Promise<void> {
    const { audit, auditRead } = request.routeOptions.config
    // who logs out is nobody afterwards
    if (audit === 'endSession') this.callOf(request).caller = this.identify(request)
    if (auditRead !== undefined) await this.beforeRead(request, auditRead)
  }

  /** Where somebody looks at a task of another user, that is written first. */
  private async beforeRead(request: FastifyRequest, action: string): Promise<void> {
    const named = targetIn(request)
    const caller = this.identify(request)
    if (caller === null) return
    const owner = named === null ? null : await this.deps.store.taskOwner(parseId(named) ?? 0)
    // a list of tasks has those of everybody; what may not be touched is not shown
    if (named !== null && (owner === null || owner === caller.name)) return
    if (!mayTouch(caller, owner ?? '')) return
    const key = JSON.stringify([caller.name, caller.token?.id, named, action])
    const nowMs = this.deps.clock.monotonic()
    if ((this.reads.get(key) ?? 0) > nowMs) return
    const details = owner === null ? {} : { owner }
    const call: Call = { caller, target: named === null ? [] : [named], details, isDone: true }
    await this.deps.write(this.entryOf(request, call, action, 'ok'))
    this.reads.delete(key)
    this.reads.set(key, nowMs + readAgainMs)
    const [oldest] = this.reads.keys()
    if (this.reads.size > mostReads && oldest !== undefined) this.reads.delete(oldest)
  }

  /** @returns the answer, or in its place why it cannot be had */
  private async beforeAnswer(
    request: FastifyRequest,
    reply: FastifyReply,
    payload: unknown,
  ): Promise<unknown> {
    const { action } = asked(request)
    const call = this.callOf(request)
    if (call.isDone) return payload
    call.isDone = true
    const named = targetIn(request)
    if (call.target.length === 0 && named !== null) call.target = [named]
    const result = resultOf(reply.statusCode)
    if (call.caller === null && !isAnonymous(result)) call.caller = this.identify(request)
    const isKnown = call.caller !== null || result === 'ok'
    try {
      if (isKnown) await this.deps.write(this.entryOf(request, call, action, result))
      else await this.refused.take(this.entryOf(request, call, action, result))
      return payload
    } catch (error) {
      return refuseUnwritten(asAppError(error), payload, request, reply)
    }
  }

  /** Who calls, whatever it is that he may do; null: nobody that is known. */
  private identify(request: FastifyRequest): Caller | null {
    const { method, headers, socket, ip: address } = request
    try {
      return this.deps.gate.admit('check', { method, headers, socket, address })
    } catch (error) {
      if (error instanceof AppError) return null
      throw error
    }
  }

  private entryOf(request: FastifyRequest, call: Call, action: string, result: string): AuditEntry {
    const { caller, target, details } = call
    return {
      atMs: this.deps.clock.now(),
      who: caller?.name ?? null,
      // what a node may do is said by its certificate
      role: caller === null || caller.name.startsWith('node ') ? null : caller.role,
      token: caller?.token == null ? null : String(caller.token.id),
      via: caller?.via ?? 'nobody',
      address: request.ip,
      action,
      target,
      details,
      result,
    }
  }
}

/** What the path names; null: nothing. */
function targetIn({ params }: FastifyRequest): string | null {
  const { id, task_id: seedId, name } = params as Record<string, string | undefined>
  return id ?? seedId ?? name ?? null
}

/** What an answer brings is not to be had without its row: neither a token nor a login nor a backup. */
function refuseUnwritten(
  { code, message }: AppError,
  payload: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): string {
  if (payload instanceof Readable) payload.destroy()
  for (const header of ['set-cookie', 'content-encoding', 'content-length', 'vary'])
    reply.removeHeader(header)
  reply.code(errorTable[code].http).header('content-type', 'application/json; charset=utf-8')
  const isSeed = asked(request).action.startsWith('seed')
  return JSON.stringify(isSeed ? { detail: message } : { code, message, requestId: request.id })
}

function asked({ routeOptions }: FastifyRequest): { action: string } {
  return { action: routeOptions.config?.audit ?? '' }
}

function describeCall<N extends EndpointName>(
  call: Call,
  name: N,
  input: Input<N>,
  answer: Output<N> | null,
): void {
  const rule = (isMutating(name) ? auditRules[name] : null) as RuleOf<N> | null // the table has each name's own
  if (rule === null) return
  call.target = rule.target(input, answer)
  call.details = rule.details?.(input, answer) ?? {}
  const who = answer === null || call.caller !== null ? undefined : rule.who?.(answer)
  if (who?.name != null) {
    const role = (who.role ?? 'viewer') as Caller['role'] // the answer's own word
    call.caller = { name: who.name, role, via: 'nobody', token: null }
  }
}

interface RuleOf<N extends EndpointName> {
  target: (input: Input<N>, answer: Output<N> | null) => readonly string[]
  details?: (input: Input<N>, answer: Output<N> | null) => AuditEntry['details']
  who?: (answer: Output<N>) => { name: string | null; role: string | null }
}

const codeOfStatus = new Map<number, string>(
  Object.entries(errorTable).map(([code, { http }]) => [http, code]),
)

function resultOf(status: number): string {
  return status < 400 ? 'ok' : (codeOfStatus.get(status) ?? `http_${status}`)
}

/** Such a refusal is one of somebody who has not shown who he is, or one of many of his tries. */
function isAnonymous(result: string): boolean {
  return result === 'unauthenticated' || result === 'wrong_host'
}
