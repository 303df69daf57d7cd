/** Who has how much of a thing. */
import type { Socket } from 'node:net'
import { normalizeIP } from '@fastify/rate-limit'

const keys = new WeakMap<Socket, string>()

/** One name for all addresses of one machine or home: of IPv6 the first 64 bits (RFC 6177). */
export function networkOf(address: string): string {
  return normalizeIP(address)
}

/** The same for whoever is at the other end. */
export function addressOf(socket: Socket): string {
  let key = keys.get(socket)
  if (key === undefined) {
    key = networkOf(socket.remoteAddress ?? '')
    keys.set(socket, key)
  }
  return key
}

/** Counts what many hold of a thing, each up to its share. */
export class Counts {
  private readonly held = new Map<string, number>()

  /** Takes so many for somebody. false: that would be more than its share, and nothing was taken. */
  take(who: string, most: number, count = 1): boolean {
    const now = (this.held.get(who) ?? 0) + count
    if (now > most) return false
    this.held.set(who, now)
    return true
  }

  /** Gives them back. */
  release(who: string, count = 1): void {
    const left = (this.held.get(who) ?? 0) - count
    if (left > 0) this.held.set(who, left)
    else this.held.delete(who)
  }
}
