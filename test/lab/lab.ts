/** The lab from tests: boots machines, runs commands and services in them, and breaks things. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('lab.sh', import.meta.url))
/** Long enough for a machine to boot on a busy computer; nothing else takes long. */
const commandMs = 90_000

export interface Output {
  code: number
  stdout: string
  stderr: string
}

export interface LabOptions {
  nodes: number
  /** Several labs may be up at once, each with an id and a /24 of its own. */
  id?: string
  /** The first three numbers. */
  net?: string
}

export class Lab {
  /** Address of this computer on the lab's network. */
  readonly address: string
  /** `/shared` of all machines, as seen from here. */
  readonly sharedDir: string
  private readonly dir: string
  private readonly env: Record<string, string>

  private constructor({ id = 'hr', net = '10.77.0' }: LabOptions) {
    this.dir = `/var/tmp/hakuriver-lab-${id}`
    this.address = `${net}.1`
    this.sharedDir = join(this.dir, 'shared')
    this.env = { LAB_ID: id, LAB_NET: net, LAB_OWNER: String(process.pid) }
  }

  /** Boots node1 … nodeN; resolves when systemd has finished starting in each. */
  static async start(options: LabOptions): Promise<Lab> {
    const lab = new Lab(options)
    await lab.run('up', String(options.nodes))
    return lab
  }

  /** `/scratch` of a machine, as seen from here. */
  scratchOf(node: string): string {
    return join(this.dir, 'nodes', node, 'scratch')
  }

  /** Runs a command as root in a machine; its exit code is told, not thrown. */
  exec(node: string, ...argv: string[]): Promise<Output> {
    return this.call(['exec', node, '--', ...argv])
  }

  /** The same for a command that has to succeed. @returns its output */
  async sh(node: string, command: string): Promise<string> {
    const { code, stdout, stderr } = await this.exec(node, 'sh', '-c', command)
    if (code !== 0) throw new Error(`"${command}" in ${node} ended with ${code}: ${stderr}`)
    return stdout
  }

  /** Starts a service under the machine's systemd, as an operator would have it. */
  async service(node: string, unit: string, argv: string[], properties: string[] = []): Promise<LabService> {
    const set = properties.flatMap((property) => ['-p', property])
    const words = ['systemd-run', '--quiet', '--collect', `--unit=${unit}`, ...set, '--', ...argv]
    const { code, stderr } = await this.exec(node, ...words)
    if (code !== 0) throw new Error(`cannot start ${unit} in ${node}: ${stderr}`)
    return new LabService(this, node, unit)
  }

  /** Its network drops everything silently. */
  async cut(node: string): Promise<void> {
    await this.run('cut', node)
  }

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

  /** Stops all machines and removes every trace. */
  async close(): Promise<void> {
    await this.run('down')
  }

  private async run(...args: string[]): Promise<void> {
    const { code, stderr } = await this.call(args)
    if (code !== 0) throw new Error(`lab.sh ${args.join(' ')}: ${stderr}`)
  }

  private call(args: string[]): Promise<Output> {
    return new Promise((resolve) => {
      const options = {
        env: { ...process.env, ...this.env },
        timeout: commandMs,
        maxBuffer: 64 * 1024 * 1024,
      }
      execFile('bash', [script, ...args], options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255
        resolve({ code, stdout, stderr })
      })
    })
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
