/** A TCP proxy between a node and the host that can be cut, one way or both, slowed down and reset. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export type Way = 'both' | 'to_host' | 'to_node'

export class LinkProxy {
  port = 0
  delayMs = 0
  /** What has come and was not passed on yet. */
  waiting = 0
  private cutWay: Way | null = null
  private readonly server: Server
  private readonly pipes = new Set<{ near: Socket; far: Socket }>()

  private constructor(target: { host: string; port: number }) {
    this.server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ ...target, allowHalfOpen: true })
      const pipe = { near, far }
      this.pipes.add(pipe)
      this.carry(near, far, 'to_host')
      this.carry(far, near, 'to_node')
      for (const socket of [near, far]) {
        socket.on('error', () => {})
        socket.on('close', () => {
          this.pipes.delete(pipe)
          // a machine that is cut off learns nothing of the other end either
          if (this.cutWay === null) for (const other of [near, far]) other.destroy()
        })
      }
    })
  }

  static async start(target: { host: string; port: number }): Promise<LinkProxy> {
    const proxy = new LinkProxy(target)
    await new Promise<void>((resolve) => proxy.server.listen(0, target.host, resolve))
    proxy.port = (proxy.server.address() as AddressInfo).port // it listens on TCP
    return proxy
  }

  /** Nothing comes through that way any more, silently. */
  cut(way: Way): void {
    this.cutWay = way
    for (const { near, far } of this.pipes) {
      if (way !== 'to_node') near.pause()
      if (way !== 'to_host') far.pause()
    }
  }

  /** What waited goes on. */
  heal(): void {
    this.cutWay = null
    this.delayMs = 0
    for (const { near, far } of this.pipes) {
      near.resume()
      far.resume()
      if (near.destroyed || far.destroyed) for (const socket of [near, far]) socket.destroy()
    }
  }

  /** Breaks every connection at once. */
  reset(): void {
    for (const { near, far } of this.pipes) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
  }

  close(): void {
    this.server.close()
    for (const { near, far } of this.pipes) for (const socket of [near, far]) socket.destroy()
  }

  private carry(from: Socket, to: Socket, way: Exclude<Way, 'both'>): void {
    if (this.cutWay === way || this.cutWay === 'both') from.pause()
    // in the order in which it came, as TCP has it: also what comes after a slow time waits for what came in it
    let before = Promise.resolve()
    const follow = (action: () => void) => {
      const ripe = this.delayMs === 0 ? null : sleep(this.delayMs, undefined, { ref: false })
      this.waiting += 1
      before = before
        .then(() => ripe)
        .then(() => {
          this.waiting -= 1
          action()
        })
    }
    from.on('data', (data) => follow(() => to.write(data)))
    from.on('end', () => follow(() => to.end()))
  }
}
