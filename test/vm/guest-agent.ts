/**
 * Speaks to the agent in the virtual machine over the socket that qemu has for it: JSON lines, answered in order
 * (QEMU Guest Agent Protocol Reference). It works also where the machine has no network.
 */
import { createConnection, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor, withDeadline } from '../../src/platform/wait.ts'

export interface Output {
  /** Exit code; 128 and the number of the signal where one ended it. */
  code: number
  stdout: string
  stderr: string
}

interface ExecStatus {
  exited: boolean
  exitcode?: number
  signal?: number
  'out-data'?: string
  'err-data'?: string
}

interface Answer {
  return?: unknown
  error?: { desc: string }
}

/** An emulated machine may take this long for one answer while it is busy. */
const answerMs = 60_000
/** The byte before which the agent's parser, and ours, forgets what came. */
const reset = 0xff

export class GuestAgent {
  private readonly socket: Socket
  private readonly waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = []
  private readonly syncId = Math.round(Math.random() * 1e9) + 1
  private readonly heard = Promise.withResolvers<void>()
  private isInSync = false
  private rest = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (data) => this.onData(data))
    socket.on('error', (error) => this.fail(error))
    socket.on('close', () => this.fail(new Error('the virtual machine is gone')))
  }

  /** Resolves when the agent answers: some time after the machine was switched on. */
  static async open(path: string, deadlineMs: number): Promise<GuestAgent> {
    const agent = new GuestAgent(createConnection(path))
    try {
      await waitFor('the agent in the virtual machine', () => agent.isThere(), { deadlineMs })
      // some of the questions may be waiting there still: their answers come before this one
      await agent.ask('guest-sync', { id: agent.syncId })
    } catch (error) {
      agent.close()
      throw error
    }
    return agent
  }

  /** Runs a command as root; its exit code is told, not thrown. */
  async exec(argv: readonly string[], deadlineMs: number): Promise<Output> {
    const [path, ...arg] = argv
    const env = [
      'PATH=/opt/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOME=/root',
      'LANG=C.UTF-8',
    ]
    const started = await this.ask('guest-exec', { path, arg, env, 'capture-output': true })
    const { pid } = started as { pid: number } // by the protocol
    const end = Date.now() + deadlineMs
    for (let waitMs = 20; ; waitMs = Math.min(waitMs * 1.5, 400)) {
      const status = (await this.ask('guest-exec-status', { pid })) as ExecStatus
      if (status.exited) {
        const code = status.signal === undefined ? (status.exitcode ?? 255) : 128 + status.signal
        return { code, stdout: text(status['out-data']), stderr: text(status['err-data']) }
      }
      if (Date.now() > end) throw new Error(`"${argv.join(' ')}" took longer than ${deadlineMs / 1000} s`)
      await delay(waitMs)
    }
  }

  close(): void {
    this.socket.destroy()
  }

  /** What is sent before it listens may be lost, so it may have to be asked more than once. */
  private isThere(): Promise<boolean> {
    this.send('guest-sync-delimited', { id: this.syncId - 1 }, [reset])
    return Promise.race([this.heard.promise.then(() => true), delay(2_000, false)])
  }

  private async ask(execute: string, args: object): Promise<unknown> {
    const answered = new Promise<Answer>((resolve, reject) => this.waiting.push({ resolve, reject }))
    this.send(execute, args)
    const answer = await withDeadline(answered, answerMs, `an answer to ${execute}`)
    if (answer.error !== undefined) throw new Error(`${execute}: ${answer.error.desc}`)
    return answer.return
  }

  private send(execute: string, args: object, before: number[] = []): void {
    const line = `${JSON.stringify({ execute, arguments: args })}\n`
    this.socket.write(Buffer.concat([Buffer.from(before), Buffer.from(line)]))
  }

  private onData(data: Buffer): void {
    this.rest = Buffer.concat([this.rest, data])
    for (let end = this.rest.indexOf(10); end >= 0; end = this.rest.indexOf(10)) {
      const line = this.rest.subarray(0, end)
      this.rest = this.rest.subarray(end + 1)
      const answer = JSON.parse(line.subarray(line.lastIndexOf(reset) + 1).toString()) as Answer
      if (answer.return === this.syncId) this.isInSync = true
      if (this.isInSync) this.waiting.shift()?.resolve(answer)
      else if (answer.return === this.syncId - 1) this.heard.resolve()
    }
  }

  private fail(error: Error): void {
    for (const { reject } of this.waiting.splice(0)) reject(error)
  }
}

function text(base64: string | undefined): string {
  return base64 === undefined ? '' : Buffer.from(base64, 'base64').toString()
}
