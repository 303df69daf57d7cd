import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { runAlone, startHost, type TestIo, type TestIoOptions, testIo } from './cli.suite.ts'
import { type FakeHost, refuse } from './fake-host.suite.ts'
import { tokenOf } from './fake-people.suite.ts'

const secret = `hakuriver_login_${'a'.repeat(32)}`

/** Another command of the same user. */
function again(test: TestIo, options: TestIoOptions = {}): TestIo {
  const next = testIo({ ...options, env: { HAKURIVER_HOME: test.home, ...options.env } })
  return { ...next, home: test.home }
}

function kept(test: TestIo) {
  return JSON.parse(readFileSync(join(test.home, 'credentials.json'), 'utf8'))
}

async function loggedIn(host: FakeHost, test = testIo()): Promise<TestIo> {
  host.people.invitations.set(secret, 'ann')
  const ran = await runAlone(['login', `${host.url}#${secret}`], again(test))
  expect(ran).toMatchObject({ code: 0 })
  return test
}

it('trades an invitation for a token, keeps it for this user alone, and goes to that host from then on', async () => {
  const host = await startHost()
  host.people.invitations.set(secret, 'ann')
  const test = testIo()
  const ran = await runAlone(['login', `${host.url}#${secret}`], again(test))
  expect(ran).toEqual({ code: 0, out: `Logged in to ${host.url} as ann (submitter), never ends.\n`, err: '' })
  expect(kept(test)).toEqual({
    hosts: { [host.url]: { token: 'token-of-ann', user: 'ann', ca: null } },
    default: host.url,
  })
  expect(statSync(join(test.home, 'credentials.json')).mode & 0o777).toBe(0o600)
  const [claim] = host.seen
  expect(claim).toMatchObject({
    path: '/api/v1/login',
    body: { secret, label: expect.stringMatching(/.@./) },
  })
  expect(claim?.headers.authorization).toBeUndefined()

  host.token = 'token-of-ann'
  expect((await runAlone(['ps'], again(test))).code).toBe(0)
  expect(host.seen.at(-1)?.headers.authorization).toBe('Bearer token-of-ann')
})

it('reads the invitation from a terminal without showing it, or from a pipe', async () => {
  const host = await startHost()
  for (const option of [{ answer: `${host.url}#${secret}\r` }, { stdin: `\n${host.url}#${secret}\n` }]) {
    host.people.invitations.set(secret, 'ann')
    const ran = await runAlone(['login'], testIo(option))
    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining('Logged in') })
    expect(ran.out + ran.err).not.toContain(secret)
  }
})

it('takes back what was typed, and gives up at Ctrl-C', async () => {
  const host = await startHost()
  host.people.invitations.set(secret, 'ann')
  const typed = `wrong\u0015${host.url}#${secret}x\u007f\r`
  expect((await runAlone(['login'], testIo({ answer: typed }))).code).toBe(0)
  const ended = await runAlone(['login'], testIo({ answer: 'abc\u0003' }))
  expect(ended).toMatchObject({ code: 2, err: expect.stringContaining('given up: no login') })
})

it.each([
  ['nothing', [], 'no invitation was given: paste the line that an admin sent you'],
  [
    'that of a machine',
    [`http://127.0.0.1:1#hakuriver_join_${'a'.repeat(32)}`],
    'for a machine: sudo hakuriver join',
  ],
  ['the link for a browser', ['http://127.0.0.1:1/login#code=abc'], 'this is the link for a browser'],
  ['a piece of one', [`http://127.0.0.1:1#${secret.slice(0, -3)}`], 'is missing: paste all of it'],
])('says what is wrong where it is given %s', async (_what, words, sentence) => {
  const { code, out, err } = await runAlone(['login', ...words], testIo())
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain(sentence)
  expect(err).not.toContain('aaa')
})

it.each([
  `http://127.0.0.1:1#${secret}`,
  `https://127.0.0.1:1#${Buffer.alloc(32).toString('base64url')}.${secret}`,
])('asks whether the address is right where nobody answers: %s', async (invitation) => {
  const { code, err } = await runAlone(['login', invitation], testIo())
  expect(code).toBe(5)
  expect(err).toMatch(/cannot reach the host at .*\n {2}Is the address right, and does the host run\?/)
})

it('says that an invitation was used, and repeats nothing of it', async () => {
  const host = await startHost()
  const { code, out, err } = await runAlone(['login', `${host.url}#${secret}`], testIo())
  expect({ code, out, err }).toEqual({
    code: 4,
    out: '',
    err: 'hakuriver: this invitation was used or is too old\n',
  })
})

it('logs in by a token, which is tried before it is kept', async () => {
  const host = await startHost()
  host.token = 'right'
  const test = testIo()
  const wrong = await runAlone(['login', host.url], again(test, { stdin: 'wrong\n' }))
  expect(wrong).toMatchObject({ code: 4, err: expect.stringContaining('the token is not valid') })
  expect(() => kept(test)).toThrow('ENOENT')
  const ran = await runAlone(['login', `${host.url}/`], again(test, { stdin: 'right\n' }))
  expect(ran).toMatchObject({ code: 0, out: expect.stringContaining(`Logged in to ${host.url} as ann`) })
  expect(kept(test).hosts).toEqual({ [host.url]: { token: 'right', user: 'ann', ca: null } })
})

it('refuses a token on the command line without sending it anywhere', async () => {
  const token = `hakuriver_api_${'b'.repeat(32)}`
  const { code, err } = await runAlone(['login', token], testIo())
  expect({ code, err }).toEqual({
    code: 2,
    err: expect.stringContaining('does not belong on a command line'),
  })
  expect(err).not.toContain(token)
})

it('warns before it sends a token over a network in the clear', async () => {
  const host = await startHost()
  const url = host.url.replace('127.0.0.1', '0.0.0.0')
  const { code, err } = await runAlone(['login', url], testIo({ stdin: 'token' }))
  expect({ code, err }).toMatchObject({ code: 0, err: expect.stringContaining(`${url} is not https`) })
})

it('tells where commands go instead, where this machine has a host of its own', async () => {
  const host = await startHost()
  const test = testIo()
  writeFileSync(join(test.home, 'host.json'), JSON.stringify({ url: 'http://127.0.0.1:1', pid: 1 }))
  host.people.invitations.set(secret, 'ann')
  const { err } = await runAlone(['login', `${host.url}#${secret}`], again(test))
  expect(err).toBe(
    `Commands go to http://127.0.0.1:1 all the same (${join(test.home, 'host.json')}): write --host ${host.url} where you mean the other.\n`,
  )
})

it('sends each token to the host that it is for, and to no other', async () => {
  const [one, other, own] = [await startHost(), await startHost(), await startHost()]
  const test = await loggedIn(one)
  writeFileSync(join(test.home, 'admin-token'), 'own-token\n', { mode: 0o600 })
  writeFileSync(join(test.home, 'host.json'), JSON.stringify({ url: own.url, pid: 1 }))
  const shown = async (host: FakeHost, words: string[], env: Record<string, string> = {}) => {
    await runAlone(words, again(test, { env }))
    return host.seen.at(-1)?.headers.authorization
  }
  expect(await shown(one, ['ps', '--host', one.url])).toBe('Bearer token-of-ann')
  expect(await shown(one, ['ps'], { HAKURIVER_HOST_URL: `${one.url}/` })).toBe('Bearer token-of-ann')
  expect(await shown(own, ['ps'])).toBe('Bearer own-token')
  expect(await shown(other, ['ps', '--host', other.url])).toBeUndefined()
  // the same port under another name is another host
  expect(await shown(one, ['ps', '--host', one.url.replace('127.0.0.1', 'localhost')])).toBeUndefined()
})

it('shows the admin token of this machine to no host elsewhere, also while its own is stopped', async () => {
  const test = testIo()
  writeFileSync(join(test.home, 'admin-token'), 'own-token\n', { mode: 0o600 })
  const server = createServer((request, response) => {
    refuse(response, 'unauthenticated', String(request.headers.authorization))
  })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const { err } = await runAlone(['ps', '--host', `http://0.0.0.0:${port}`], again(test))
  expect(err).toContain('hakuriver: undefined\n')
  expect(err).toContain('was not sent to another')
})

it('refuses to use what others can read', async () => {
  const host = await startHost()
  const test = await loggedIn(host)
  const path = join(test.home, 'credentials.json')
  chmodSync(path, 0o640)
  const { code, err } = await runAlone(['ps'], again(test))
  expect(code).toBe(4)
  expect(err).toContain(
    `hakuriver: others can read ${path}, which holds your tokens\n  Run chmod 600 ${path}`,
  )
  const seen = host.seen.length
  const login = await runAlone(['login', `${host.url}#${secret}`], again(test))
  expect(login.code).toBe(4)
  expect(host.seen.length).toBe(seen)
})

it.each(['[]', '{', '{"hosts": {"http://a": {"token": 1}}}'])(
  'says that %s is not its file',
  async (text) => {
    const test = testIo()
    writeFileSync(join(test.home, 'credentials.json'), text, { mode: 0o600 })
    const { code, err } = await runAlone(['ps'], again(test))
    expect({ code, err }).toEqual({
      code: 2,
      err: expect.stringContaining('is not what hakuriver login has written'),
    })
  },
)

it('revokes the token when it logs out, and forgets it', async () => {
  const host = await startHost()
  const test = await loggedIn(host)
  host.people.tokens.push(tokenOf({ id: '7' }))
  const ran = await runAlone(['logout'], again(test))
  expect(ran).toEqual({ code: 0, out: `Logged out of ${host.url}.\n`, err: '' })
  expect(host.seen.at(-1)).toMatchObject({ method: 'POST', path: '/api/v1/tokens/7/revoke' })
  expect(host.seen.at(-1)?.headers.authorization).toBe('Bearer token-of-ann')
  expect(kept(test)).toEqual({ hosts: {}, default: null })
  const more = await runAlone(['logout', host.url], again(test))
  expect(more).toMatchObject({ code: 3, err: expect.stringContaining(`not logged in to ${host.url}`) })
})

it('forgets the token also where the host is away, and says that it is valid still', async () => {
  const host = await startHost()
  const other = await startHost()
  const test = await loggedIn(host)
  await loggedIn(other, test)
  await host.stop()
  const { code, out, err } = await runAlone(['logout', host.url], again(test))
  expect({ code, out }).toEqual({ code: 5, out: `Logged out of ${host.url}.\n` })
  expect(err).toContain('but the host takes it still: cannot reach the host')
  expect(kept(test)).toMatchObject({ default: other.url })
  expect(Object.keys(kept(test).hosts)).toEqual([other.url])
})

it('logs out everywhere', async () => {
  const [one, other] = [await startHost(), await startHost()]
  const test = await loggedIn(one)
  await loggedIn(other, test)
  for (const host of [one, other]) host.people.tokens.push(tokenOf({ id: '7' }))
  const ran = await runAlone(['logout', '--all', '--json'], again(test))
  expect(JSON.parse(ran.out).items).toEqual(
    [one, other].map(({ url }) => ({ host: url, user: 'ann', token: 'revoked', why: null })),
  )
  expect(kept(test).hosts).toEqual({})
  const none = await runAlone(['logout', '--all'], again(test))
  expect(none).toMatchObject({ code: 0, err: 'You are not logged in anywhere.\n' })
})

it('says who one is', async () => {
  const host = await startHost()
  const test = await loggedIn(host)
  const { out } = await runAlone(['whoami'], again(test))
  expect(out).toBe(
    [
      'ann  submitter',
      `  host   ${host.url}  (${join(test.home, 'credentials.json')})`,
      '  token  7, never ends',
      '',
    ].join('\n'),
  )
  const json = await runAlone(['whoami', '--json'], again(test))
  expect(JSON.parse(json.out)).toEqual({ host: host.url, ...host.people.me })
})
