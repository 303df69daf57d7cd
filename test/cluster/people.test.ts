/** Several people at one cluster by the command line: real host, real runner, a home for each person. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'
import { bundle, Program } from '../support/program.ts'

let cluster: LocalCluster
const open: Program[] = []
beforeEach(() => {
  open.length = 0
})
afterEach(async () => {
  await Promise.all(
    open.filter(({ child }) => child.exitCode === null).map((program) => program.stop('SIGKILL')),
  )
  await cluster.close()
})

/** A person with a home of its own, who is told of no host by the environment. */
function person(name: string) {
  const home = join(cluster.dir, `home of ${name}`)
  mkdirSync(home, { recursive: true })
  const env = { HAKURIVER_HOME: home, HAKURIVER_HOST_URL: '', HAKURIVER_TOKEN: '', HAKURIVER_CONFIG: '' }
  const start = (...words: string[]) => {
    const program = new Program(process.execPath, [bundle('hakuriver'), ...words], env)
    open.push(program)
    return program
  }
  const type = async (...words: string[]) => {
    const program = start(...words)
    const { code } = await program.ended
    return { code, out: program.stdout, err: program.stderr }
  }
  /** With something piped in. */
  const pipe = (input: string, ...words: string[]) =>
    spawnSync(process.execPath, [bundle('hakuriver'), ...words], {
      input,
      env: { ...process.env, ...env },
      encoding: 'utf8',
    })
  return { home, start, type, pipe }
}

/** The admin sits at the host's machine. */
async function admin(...words: string[]) {
  const program = cluster.cli(...words)
  const { code } = await program.ended
  return { code, out: program.stdout, err: program.stderr }
}

/** What `user add` prints, typed by that person. */
async function invited(name: string, ...options: string[]) {
  const added = await admin('user', 'add', name, ...options)
  expect(added).toMatchObject({ code: 0, out: expect.stringMatching(/^hakuriver login '[^']+'\n$/) })
  const [, invitation = ''] = /'([^']+)'/.exec(added.out) ?? []
  const who = person(name)
  return { ...who, invitation, login: await who.type('login', invitation) }
}

it('lets invited people in, each with what is their own', async () => {
  cluster = await LocalCluster.start()
  const ann = await invited('ann')
  expect(ann.login).toMatchObject({ code: 0, out: expect.stringContaining(`as ann (submitter), until `) })
  expect(statSync(join(ann.home, 'credentials.json')).mode & 0o777).toBe(0o600)
  expect(await ann.type('whoami')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^ann {2}submitter\n/),
  })
  // once: the second time it is nobody's
  const second = await person('thief').type('login', ann.invitation)
  expect(second).toMatchObject({ code: 4, out: '' })
  expect(second.err).not.toContain(ann.invitation.slice(-32))

  const bob = await invited('bob')
  const ofBob = await bob.type(
    'submit',
    '--quiet',
    '-e',
    'KEY=value',
    '--',
    'sh',
    '-c',
    'echo mine; sleep 60',
  )
  const id = ofBob.out.trim()
  await cluster.api.reached(id, 'running')
  const refused = await ann.type('kill', id)
  expect(refused).toMatchObject({
    code: 4,
    err: expect.stringContaining('it belongs to bob, so that needs the role operator'),
  })
  expect(await ann.type('logs', id)).toMatchObject({ code: 4, out: '' })
  const shown = await ann.type('show', id)
  expect(shown.out).toContain("(environment not shown: it is bob's task)")
  expect(shown.out).not.toContain('KEY=value')
  expect((await ann.type('user', 'list')).code).toBe(4)

  await ann.type('submit', '--', 'true')
  expect((await ann.type('ps')).out).toMatch(/^ID +STATUS +OWNER/)
  expect((await bob.type('ps', '--mine', '--quiet')).out).toBe(`${id}\n`)
  expect((await bob.type('kill', '--wait', id)).code).toBe(0)
})

it('ends what goes on by a token within a second of its end', async () => {
  cluster = await LocalCluster.start()
  const ann = await invited('ann')
  const id = (await ann.type('submit', '--quiet', '--', 'sh', '-c', 'echo hello; sleep 60')).out.trim()
  const made = await ann.type('token', 'make', '--label', 'laptop', '--expires', '1d')
  expect(made.out).toMatch(/^hakuriver_api_[\w-]{32}\n$/)
  const laptop = person('ann at her laptop')
  const login = laptop.pipe(made.out, 'login', cluster.api.url)
  expect(login).toMatchObject({ status: 0, stdout: expect.stringContaining('as ann (submitter)') })
  const follow = laptop.start('logs', '-f', id)
  await waitFor('the log is followed', () => follow.stdout.includes('hello'))
  const { items } = JSON.parse((await ann.type('token', 'list', '--json')).out)
  const token = items.find(({ label }: { label: string }) => label === 'laptop')
  expect((await ann.type('token', 'revoke', token.id)).code).toBe(0)
  const revokedAt = Date.now()
  expect(await follow.ended).toMatchObject({ code: 4 })
  expect(Date.now() - revokedAt).toBeLessThan(1_500)
  expect((await laptop.type('ps')).code).toBe(4)
  // her own login holds
  expect((await ann.type('ps')).code).toBe(0)
})

it('ends the login of who logs out, and of who is disabled', async () => {
  cluster = await LocalCluster.start()
  const ann = await invited('ann')
  const { hosts } = JSON.parse(readFileSync(join(ann.home, 'credentials.json'), 'utf8'))
  const [{ token }] = Object.values(hosts) as [{ token: string }]
  expect(await ann.type('logout')).toMatchObject({ code: 0, err: '' })
  const late = person('who has kept it').pipe(token, 'login', cluster.api.url)
  expect(late.status).toBe(4)

  const bob = await invited('bob', '--role', 'operator')
  expect((await admin('user', 'disable', 'bob')).code).toBe(0)
  expect(await bob.type('ps')).toMatchObject({ code: 4, err: expect.stringContaining('Log in') })
  expect((await admin('user', 'set', 'admin', '--role', 'viewer')).code).toBe(1)
})

it('trusts a host of TLS by its invitation alone', async () => {
  cluster = await LocalCluster.start({ hostArgs: ['--tls', 'on'] })
  expect(cluster.api.url).toMatch(/^https:/)
  const stranger = person('a stranger')
  const blind = stranger.pipe('hakuriver_api_token', 'login', cluster.api.url)
  expect(blind).toMatchObject({ status: 4, stderr: expect.stringContaining('nothing here vouches for') })

  const ann = await invited('ann')
  expect(ann.login).toMatchObject({ code: 0 })
  expect((await ann.type('submit', '--wait', '--', 'true')).code).toBe(0)
  const kept = JSON.parse(readFileSync(join(ann.home, 'credentials.json'), 'utf8'))
  expect(kept.hosts[kept.default].ca).toContain('BEGIN CERTIFICATE')

  // a further token of the same host needs no further proof of it
  const made = await ann.type('token', 'make', '--label', 'again')
  expect(ann.pipe(made.out, 'login', kept.default).status).toBe(0)

  const forged = (await admin('user', 'invite', 'ann')).out.replace(/#.{42}./, `#${'A'.repeat(43)}`)
  const [, invitation = ''] = /'([^']+)'/.exec(forged) ?? []
  const other = await person('somebody else').type('login', invitation)
  expect(other).toMatchObject({ code: 4, err: expect.stringContaining('is not the host of this invitation') })
})
