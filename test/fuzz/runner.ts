/** Messages of a host that means no good, to a real runner whose tasks are none. */
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { type WebSocket, WebSocketServer } from 'ws'
import { silentLog } from '../../src/platform/log.ts'
import { waitFor } from '../../src/platform/wait.ts'
import { FromHost, type FromRunner, linkVersion } from '../../src/protocol/link.ts'
import { createRunner } from '../../src/runner/app.ts'
import { loadRunnerConfig } from '../../src/runner/config.ts'
import { textsAround } from './schema.ts'
import type { FuzzTarget } from './target.ts'

export const runnerTarget: FuzzTarget = {
  name: 'the link, from a hostile host',
  runs: 60,
  async open() {
    const dir = mkdtempSync(join(tmpdir(), 'hakuriver-fuzz-'))
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    let socket: WebSocket | null = null
    let told: FromRunner[] = []
    server.on('connection', (opened) => {
      socket = opened
      opened.on('message', (data) => {
        told.push(JSON.parse(String(data)) as FromRunner)
        if (told.length > 2_000) told = told.slice(-1_000)
      })
      opened.on('error', () => {})
      opened.send(
        JSON.stringify({ type: 'welcome', version: linkVersion, heartbeatMs: 60_000, leaseMs: 600_000 }),
      )
    })
    await new Promise((resolve) => server.once('listening', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const argv = ['--host', url, '--join-token', 'none', '--name', 'n1', '--executor', 'fake']
    const dirs = ['--state-dir', join(dir, 'state'), '--local-temp-dir', join(dir, 'temp')]
    const runner = await createRunner({
      config: loadRunnerConfig({ argv: [...argv, ...dirs], env: {} }),
      log: silentLog,
      capacity: { cores: 4, memoryBytes: 2 ** 33, numaNodes: [] },
    })
    let last = 5_000_000_000
    const known = ['1', '2', '3', '9007199254740993', 'n1', '../../../etc/passwd']
    // `refused` ends the dialling for a minute, by design
    const isRefusal = (text: string) => text.includes('refused')
    const message = fc.oneof(
      { weight: 8, arbitrary: textsAround(FromHost, known) },
      { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    )
    const property = fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 6 }), async (messages) => {
      const linked = await waitFor('it dials again', () => (socket?.readyState === 1 ? socket : null), {
        deadlineMs: 20_000,
        everyMs: 2,
      })
      for (const each of messages) if (!isRefusal(each)) linked.send(each)
      // it lives: one that it never saw is reported as killed
      last += 1
      const id = String(last)
      await waitFor(
        `it answers a kill of ${id}`,
        () => {
          if (told.some((each) => each.type === 'report' && each.taskId === id)) return true
          if (socket?.readyState === 1) socket.send(JSON.stringify({ type: 'kill', taskId: id, attempt: 1 }))
          return false
        },
        { deadlineMs: 20_000, everyMs: 2 },
      )
      const seq = Math.max(...told.flatMap((each) => (each.type === 'report' ? each.seq : [])))
      socket?.send(JSON.stringify({ type: 'ack', seq }))
    })
    return {
      property: property as unknown as fc.IRawProperty<unknown>,
      close: async () => {
        await runner.close()
        for (const client of server.clients) client.terminate()
        await new Promise((resolve) => server.close(resolve))
        rmSync(dir, { recursive: true, force: true })
      },
    }
  },
}
