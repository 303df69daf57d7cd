/** Tasks that write more than a log may hold, on a cluster of real processes. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { logHeaders } from '../../src/protocol/routes.ts'
import { LocalCluster, type LocalClusterOptions } from '../support/cluster.ts'

const MiB = 1024 ** 2

describe('logs over their limit', () => {
  let cluster: LocalCluster
  const start = async (options: LocalClusterOptions = {}) => {
    cluster = await LocalCluster.start({ heartbeatSeconds: 0.5, ...options })
    return cluster
  }
  afterEach(() => cluster.close())

  const shell = (script: string) => ({ command: 'sh', arguments: ['-c', script] })
  const sha = (data: Buffer | string) => createHash('sha256').update(data).digest('hex')
  const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0
  const residentMb = (pid: number) =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
  /** The whole answer, with its headers. */
  const answer = (id: string) => cluster.api.raw({ path: `/api/v1/tasks/${id}/logs/stdout` })

  it('row 17: of ten million lines the first bytes are kept, the rest is marked as missing, and the task ends as it would', async () => {
    const { api } = await start({ runnerArgs: ['--log-limit', '1M'] })
    const task = await api.run(shell('seq 10000000; echo whole >&2; exit 7'), 'any', 60_000)
    const wanted = execFileSync('seq', ['10000000'], { maxBuffer: 200 * MiB })
    expect(task).toMatchObject({
      status: 'failed',
      exitCode: 7,
      reason: expect.stringMatching(
        /^its standard output \(at least \d+ bytes are missing\) was cut at the limit of 1 MiB$/,
      ),
    })
    const { headers, text } = await answer(task.id)
    expect(sha(text)).toBe(sha(wanted.subarray(0, MiB)))
    const missing = Number(headers[logHeaders.truncated])
    expect(missing).toBeGreaterThan(0)
    expect(missing).toBeLessThanOrEqual(wanted.length - MiB)
    expect(headers[logHeaders.size]).toBe(String(MiB))
    // the file itself says it to whoever opens it
    const file = readFileSync(join(cluster.dir, 'n1', 'task_outputs', `${task.id}.out`), 'latin1')
    expect(file.slice(-100)).toContain(
      `[hakuriver] cut at the limit: at least ${missing} bytes are missing here\n`,
    )
    expect(await api.log(task.id, 'stderr')).toBe('whole\n')
    const shown = cluster.cli('logs', task.id)
    expect(await shown.ended).toMatchObject({ code: 0 })
    expect(shown.stdout).toBe(text)
    expect(shown.stderr).toContain(`cut at its limit: at least ${missing} bytes are missing here`)
  })

  it('row 17: a task that writes at full speed fills neither the disk nor the memory of runner and host', async () => {
    const { api } = await start({ runnerArgs: ['--log-limit', '1M'] })
    const before = residentMb(cluster.runner('n1').pid) + residentMb(cluster.host.pid)
    const id = await api.submit(shell('exec timeout --preserve-status -s KILL 4 yes'))
    await api.reached(id, 'running')
    const path = join(cluster.dir, 'n1', 'task_outputs', `${id}.out`)
    let got = 0
    const following = api.follow(id, (data) => {
      got += data.length
    })
    let largest = 0
    let most = 0
    await waitFor(
      'its end',
      async () => {
        largest = Math.max(largest, sizeOf(path))
        most = Math.max(most, residentMb(cluster.runner('n1').pid) + residentMb(cluster.host.pid))
        return (await api.task(id)).endedAt !== null
      },
      { deadlineMs: 20_000, everyMs: 5 },
    )
    await following.done
    const { headers, text } = await answer(id)
    expect(text).toBe('y\n'.repeat(MiB / 2))
    expect(Number(headers[logHeaders.truncated])).toBeGreaterThan(10 * MiB)
    expect(got).toBeGreaterThanOrEqual(MiB)
    expect(sizeOf(path)).toBeLessThan(MiB + 200)
    // what is written between two looks
    expect(largest).toBeLessThan(2048 * MiB)
    expect(most - before).toBeLessThan(150)
  })

  it('row 17: what a task wrote while its runner was dead is cut by the next one, also in a shared directory', async () => {
    await start({ nodes: [] })
    const { api } = cluster
    const shared = join(cluster.dir, 'shared')
    const args = ['--log-limit', '64K', '--shared-dir', shared]
    cluster.startRunner('n1', ...args)
    await cluster.allOnline()
    const id = await api.submit(
      shell('echo $$; while [ ! -e "$HAKURIVER_SHARED_DIR/go" ]; do sleep 0.05; done; seq 100000; sleep 4'),
    )
    await api.reached(id, 'running')
    await cluster.runner('n1').stop('SIGKILL')
    const path = join(shared, 'task_outputs', `${id}.out`)
    writeFileSync(join(shared, 'go'), '')
    await waitFor('its output', () => sizeOf(path) > 500_000)
    cluster.startRunner('n1', ...args)
    await waitFor('the cut', () => sizeOf(path) === 65_536 && sizeOf(`${path}.cut`) > 0)
    expect(await api.ended(id)).toMatchObject({ status: 'completed', exitCode: 0 })
    expect((await answer(id)).text).toHaveLength(65_536)
  })

  it('row 17: a log without limit is whole', async () => {
    const { api } = await start({ runnerArgs: ['--log-limit', '0'] })
    const task = await api.run(shell('seq 1000000'))
    expect(task).toMatchObject({ status: 'completed', reason: null })
    expect((await answer(task.id)).headers[logHeaders.truncated]).toBeUndefined()
  })
})
