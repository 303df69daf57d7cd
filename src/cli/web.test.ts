import { expect, it } from 'vitest'
import { run, startHost } from './cli.suite.ts'

it('prints the link alone, and beside it what it is good for', async () => {
  const host = await startHost()
  const { code, out, err } = await run(host, ['web'])
  expect({ code, out }).toEqual({ code: 0, out: `${host.url}/login#code=abc\n` })
  expect(err).toBe('It logs one browser in, within five minutes; that stays logged in for 30 days.\n')
  expect(host.seen.at(-1)).toMatchObject({ method: 'POST', path: '/api/v1/login-links', body: {} })
})

it('leads to where this command has reached the host, whatever the host takes for its name', async () => {
  const host = await startHost()
  const link = { url: 'http://10.0.0.1:8000/login#code=abc', expiresAt: '2026-11-23T10:05:00.000Z' }
  host.intercept = (_, response) => {
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(link))
    return true
  }
  const { out } = await run(host, ['web', '--json'])
  expect(JSON.parse(out)).toEqual({ url: `${host.url}/login#code=abc`, expiresAt: link.expiresAt })
})

it('says of a host without tokens that nobody has to log in', async () => {
  const host = await startHost()
  host.intercept = (_, response) => {
    const link = { url: `${host.url}/`, expiresAt: '2026-11-23T10:05:00.000Z' }
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(link))
    return true
  }
  const { out, err } = await run(host, ['web'])
  expect([out, err]).toEqual([`${host.url}/\n`, 'The host asks for no tokens: nobody has to log in.\n'])
})

it('tells who is here by ssh how a browser elsewhere gets in', async () => {
  const host = await startHost()
  const { err } = await run(host, ['web'], { env: { SSH_CONNECTION: '10.0.0.2 1 10.0.0.1 22' } })
  const { port } = new URL(host.url)
  expect(err).toContain(`ssh -L ${port}:127.0.0.1:${port} THIS-MACHINE`)
})

it('is refused with a token that is not the admin’s', async () => {
  const host = await startHost()
  host.token = 'another'
  const { code, out, err } = await run(host, ['web'])
  expect([code, out]).toEqual([4, ''])
  expect(err).toContain('the token is not valid')
})
