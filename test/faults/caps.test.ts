/** Ten times as much as a host takes, from callers that mean no good: its memory is bounded, and others are answered. */
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { logPath } from '../../src/platform/log-paths.ts'
import { waitFor } from '../../src/platform/wait.ts'
import { caps } from '../../src/protocol/limits.ts'
import { LocalCluster } from '../support/cluster.ts'

const MiB = 1024 ** 2
/** The bar is a second on a computer that does nothing else; one that runs tests has others to serve as well. */
const answerMs = 10_000

let cluster: LocalCluster
let token = ''
let sockets: Socket[] = []

beforeAll(async () => {
  cluster = await LocalCluster.start({ nodes: [], hostArgs: ['--log-level', 'error'] })
  token = readFileSync(join(cluster.home, 'admin-token'), 'utf8').trim()
})
afterAll(() => cluster.close())

const resident = () =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${cluster.host.pid}/status`, 'utf8'))?.[1]) * 1024

/** A connection from an address of its own, whose first words are kept. */
async function open(localAddress: string) {
  const { port } = new URL(cluster.api.url)
  const socket = connect({ host: '127.0.0.1', port: Number(port), localAddress })
  sockets.push(socket)
  const heard = { text: '', isClosed: false }
  socket.on('error', () => {})
  socket.on('close', () => {
    heard.isClosed = true
  })
  await once(socket, 'connect').catch(() => {})
  return { socket, heard }
}

async function openMany(count: number, localAddress: string, say: string | ((at: number) => string)) {
  const all: Awaited<ReturnType<typeof open>>[] = []
  for (let at = 0; at < count; at += 100)
    all.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(100, count - at) }, async (_, i) => {
          const opened = await open(localAddress)
          opened.socket.on('data', (data) => {
            if (opened.heard.text.length < 400) opened.heard.text += data.toString('latin1')
          })
          opened.socket.write(typeof say === 'string' ? say : say(at + i))
          return opened
        }),
      )),
    )
  return all
}

const head = (line: string, ...more: string[]) =>
  [`${line} HTTP/1.1`, 'Host: 127.0.0.1', `Authorization: Bearer ${token}`, ...more, '', ''].join('\r\n')

/** What goes on while it does: how much the memory has grown at most, and how long an ordinary call took. */
async function during(action: () => Promise<void>): Promise<{ grownBytes: number; slowestMs: number }> {
  const before = resident()
  let most = before
  let slowestMs = 0
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      const asked = performance.now()
      await cluster.api.client.listTasks({ query: { limit: 10 } })
      slowestMs = Math.max(slowestMs, performance.now() - asked)
      most = Math.max(most, resident())
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  try {
    await action()
  } finally {
    isOver = true
    await watching
    for (const socket of sockets.splice(0)) socket.destroy()
    sockets = []
  }
  return { grownBytes: most - before, slowestMs }
}

describe('ten times what a host takes', { timeout: 120_000 }, () => {
  it('of requests whose headers never end', async () => {
    const seen = await during(async () => {
      const all = await openMany(5_000, '127.0.0.2', 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: x')
      await waitFor(
        'those beyond the bound are closed',
        () => all.filter(({ heard }) => heard.isClosed).length >= all.length - caps.connectionsPerAddress,
      )
    })
    expect(seen.grownBytes).toBeLessThan(300 * MiB)
    expect(seen.slowestMs).toBeLessThan(answerMs)
  })

  it('of bodies that never end', async () => {
    const bytes = 1 * MiB
    const count = (10 * caps.bodyBytesPerAddress) / bytes
    const lines = [`Content-Length: ${bytes}`, 'Content-Type: application/json']
    const seen = await during(async () => {
      const all = await openMany(count, '127.0.0.3', head('POST /api/v1/batches', ...lines))
      const refused = () => all.filter(({ heard }) => heard.text.startsWith('HTTP/1.1 429')).length
      // what is refused may have been refused for being one too many at a time as well
      await waitFor('those beyond the bound are refused', () => refused() >= (count * 9) / 10)
      for (const { socket, heard } of all) if (heard.text === '') socket.write(Buffer.alloc(bytes - 100, ' '))
      await waitFor('it has them', () =>
        all.every(({ socket, heard }) => heard.text !== '' || socket.writableLength === 0),
      )
    })
    expect(seen.grownBytes).toBeLessThan(300 * MiB)
    expect(seen.slowestMs).toBeLessThan(answerMs)
  })

  it('of streams that nobody reads, while forty thousand events come', async () => {
    const specs = Array.from({ length: 10_000 }, () => ({ command: 'true', cores: 100_000 }))
    const work = async () => {
      for (let batch = 0; batch < 2; batch += 1) {
        const { batchId } = await cluster.api.client.submitBatch({ body: { specs } })
        await cluster.api.client.killBatch({ params: { id: batchId ?? '' }, body: {} })
      }
    }
    // such batches take their time also where nobody listens
    const alone = await during(work)
    const seen = await during(async () => {
      const all = await openMany(2_000, '127.0.0.4', (at) =>
        head(`GET /api/v1/${at % 2 === 0 ? 'events' : 'live'}`),
      )
      const begun = () => all.filter(({ heard }) => heard.text.startsWith('HTTP/1.1 200')).length
      const refused = () => all.filter(({ heard }) => heard.text.startsWith('HTTP/1.1 429')).length
      await waitFor('each has an answer', () => begun() + refused() === all.length, { deadlineMs: 30_000 })
      expect(begun()).toBeLessThanOrEqual(caps.streamsPerAddress)
      for (const { socket } of all) socket.pause()
      await work()
    })
    expect(seen.grownBytes).toBeLessThan(700 * MiB)
    expect(seen.slowestMs).toBeLessThan(answerMs + 10 * alone.slowestMs)
  })

  it('of large answers that nobody reads', async () => {
    const specs = Array.from({ length: 1_000 }, () => ({ command: 'x'.repeat(4_000), cores: 100_000 }))
    await cluster.api.client.submitBatch({ body: { specs: specs.slice(0, 900) } })
    const seen = await during(async () => {
      const all = await openMany(150, '127.0.0.5', head('GET /api/v1/tasks?limit=1000'))
      const answered = ({ socket, heard }: (typeof all)[number]) => {
        if (heard.text !== '') socket.pause()
        return heard.text !== ''
      }
      await waitFor('each has an answer, or is refused', () => all.filter(answered).length === all.length, {
        deadlineMs: 90_000,
      })
    })
    expect(seen.grownBytes).toBeLessThan(1_200 * MiB)
    expect(seen.slowestMs).toBeLessThan(answerMs)
  })

  it('of readers of a log that stop reading', async () => {
    const shared = join(cluster.dir, 'shared')
    await cluster.close()
    cluster = await LocalCluster.start({
      nodes: [],
      hostArgs: ['--shared-dir', shared, '--log-level', 'error'],
    })
    token = readFileSync(join(cluster.home, 'admin-token'), 'utf8').trim()
    cluster.startRunner('n1', '--shared-dir', shared)
    await cluster.allOnline()
    const { id } = await cluster.api.run({ command: 'true' }, 'n1')
    const path = logPath(shared, 'stdout', Number(id))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, Buffer.alloc(64 * MiB, 'line\n'))
    const seen = await during(async () => {
      const all = await openMany(1_500, '127.0.0.6', (at) =>
        head(`GET /api/v1/tasks/${id}/logs/stdout?${at % 2 === 0 ? 'follow' : 'download'}=true`),
      )
      await waitFor('each has an answer', () => all.every(({ heard }) => heard.text !== ''), {
        deadlineMs: 60_000,
      })
      for (const { socket } of all) socket.pause()
      const refused = all.filter(({ heard }) => heard.text.startsWith('HTTP/1.1 429')).length
      expect(refused).toBeGreaterThan(900)
    })
    expect(seen.grownBytes).toBeLessThan(500 * MiB)
    expect(seen.slowestMs).toBeLessThan(answerMs)
  })
})
