/**
 * One emulated machine for tests: a kernel of its own, control groups v2, systemd 257 and several NUMA nodes. It has
 * no network but a way to this computer, at 10.0.2.2. All that it has on disk is gone with it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitFor } from '../../src/platform/wait.ts'
import { root, temporaryDir } from '../support/program.ts'
import { GuestAgent, type Output } from './guest-agent.ts'

/** CPUs are shared out in order: the first NUMA node has the first ones. */
export interface VmNumaNode {
  cpus: number
  memoryMiB: number
}

export interface VmOptions {
  numaNodes: VmNumaNode[]
  /** Between every two of them; 10 is the distance to itself. */
  distance: number
}

/** On a computer with two busy cores it boots in a minute. */
const bootDeadlineMs = 300_000
const commandDeadlineMs = 60_000

export class Vm {
  /** `/shared` of the machine, as seen from here. */
  readonly sharedDir: string
  private readonly process: ChildProcess
  private readonly remover: ChildProcess
  private agent!: GuestAgent // set by start(), before anybody has the object

  private constructor(dir: string, sharedDir: string, image: string, options: VmOptions) {
    this.sharedDir = sharedDir
    // its input ends with this process, however that ends
    const wait = 'cat >/dev/null; rm -rf "$1"'
    this.remover = spawn('sh', ['-c', wait, 'sh', dir], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    const console = openSync(join(dir, 'qemu.log'), 'a')
    // so does the machine
    const argv = [
      '--pdeathsig',
      'KILL',
      'qemu-system-x86_64',
      ...qemuArguments(dir, sharedDir, image, options),
    ]
    this.process = spawn('setpriv', argv, { stdio: ['ignore', console, console] })
  }

  /** Resolves when systemd has finished starting. @throws Error with what the machine said */
  static async start(options: VmOptions): Promise<Vm> {
    const image = imageDir()
    // not on a tmpfs: what the machine writes grows here
    const { path: dir } = temporaryDir('hakuriver-vm', '/var/tmp')
    const sharedDir = join(dir, 'shared')
    mkdirSync(sharedDir)
    chmodSync(sharedDir, 0o777)
    makeNodeDisk(dir)
    const vm = new Vm(dir, sharedDir, image, options)
    try {
      vm.agent = await GuestAgent.open(await vm.socketIn(dir), bootDeadlineMs)
      const { stdout } = await vm.exec(['systemctl', 'is-system-running', '--wait'], bootDeadlineMs)
      if (!/^(running|degraded)/.test(stdout)) throw new Error(`it is ${stdout}`)
    } catch (error) {
      const said = ['qemu.log', 'console.log'].map((name) => tail(join(dir, name))).join('\n')
      await vm.close()
      throw new Error(`the virtual machine did not start: ${String(error)}\n${said}`)
    }
    return vm
  }

  /** Runs a command as root; its exit code is told, not thrown. */
  exec(argv: readonly string[], deadlineMs = commandDeadlineMs): Promise<Output> {
    return this.agent.exec(argv, deadlineMs)
  }

  /** Runs a shell command that has to succeed. @returns what it printed */
  async sh(command: string, deadlineMs = commandDeadlineMs): Promise<string> {
    const { code, stdout, stderr } = await this.exec(['sh', '-c', command], deadlineMs)
    if (code !== 0) throw new Error(`"${command}" ended with ${code}: ${stderr}${stdout}`)
    return stdout
  }

  /** Pulls the plug and removes every trace. */
  async close(): Promise<void> {
    this.agent?.close()
    const ended = [this.process, this.remover].map(
      (each) => each.exitCode === null && each.signalCode === null && once(each, 'exit'),
    )
    this.process.kill('SIGKILL')
    this.remover.stdin?.end()
    await Promise.all(ended)
  }

  private socketIn(dir: string): Promise<string> {
    const path = join(dir, 'agent.sock')
    return waitFor('qemu', () => {
      if (this.process.exitCode !== null) throw new Error(`qemu ended with ${this.process.exitCode}`)
      return existsSync(path) && path
    })
  }
}

function imageDir(): string {
  const cwd = fileURLToPath(new URL('.', import.meta.url))
  const dir = execFileSync('sh', ['-c', '. ./image.sh; image_dir .'], { cwd, encoding: 'utf8' }).trim()
  if (!existsSync(dir))
    throw new Error('the image of the virtual machine is missing: run sh test/vm/install.sh')
  return dir
}

/** The Node that runs the tests, as a disk: over a shared directory each page of it would be a question. */
function makeNodeDisk(dir: string): void {
  mkdirSync(join(dir, 'node/bin'), { recursive: true })
  copyFileSync(process.execPath, join(dir, 'node/bin/node'))
  const PATH = `${process.env.PATH}:/usr/sbin:/sbin`
  const disk = join(dir, 'node.img')
  writeFileSync(disk, '')
  truncateSync(disk, 256 * 1024 ** 2)
  execFileSync('mkfs.ext4', ['-q', '-F', '-O', '^has_journal', '-d', join(dir, 'node'), disk], {
    env: { ...process.env, PATH },
  })
}

function qemuArguments(dir: string, sharedDir: string, image: string, options: VmOptions): string[] {
  const { numaNodes, distance } = options
  const cpus = numaNodes.reduce((sum, node) => sum + node.cpus, 0)
  const memoryMiB = numaNodes.reduce((sum, node) => sum + node.memoryMiB, 0)
  const kernel = [
    'console=ttyS0 quiet loglevel=3 mitigations=off nokaslr audit=0 no_timer_check tsc=reliable',
    'random.trust_cpu=on net.ifnames=0 rw systemd.show_status=no',
  ]
  const disk = (file: string, id: string, more: string) => [
    ...['-drive', `file=${file},if=none,id=${id},format=raw,cache=unsafe${more}`],
    ...['-device', `virtio-blk-pci,drive=${id}`],
  ]
  const share = (path: string, tag: string, more: string) => [
    '-virtfs',
    `local,path=${path},mount_tag=${tag},security_model=none,multidevs=remap${more}`,
  ]
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-machine', 'q35,usb=off,vmport=off,graphics=off', '-cpu', 'max'],
    // one thread for all CPUs: with one for each, a kernel that patches itself panicked now and then
    ...['-accel', process.env.VM_ACCEL ?? 'tcg,thread=single,tb-size=512'],
    ...['-smp', `${cpus},sockets=${cpus},cores=1,threads=1`, '-m', String(memoryMiB)],
    ...numaArguments(numaNodes, distance),
    ...['-kernel', join(image, 'vmlinuz'), '-initrd', join(image, 'initrd'), '-append', kernel.join(' ')],
    // what it writes goes to a file that qemu has removed already
    ...disk(join(image, 'disk.img'), 'system', ',snapshot=on'),
    ...disk(join(dir, 'node.img'), 'node', ',readonly=on'),
    ...share(root, 'hakuriver', ',readonly=on'),
    ...share(sharedDir, 'shared', ''),
    ...['-netdev', 'user,id=net,ipv6=off', '-device', 'virtio-net-pci,netdev=net'],
    ...['-device', 'virtio-serial-pci', '-device', 'virtio-rng-pci'],
    ...['-chardev', `socket,path=${join(dir, 'agent.sock')},server=on,wait=off,id=agent`],
    ...['-device', 'virtserialport,nr=1,chardev=agent,name=org.qemu.guest_agent.0'],
    ...['-serial', `file:${join(dir, 'console.log')}`],
  ]
}

function numaArguments(numaNodes: VmNumaNode[], distance: number): string[] {
  let next = 0
  const argv = numaNodes.flatMap(({ cpus, memoryMiB }, id) => {
    const from = next
    next += cpus
    const own = cpus === 0 ? '' : `,cpus=${from}-${next - 1}`
    return [
      ...['-object', `memory-backend-ram,id=memory${id},size=${memoryMiB}M`],
      ...['-numa', `node,nodeid=${id}${own},memdev=memory${id}`],
    ]
  })
  for (let from = 0; from < numaNodes.length; from += 1) {
    for (let to = from + 1; to < numaNodes.length; to += 1) {
      argv.push('-numa', `dist,src=${from},dst=${to},val=${distance}`)
    }
  }
  return argv
}

function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, 'latin1').slice(-4_000) : ''
}
