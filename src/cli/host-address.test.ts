import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { testIo } from './cli.suite.ts'
import { type AddressOptions, findHost } from './host-address.ts'

const url = 'https://10.0.0.1:8000'

async function caOf(options: AddressOptions, test: ReturnType<typeof testIo>): Promise<string | null> {
  return (await findHost(options, test.io)).ca()
}

function write(test: ReturnType<typeof testIo>, path: string, content: unknown): string {
  const file = join(test.home, path)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content), {
    mode: 0o600,
  })
  return file
}

it('an address without a scheme is https unless it leads to this machine alone', async () => {
  const urlOf = async (host: string) => (await findHost({ host }, testIo().io)).url
  expect(await urlOf('10.0.0.1:8000')).toBe(url)
  expect(await urlOf('node1')).toBe('https://node1')
  expect(await urlOf('127.0.0.1:8000')).toBe('http://127.0.0.1:8000')
  expect(await urlOf('localhost:8000')).toBe('http://localhost:8000')
  expect(await urlOf('[::1]:8000')).toBe('http://[::1]:8000')
  expect(await urlOf('http://10.0.0.1:8000')).toBe('http://10.0.0.1:8000')
})

it('a host is known by a file that was named, by its own, by a login, or by a join', async () => {
  const test = testIo()
  expect(await caOf({ host: url }, test)).toBeNull()
  write(test, 'runner/identity/node.json', { node: 'n1', nodeId: 'x', url })
  write(test, 'runner/identity/ca.pem', 'of the join')
  expect(await caOf({ host: url }, test)).toBe('of the join')
  expect(await caOf({ host: 'https://10.0.0.2:8000' }, test)).toBeNull()
  write(test, 'credentials.json', {
    hosts: { [url]: { token: 't', user: 'ann', ca: 'of the login' } },
    default: null,
  })
  expect(await caOf({ host: url }, test)).toBe('of the login')
  const caFile = write(test, 'ca/ca.pem', 'of the host')
  write(test, 'host.json', { url, pid: 1, caFile })
  expect(await caOf({}, test)).toBe('of the host')
  const named = write(test, 'named.pem', 'named')
  expect(await caOf({ caFile: named }, test)).toBe('named')
  expect(await caOf({ host: 'http://10.0.0.1:8000', caFile: named }, test)).toBeNull()
  await expect(caOf({ host: url, caFile: join(test.home, 'none') }, test)).rejects.toThrow(/there is no file/)
})

it('what it is known by is read anew each time', async () => {
  const test = testIo()
  const caFile = write(test, 'ca/ca.pem', 'first')
  write(test, 'host.json', { url, pid: 1, caFile })
  const { ca } = await findHost({}, test.io)
  expect(ca()).toBe('first')
  writeFileSync(caFile, 'second')
  expect(ca()).toBe('second')
})
