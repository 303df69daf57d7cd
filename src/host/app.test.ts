import { connect, type Socket } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { waitFor, withDeadline } from '../platform/wait.ts'
import { linkPath } from '../protocol/routes.ts'
import { TestHost } from './host.suite.ts'

let host: TestHost
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await host.close()
})

/** A connection that says this and then waits. */
async function hold(bytes: string): Promise<Socket> {
  const { hostname, port } = new URL(host.host.url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  socket.on('error', () => {})
  sockets.push(socket)
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write(bytes)
  return socket
}

it('stops in time, whoever still listens, follows, links or does nothing', async () => {
  host = await TestHost.start()
  const headers = `Host: localhost\r\nAuthorization: Bearer ${host.token('admin')}\r\n`
  const { tasks } = await host.client.submitBatch({ body: { specs: [{ command: 'true' }] } })
  const listener = await hold(`GET /api/v1/events HTTP/1.1\r\n${headers}\r\n`)
  const follower = await hold(
    `GET /api/v1/tasks/${tasks[0]?.taskId}/logs/stdout?follow=true HTTP/1.1\r\n${headers}\r\n`,
  )
  const refused = await hold(
    `GET ${linkPath} HTTP/1.1\r\n${headers}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  )
  for (const socket of [listener, follower, refused])
    await new Promise((resolve) => socket.once('data', resolve))
  await hold('GET /healthz HT')
  await hold('')
  await host.dial() // says no hello

  // it is late to answer the goodbye, so that the stop takes a moment ...
  const deaf = await host.link({ node: 'n2', runnerId: 'runner-2' })
  deaf.socket.pause()
  // ... in which another one comes back, again and again
  const url = host.host.url.replace('http', 'ws') + linkPath
  const authorization = `Bearer ${host.token('join')}`
  let dials = 0
  let isOver = false
  const redial = () => {
    if (isOver) return
    dials += 1
    const socket = new WebSocket(url, { headers: { authorization } })
    socket.on('open', () => deaf.socket.resume())
    socket.on('error', () => deaf.socket.resume())
    socket.on('close', () => setTimeout(redial, 10))
  }
  const quick = await host.link()
  quick.socket.on('close', redial)

  await withDeadline(host.host.close(), 5_000, 'the stop')
  isOver = true
  expect(dials).toBeGreaterThan(0)
  await waitFor('the quick one was told', () => quick.socket.readyState === WebSocket.CLOSED)
  await host.boot()
  expect((await host.client.listTasks({ query: {} })).total).toBe(1)
})

it('saves at the stop what the last moment brought', async () => {
  host = await TestHost.start()
  const runner = await host.link()
  const { tasks } = await host.client.submitBatch({ body: { specs: [{ command: 'true' }] } })
  const id = tasks[0]?.taskId ?? ''
  await runner.heard('start')
  const killed = host.client.killTask({ params: { id }, body: {} })
  await killed
  await host.host.close()
  await host.boot()
  expect((await host.client.getTask({ params: { id } })).status).toBe('killing')
  const again = await host.link()
  expect(await again.heard('kill')).toMatchObject({ taskId: id })
  expect(again.all('start')).toEqual([])
})

it('one host at a time uses a state directory', async () => {
  host = await TestHost.start()
  await expect(host.boot()).rejects.toMatchObject({ code: 'conflict' })
})
