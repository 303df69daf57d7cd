import { expect, it } from 'vitest'
import { run, startHost } from './cli.suite.ts'
import { refuse } from './fake-host.suite.ts'
import { tokenOf, userOf } from './fake-people.suite.ts'

const minute = 60_000
const ahead = (ms: number) => new Date(Date.now() + ms).toISOString()

it('lists tokens and browsers, and says which one it has shown itself', async () => {
  const host = await startHost()
  host.people.tokens.push(
    tokenOf({
      id: '9',
      kind: 'browser',
      label: 'Firefox',
      lastUsedAt: ahead(-90_000),
      lastUsedFrom: '10.0.0.2',
    }),
    tokenOf({ id: '8', label: 'old', expiresAt: ahead(-minute) }),
    tokenOf({ id: '7', label: 'ann@laptop', expiresAt: ahead(61 * minute) }),
    tokenOf({ id: '5', user: 'bob' }),
  )
  const { out } = await run(host, ['token', 'list'])
  const [head, ...rows] = out.trimEnd().split('\n')
  expect(head?.split(/ {2,}/)).toEqual(['ID', 'LABEL', 'ROLE', 'KIND', 'USED', 'FROM', 'MADE', 'ENDS'])
  const told = rows.map((row) => row.split(/ {2,}/).toSpliced(6, 1))
  expect(told).toEqual([
    ['9', 'Firefox', 'submitter', 'browser', '1 m 30 s ago', '10.0.0.2', 'never'],
    ['8', 'old', 'submitter', 'token', 'never', '-', 'over 1 m ago'],
    ['7', 'ann@laptop (this one)', 'submitter', 'token', 'never', '-', 'in 1 h 1 m'],
  ])
  const all = await run(host, ['token', 'list', '--all'])
  expect(all.out).toMatch(/^ID {2}USER {2}LABEL/)
  expect(all.out).toContain('5   bob')
  const json = await run(host, ['token', 'list', '--json'])
  expect(JSON.parse(json.out).items.map(({ id }: { id: string }) => id)).toEqual(['9', '8', '7'])
})

it('prints a new token alone, and the rest beside it', async () => {
  const host = await startHost()
  const words = ['token', 'make', '--label', 'nightly', '--role', 'viewer', '--expires', '30d']
  const { code, out, err } = await run(host, words)
  expect({ code, out }).toEqual({ code: 0, out: 'hakuriver_api_made\n' })
  expect(err).toBe('Token 42 of ann (viewer), never ends. It is shown this once.\n')
  expect(host.seen.at(-1)?.body).toEqual({ label: 'nightly', role: 'viewer', expiresInSeconds: 30 * 86_400 })
  await run(host, ['token', 'make', '--label', 'x', '--expires', 'never', '--user', 'bob'])
  expect(host.seen.at(-1)?.body).toEqual({ label: 'x', expiresInSeconds: null, user: 'bob' })
  await run(host, ['token', 'make', '--label', 'x'])
  expect(host.seen.at(-1)?.body).toEqual({ label: 'x' })
})

it.each([
  [['token', 'make'], "required option '--label <words>' not specified"],
  [
    ['token', 'make', '--label', 'x', '--role', 'king'],
    'Allowed choices are viewer, submitter, operator, admin',
  ],
  [['token', 'make', '--label', 'x', '--expires', 'later'], 'later'],
  [['user', 'set', 'ann'], "required option '--role <role>' not specified"],
  [['user', 'add', 'Ann'], '"Ann" is no name for a user'],
  [['ps', '--mine', '--user', 'bob'], 'cannot be used with'],
  [['user', 'frob'], 'See hakuriver user --help'],
])('%j is a mistake of usage', async (words, sentence) => {
  const host = await startHost()
  const { code, out, err } = await run(host, words)
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain(sentence)
  expect(host.seen).toEqual([])
})

it('revokes several tokens, each answered for by itself', async () => {
  const host = await startHost()
  host.people.tokens.push(tokenOf({ id: '7' }))
  const { code, out, err } = await run(host, ['token', 'revoke', '7', '8'])
  expect({ code, out }).toEqual({ code: 3, out: 'Token 7 of ann (laptop) is revoked.\n' })
  expect(err).toContain('hakuriver: there is no token 8\n')
  const named = await run(host, ['token', 'revoke', 'nope'])
  expect(named).toMatchObject({
    code: 2,
    err: 'hakuriver: "nope" is no id of a token: hakuriver token list has them\n',
  })
})

it('says where what was meant can be looked up', async () => {
  const host = await startHost()
  const told = async (...words: string[]) => (await run(host, words)).err.split('\n')[1]
  expect(await told('user', 'invite', 'zed')).toBe('  `hakuriver user list` has all.')
  expect(await told('token', 'revoke', '8')).toBe('  `hakuriver token list` has yours.')
  expect(await told('show', '99')).toBe('  `hakuriver ps --all` lists every task.')
  expect(await told('node', 'n9')).toBe('  `hakuriver nodes` lists every node.')
  expect(await told('logout', host.url)).toBe('  `hakuriver login URL` logs you in.')
})

it('names the directory that is missing where an export cannot be written', async () => {
  const { code, err } = await run(await startHost(), ['audit', 'export', '--out', '/nowhere/x'])
  expect({ code, err }).toEqual({
    code: 2,
    err: 'hakuriver: cannot write /nowhere/x: there is no directory /nowhere\n',
  })
})

it('adds a user, and prints the one line to send to that person', async () => {
  const host = await startHost()
  const { code, out, err } = await run(host, ['user', 'add', 'bob', '--expires', '2d'])
  const invitation = `${host.url}#hakuriver_login_bob${'x'.repeat(29)}`
  expect({ code, out }).toEqual({ code: 0, out: `hakuriver login '${invitation}'\n` })
  expect(err.split('\n')).toEqual([
    'bob is added as submitter. Send this to that person and nobody else:',
    `Or, for a browser: ${host.url}/login#code=abc`,
    expect.stringMatching(/^One of the two can be used, once, until 2099-/),
    expect.stringContaining('Both lead to this machine alone'),
    '',
  ])
  expect(host.seen.map(({ path, body }) => [path, body])).toEqual([
    ['/api/v1/users', { name: 'bob', role: 'submitter' }],
    ['/api/v1/users/bob/invitations', { ttlSeconds: 2 * 86_400 }],
  ])
  const taken = await run(host, ['user', 'add', 'bob'])
  expect(taken).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringContaining('there is a user bob already'),
  })
  const further = await run(host, ['user', 'invite', 'bob', '--json'])
  expect(JSON.parse(further.out)).toMatchObject({ invitation, link: `${host.url}/login#code=abc` })
})

it('says where a user was added but not invited', async () => {
  const host = await startHost()
  host.intercept = ({ path }, response) => {
    if (!path.endsWith('/invitations')) return false
    refuse(response, 'store_full', 'the disk is full')
    return true
  }
  const { code, out, err } = await run(host, ['user', 'add', 'bob'])
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toBe(
    'hakuriver: bob is added, but could not be invited: the disk is full\n  Once that is right: hakuriver user invite bob\n',
  )
})

it('lists and changes users', async () => {
  const host = await startHost()
  host.people.users.push(userOf({ name: 'ann', tokens: 0 }), userOf({ name: 'bob', isDisabled: true }))
  const { out } = await run(host, ['user', 'list'])
  expect(out).toMatch(/^USER {3}ROLE {7}STATUS {9}TOKENS {2}USED {3}ADDED\n/)
  expect(out).toMatch(/^ann {4}submitter {2}not logged in {7}0 {2}never/m)
  expect(out).toMatch(/^bob {4}submitter {2}disabled/m)
  const set = await run(host, ['user', 'set', 'ann', 'bob', '--role', 'operator'])
  expect(set.out).toMatch(/^ann is operator now\. .*log in again\.\nbob is operator now\. /)
  const off = await run(host, ['user', 'disable', 'ann'])
  expect(off.out).toContain('ann can do nothing more')
  const on = await run(host, ['user', 'enable', 'bob'])
  expect(on.out).toBe('bob may work again, as operator.\n')
  expect(host.people.users.map(({ isDisabled }) => isDisabled)).toEqual([false, true, false])
})

it('tells a refusal in the words of the host, with the exit code of what is not permitted', async () => {
  const host = await startHost()
  host.intercept = (_, response) => {
    refuse(response, 'not_permitted', 'this needs the role admin, and ann is submitter')
    return true
  }
  const { code, err } = await run(host, ['user', 'list'])
  expect({ code, err }).toEqual({
    code: 4,
    err: expect.stringContaining(
      'hakuriver: this needs the role admin, and ann is submitter\n  An admin of the cluster can give you that role.\n',
    ),
  })
})

it('shows owners where there are several, and those of one alone where that is asked', async () => {
  const host = await startHost()
  host.add({ id: '1', owner: 'ann' })
  expect((await run(host, ['ps'])).out).not.toContain('OWNER')
  host.add({ id: '2', owner: 'bob' })
  expect((await run(host, ['ps'])).out).toMatch(/^ID {2}STATUS {3}OWNER {2}COMMAND/)
  const mine = await run(host, ['ps', '--mine', '--quiet'])
  expect(mine.out).toBe('1\n')
  expect((await run(host, ['ps', '--user', 'bob', '--quiet'])).out).toBe('2\n')
})

it('says of another’s task what is not shown, and offers nothing that is refused', async () => {
  const host = await startHost()
  host.add({ id: '1', owner: 'bob', env: null, mayTouch: false })
  const { out } = await run(host, ['show', '1'])
  expect(out).toContain("(environment not shown: it is bob's task)")
  expect(out).toContain('owner')
  expect(out).toContain('Its output is for bob and for operators, and so is ending it.')
  expect(out).not.toContain('hakuriver kill')
})
