/** A cluster with the virtual machine in it: the host on this computer, and in the machine a runner for each way to run. */
import { chmodSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'
import { Vm, type VmOptions } from './vm.ts'

/** Node takes some seconds to start in there. */
const onlineDeadlineMs = 120_000

/** Words before a command in the machine that make it one of the user's own systemd. */
const asWorker = 'runuser -u worker -- env XDG_RUNTIME_DIR=/run/user/$(id -u worker)'

export class VmCluster {
  readonly vm: Vm
  readonly local: LocalCluster

  private constructor(vm: Vm, local: LocalCluster) {
    this.vm = vm
    this.local = local
  }

  /** Resolves when the machine is up; no runner is there yet. */
  static async start(options: VmOptions): Promise<VmCluster> {
    const vm = await Vm.start(options)
    try {
      const local = await LocalCluster.start({ nodes: [], heartbeatSeconds: 5 })
      copyFileSync(join(local.home, 'join-token'), join(vm.sharedDir, 'join-token'))
      chmodSync(join(vm.sharedDir, 'join-token'), 0o644)
      return new VmCluster(vm, local)
    } catch (error) {
      await vm.close()
      throw error
    }
  }

  get api() {
    return this.local.api
  }

  /**
   * Starts a runner as root under systemd; resolves when its node is online.
   * @param properties of its own service
   */
  async startRootRunner(name: string, properties: string[] = []): Promise<void> {
    const dirs = `--state-dir /var/lib/hakuriver-${name} --local-temp-dir /tmp/hakuriver --task-user worker`
    await this.startRunner(name, properties.map((property) => `-p ${property}`).join(' '), dirs)
  }

  /** Ends a runner of root. */
  async endRootRunner(name: string): Promise<void> {
    await this.vm.sh(`systemctl stop ${name}`)
  }

  /** The same for an ordinary user under a systemd of the user's own, which outlives every login. */
  async startUserRunner(name: string): Promise<void> {
    await this.vm.sh('loginctl enable-linger worker')
    const isUp = async () => {
      const { stdout } = await this.vm.exec(['sh', '-c', `${asWorker} systemctl --user is-system-running`])
      return /^(running|degraded)/.test(stdout)
    }
    await waitFor("the user's own systemd", isUp, { deadlineMs: onlineDeadlineMs, everyMs: 500 })
    await this.startRunner(
      name,
      '--user',
      '--state-dir /home/worker/runner --local-temp-dir /home/worker/temp',
    )
  }

  /** Ends a runner as a crash would. */
  async endUserRunner(name: string): Promise<void> {
    await this.vm.sh(
      `${asWorker} systemctl --user kill --kill-whom=main --signal=SIGKILL ${name}
      while ${asWorker} systemctl --user is-active --quiet ${name}; do sleep 0.1; done`,
    )
  }

  async close(): Promise<void> {
    await this.local.close()
    await this.vm.close()
  }

  private async startRunner(name: string, how: string, dirs: string): Promise<void> {
    // 10.0.2.2 is this computer
    const url = this.api.url.replace('127.0.0.1', '10.0.2.2')
    const words = `--host ${url} --name ${name} --join-token-file /shared/join-token ${dirs}`
    const startedAt = Date.now()
    await this.vm.sh(
      `${how === '--user' ? asWorker : ''} systemd-run ${how} --quiet --collect --unit=${name} -p KillMode=process \\
      /opt/node/bin/node /opt/hakuriver/dist/runner.cjs ${words}`,
    )
    const isOnline = async () => {
      const { items } = await this.api.client.listNodes({})
      const node = items.find((each) => each.name === name)
      return node?.status === 'online' && Date.parse(node.lastSeenAt) >= startedAt
    }
    await waitFor(`${name} is online`, isOnline, { deadlineMs: onlineDeadlineMs, everyMs: 200 }).catch(
      async (error: unknown) => {
        const { stdout } = await this.vm.exec(['journalctl', '--no-pager', '--output=cat', '--lines=50'])
        throw new Error(`${String(error)}: ${stdout}`)
      },
    )
  }
}
