/** The lab from tests: boots machines, runs programs and services in them, and breaks things. */
import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('lab.sh', import.meta.url))
/** Long enough for machines to boot on a busy computer; nothing else takes long. */
const commandMs = 90_000

export interface Output {
  /** Exit code of the command; 128 and the number of the signal where one ended it, 255 where it took too long. */
  code: number
  stdout: string
  stderr: string
}

export interface LabOptions {
  nodes: number
  /** Several labs may be up at once, each with an id and a /24 of its own; LAB_ID and LAB_NET come before. */
  id?: string
  /** The first three numbers. */
  net?: string
}

export interface ExecOptions {
  /** Variables on top of the few that every command in a machine has. */
  env?: Readonly<Record<string, string>>
  /** Runs as this user of the machine, not as root. */
  user?: string
  /** What it reads from its standard input. */
  input?: string
  timeoutMs?: number
}

export interface SpawnOptions {
  env?: Readonly<Record<string, string>>
}

/** Boots node1 … nodeN; resolves when systemd has finished starting in each. */
export function startLab(options: LabOptions): Promise<Lab> {
  return Lab.start(options)
}

export class Lab {
  /** Address of this computer on the lab's network. */
  readonly hostAddress: string
  /** The same. */
  readonly address: string
  /** Holds all that the lab has on disk; gone after `close`. */
  readonly dir: string
  /** `/shared` of all machines, as seen from here. */
  readonly sharedDir: string
  private readonly env: Record<string, string>
  private spawned = 0

  private constructor(options: LabOptions) {
    // who tests beside others on one computer gives all of them another name
    const { LAB_ID: id = options.id ?? 'hr', LAB_NET: net = options.net ?? '10.77.0' } = process.env
    this.dir = `/var/tmp/hakuriver-lab-${id}`
    this.hostAddress = `${net}.1`
    this.address = this.hostAddress
    this.sharedDir = join(this.dir, 'shared')
    this.env = { LAB_ID: id, LAB_NET: net, LAB_DIR: this.dir, LAB_OWNER_PID: String(process.pid) }
  }

  /** What `startLab` does. */
  static async start(options: LabOptions): Promise<Lab> {
    const lab = new Lab(options)
    try {
      await lab.run('up', String(options.nodes))
    } catch (error) {
      await lab.close().catch(() => {})
      throw error
    }
    return lab
  }

  /** `/scratch` of a machine, as seen from here. */
  scratchOf(node: string): string {
    return join(this.dir, 'nodes', node, 'scratch')
  }

  /** Runs a command as root in a machine; its exit code is told, not thrown. */
  exec(node: string, argv: readonly string[], options?: ExecOptions): Promise<Output>
  /** The same with the words one by one. */
  exec(node: string, ...argv: string[]): Promise<Output>
  exec(node: string, ...rest: [readonly string[], (ExecOptions | undefined)?] | string[]): Promise<Output> {
    const [first, second] = rest
    if (first === undefined || typeof first === 'string')
      return this.call(['exec', node, '--', ...(rest as string[])])
    const { env, user, ...how } = (second ?? {}) as ExecOptions
    const as = user === undefined ? [] : ['runuser', '-u', user, '--']
    return this.call(['exec', node, '--', ...as, ...withEnv(env), ...first], how)
  }

  /** Runs a shell command that has to succeed. @returns what it printed */
  async sh(node: string, command: string): Promise<string> {
    const { code, stdout, stderr } = await this.exec(node, ['sh', '-c', command])
    if (code !== 0) throw new Error(`"${command}" in ${node} ended with ${code}: ${stderr}`)
    return stdout
  }

  /** Starts a program of which nothing but its machine, or a signal, is the end; resolves when it has a process id. */
  async spawn(node: string, argv: readonly string[], options: SpawnOptions = {}): Promise<LabProcess> {
    this.spawned += 1
    const log = join(this.dir, 'nodes', node, `spawned-${this.spawned}`)
    // the shell tells its process id, and then becomes the program
    const tell = ['sh', '-c', 'echo $$ >&3; exec 3>&- "$@"', 'sh', ...withEnv(options.env), ...argv]
    const file = openSync(log, 'a')
    const child = spawn('bash', [script, 'exec', node, '--', ...tell], {
      env: { ...process.env, ...this.env },
      detached: true,
      stdio: ['ignore', file, file, 'pipe'],
    })
    closeSync(file)
    const exited = new Promise<number>((resolve) => {
      child.on('error', () => resolve(255))
      child.on('exit', (code, signal) => resolve(code ?? codeOfSignal(signal)))
    })
    // a test that forgets it is not kept waiting: it ends with its machine
    child.unref()
    const pid = await firstNumber(child.stdio[3] as Readable)
    if (pid === null)
      throw new Error(`cannot start ${argv.join(' ')} in ${node}: ${readFileSync(log, 'utf8')}`)
    return new LabProcess(this, node, pid, exited, log)
  }

  /** Starts a service under the machine's systemd, as an operator would have it. */
  async service(
    node: string,
    unit: string,
    argv: readonly string[],
    properties: readonly string[] = [],
  ): Promise<LabService> {
    const set = properties.flatMap((property) => ['-p', property])
    const words = ['systemd-run', '--quiet', '--collect', `--unit=${unit}`, ...set, '--', ...argv]
    const { code, stderr } = await this.exec(node, words)
    if (code !== 0) throw new Error(`cannot start ${unit} in ${node}: ${stderr}`)
    return new LabService(this, node, unit)
  }

  /** Its network drops everything silently, also after it was off, until `heal`. */
  async cut(node: string): Promise<void> {
    await this.run('cut', node)
  }

  /** Its network works again. */
  async heal(node: string): Promise<void> {
    await this.run('heal', node)
  }

  /** Pulls the plug. */
  async off(node: string): Promise<void> {
    await this.run('off', node)
  }

  /** Power on again, with the same disk. */
  async boot(node: string): Promise<void> {
    await this.run('boot', node)
  }

  /** All its processes stand still, as in a suspend, until `thaw`; its clocks go on. */
  async freeze(node: string): Promise<void> {
    await this.run('freeze', node)
  }

  /** Its processes go on. */
  async thaw(node: string): Promise<void> {
    await this.run('thaw', node)
  }

  /** Stops all machines and removes every trace. */
  async close(): Promise<void> {
    await this.run('down')
  }

  private async run(...args: string[]): Promise<void> {
    const { code, stderr } = await this.call(args)
    if (code !== 0) throw new Error(`lab.sh ${args.join(' ')}: ${stderr}`)
  }

  private call(args: string[], { input, timeoutMs = commandMs }: ExecOptions = {}): Promise<Output> {
    return new Promise((resolve) => {
      const options = {
        env: { ...process.env, ...this.env },
        timeout: timeoutMs,
        killSignal: 'SIGKILL' as const,
        maxBuffer: 64 * 1024 * 1024,
      }
      const child = execFile('bash', [script, ...args], options, (error, stdout, stderr) => {
        if (error === null) return resolve({ code: 0, stdout, stderr })
        const code = typeof error.code === 'number' ? error.code : 255
        resolve({ code: error.killed || !error.signal ? code : codeOfSignal(error.signal), stdout, stderr })
      })
      // a command that does not read is no failure
      child.stdin?.on('error', () => {})
      child.stdin?.end(input)
    })
  }
}

/** A program in a machine that runs beside the test. */
export class LabProcess {
  readonly node: string
  /** Its process id in the machine. */
  readonly pid: number
  /** Its exit code; 128 and the number of the signal where one ended it. */
  readonly exited: Promise<number>
  private readonly lab: Lab
  private readonly log: string
  private running = true

  constructor(lab: Lab, node: string, pid: number, exited: Promise<number>, log: string) {
    this.lab = lab
    this.node = node
    this.pid = pid
    this.log = log
    this.exited = exited.finally(() => {
      this.running = false
    })
  }

  /** Sends it a signal; nothing happens where it has ended. With SIGKILL, resolves when it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.running) return
    await this.lab.exec(this.node, ['sh', '-c', `kill -s ${signal.replace(/^SIG/, '')} ${this.pid}`])
    if (signal === 'SIGKILL') await this.exited
  }

  /** What it has printed so far. */
  output(): string {
    return readFileSync(this.log, 'utf8')
  }
}

/** A service in a machine. */
export class LabService {
  private readonly lab: Lab
  readonly node: string
  readonly unit: string

  constructor(lab: Lab, node: string, unit: string) {
    this.lab = lab
    this.node = node
    this.unit = unit
  }

  /** Sends a signal to its main process and waits until it is gone. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const gone = `while systemctl is-active --quiet ${this.unit}; do sleep 0.01; done`
    await this.lab.sh(this.node, `systemctl kill --kill-whom=main --signal=${signal} ${this.unit}; ${gone}`)
  }

  /** Process id of its main process, in the machine. */
  async pid(): Promise<number> {
    return Number(await this.lab.sh(this.node, `systemctl show -P MainPID ${this.unit}`))
  }

  async log(): Promise<string> {
    return this.lab.sh(this.node, `journalctl --unit ${this.unit} --output cat --no-pager`)
  }
}

/** The number in the first line of a stream, of which nothing more is read; null where it ends before. */
async function firstNumber(stream: Readable): Promise<number | null> {
  let text = ''
  for await (const chunk of stream) {
    text += String(chunk)
    if (text.includes('\n')) return Number(text)
  }
  return null
}

function withEnv(env: Readonly<Record<string, string>> = {}): string[] {
  return ['env', ...Object.entries(env).map(([name, value]) => `${name}=${value}`)]
}

function codeOfSignal(signal: NodeJS.Signals | null): number {
  return signal === null ? 255 : 128 + (constants.signals[signal] ?? 127)
}
