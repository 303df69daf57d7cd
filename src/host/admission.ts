/** Who calls in each request, from its headers on; what goes on is cut off where what he came by ends. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../core/errors.ts'
import type { Access } from '../protocol/host-api.ts'
import type { Gate } from './access.ts'
import { type Caller, nobody } from './caller.ts'

/** Lets a request go on. @throws AppError `unauthenticated`, `not_permitted`, `too_many` */
export type Admit = (access: Access, request: FastifyRequest, reply: FastifyReply) => Caller

export class Admissions {
  private readonly gate: Gate
  private readonly callers = new WeakMap<FastifyRequest, Caller & { signal: AbortSignal }>()

  constructor(gate: Gate) {
    this.gate = gate
  }

  /** Before the body is read: one that comes slowly must not outlive what it came by. */
  readonly admit = (
    access: Access,
    request: FastifyRequest,
    reply: FastifyReply,
    options: { sessions?: boolean } = {},
  ): Caller => {
    const { method, headers, socket, ip: address } = request
    const caller = this.gate.admit(access, { method, headers, socket, address }, options)
    const gone = new AbortController()
    const letGo = this.gate.onEnd(caller, () => {
      gone.abort()
      reply.raw.destroy()
    })
    reply.raw.once('close', () => {
      letGo()
      gone.abort()
    })
    const admitted = { ...caller, signal: gone.signal, stay: letGo }
    this.callers.set(request, admitted)
    return admitted
  }

  /** After `admit`. @throws AppError where what he came by has ended since */
  callerOf(request: FastifyRequest): Caller & { signal: AbortSignal } {
    const caller = this.callers.get(request) ?? { ...nobody, signal: AbortSignal.abort() }
    if (caller.signal.aborted)
      throw new AppError('unauthenticated', 'the token or login by which this came has ended meanwhile')
    return caller
  }
}
