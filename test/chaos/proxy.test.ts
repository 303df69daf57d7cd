import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LinkProxy } from './proxy.ts'

it('keeps the order of what it carries, also when it is slow no longer', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const taken = once(server, 'connection')
  const proxy = await LinkProxy.start({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  const near = connect(proxy.port, '127.0.0.1')
  try {
    const [far] = await taken
    const all = text(far)
    proxy.delayMs = 100
    near.write('b')
    await waitFor('it has come', () => proxy.waiting > 0, { deadlineMs: 5_000 })
    proxy.delayMs = 0
    near.end('c')
    expect(await all).toBe('bc')
  } finally {
    near.destroy()
    proxy.close()
    server.close()
  }
})
