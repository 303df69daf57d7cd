/** The whole of `hakuriver doctor`: the real programs' own checks, against a host that says what a test wants. */
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { runAlone, startHost, type TestIoOptions, temporaryDir, testIo } from '../cli.suite.ts'
import { doctor } from '../commands/doctor.ts'
import { type CommonOptions, createContext } from '../context.ts'
import { type FakeHost, nodeOf } from '../fake-host.suite.ts'
import type { Finding } from './finding.ts'

const own = join(import.meta.dirname, '../main.ts')
/** Three programs start from source, perhaps on a busy machine. */
const programDeadlineMs = 25_000
/** Nothing waits for long, however broken everything is. */
const wholeMs = 20_000

let host: FakeHost
let dir: string
beforeEach(async () => {
  host = await startHost()
  host.nodes.push(nodeOf({ name: 'n1', runnerVersion: '0.0.0-source' }))
  dir = temporaryDir()
  chmodSync(dir, 0o755)
  host.sharedDir = join(dir, 'shared')
  for (const name of ['shared', 'temp', 'other']) {
    mkdirSync(join(dir, name))
    chmodSync(join(dir, name), 0o777)
  }
})

async function check(words: string[], options: CommonOptions & TestIoOptions & { toml?: string } = {}) {
  const test = testIo({
    ...options,
    env: {
      PATH: process.env.PATH ?? '',
      HAKURIVER_HOST_URL: host.url,
      HAKURIVER_TOKEN: 'secret',
      HAKURIVER_JOIN_TOKEN: 'join',
      HAKURIVER_NODE_NAME: 'n1',
      // root needs a word on whom tasks are
      ...(process.getuid?.() === 0 && { HAKURIVER_TASK_USER: 'nobody' }),
      HAKURIVER_LOCAL_TEMP_DIR: join(dir, 'temp'),
      HAKURIVER_SHARED_DIR: join(dir, 'shared'),
      ...options.env,
    },
  })
  if (options.toml !== undefined) writeFileSync(join(test.home, 'config.toml'), options.toml)
  const beginMs = performance.now()
  const code = await doctor(words, createContext(options, test.io), own, programDeadlineMs)
  return { code, out: test.out(), home: test.home, ms: performance.now() - beginMs }
}

async function findings(words: string[], options: Parameters<typeof check>[1] = {}) {
  const { code, out, ms } = await check(words, { ...options, json: true })
  const list = JSON.parse(out) as Finding[]
  const of = (id: string) => {
    const found = list.filter((finding) => finding.id === id)
    return found.map(({ status, found: text, fix }) => `${status}: ${text}\n${fix ?? ''}`).join('\n')
  }
  return { code, list, of, ms }
}

describe('hakuriver doctor', () => {
  it('finds no problem where there is none, proves the shared directory, and leaves nothing in it', async () => {
    const { code, list, of, ms } = await findings([])
    expect(list.filter(({ status }) => status === 'problem')).toEqual([])
    expect(code).toBe(0)
    expect(of('shared-dir-same')).toContain(`ok: the host sees in ${host.sharedDir}`)
    expect(of('node')).toContain('online')
    expect(of('clock')).toMatch(/^ok/)
    expect(of('version')).toMatch(/^ok/)
    expect(of('join-token')).toMatch(/^ok/)
    for (const { id, status, found } of list) {
      expect(id).toMatch(/^[a-z][a-z0-9-]+$/)
      expect(['ok', 'warning', 'problem', 'not_checked']).toContain(status)
      expect(found).toMatch(/\S/)
    }
    expect(readdirSync(join(dir, 'shared'))).toEqual([])
    expect(readdirSync(join(dir, 'temp'))).toEqual([])
    expect(ms).toBeLessThan(wholeMs)
  })

  it('prints groups for a person, within the terminal', async () => {
    const { code, out } = await check([], { columns: 70 })
    expect(code).toBe(0)
    expect(out).toMatch(/^This machine\n {2}✔ ok {11}Node 24/)
    expect(out).toContain('\nDirectories\n')
    expect(out).toContain(`\nThe host at ${host.url}\n`)
    expect(out).toMatch(/\nNo problem(, \d+ warnings?)?(, \d+ not checked)?, \d+ ok\.\n$/)
  })

  it('tells that host and node have different directories', async () => {
    const shared = join(dir, 'other')
    const { code, of } = await findings([], { env: { HAKURIVER_SHARED_DIR: shared } })
    expect(code).toBe(1)
    expect(of('shared-dir-same')).toContain(
      `problem: the host does not see in ${host.sharedDir} what is written to ${shared} here`,
    )
    expect(of('shared-dir-same')).toContain(`findmnt -T ${shared}`)
    expect(readdirSync(shared)).toEqual([])
  })

  it('tells a clock that is wrong, and a host that has another version', async () => {
    host.clockMs = 5_000
    host.version = '9.9.9'
    const first = await findings([])
    expect(first.of('clock')).toMatch(/^warning: the host's clock is (4\.9|5|5\.1) s ahead of this machine's/)
    expect(first.of('version')).toMatch(/^warning: the host has version 9\.9\.9/)
    expect(first.code).toBe(0)
    host.clockMs = -3_600_000
    const second = await findings([])
    expect(second.of('clock')).toMatch(/^problem: the host's clock is 1 h behind/)
    expect(second.code).toBe(1)
  })

  it('does not crash on a wrong configuration: that is a finding', async () => {
    const unknown = await findings([], { toml: '[paths]\nshard_dir = "/x"\n' })
    expect(unknown.of('config')).toMatch(/^problem: .*config\.toml.*shared_dir/)
    expect(unknown.code).toBe(1)
    expect(unknown.of('node-version')).toMatch(/^ok/)
    expect(unknown.of('cgroup')).not.toBe('')
    const broken = await findings([], { toml: '[paths\n', env: { HAKURIVER_HOST_URL: '' } })
    expect(broken.of('config')).toMatch(/^problem: .*config\.toml/)
    expect(broken.code).toBe(1)
  })

  it('tells an address at which nobody answers', async () => {
    const { of, code } = await findings([], { env: { HAKURIVER_HOST_URL: 'http://127.0.0.1:1' } })
    expect(of('host-connection')).toContain(
      'problem: cannot reach the host at http://127.0.0.1:1: connection refused',
    )
    expect(of('shared-dir-same')).toMatch(/^not_checked: .*connection refused/)
    expect(code).toBe(1)
  })

  it('ends in time with everything broken', async () => {
    host.intercept = () => true
    const env = {
      HAKURIVER_SHARED_DIR: '/no/such/place',
      HAKURIVER_LOCAL_TEMP_DIR: '/proc/1/no',
      HAKURIVER_NUMACTL_PATH: '/no/such/numactl',
      HAKURIVER_TASK_USER: 'no-such-user',
      HAKURIVER_EXECUTOR: 'systemd-user',
    }
    const { code, of, ms } = await findings([], { env })
    expect(code).toBe(1)
    expect(ms).toBeLessThan(wholeMs)
    expect(of('host-connection')).toMatch(/^problem: .*no answer within 3 s/)
    expect(of('shared-dir')).toMatch(/^problem: .*does not exist/)
    expect(of('local-temp-dir')).toMatch(/^problem/)
    expect(of('numactl')).toMatch(/^problem: numactl_path is \/no\/such\/numactl: there is none/)
    expect(of('task-user')).toMatch(/^problem/)
  })

  it('hands the flags of a program to it', async () => {
    const flags = ['--name', 'other-node', '--executor', 'process']
    const { of, list } = await findings(['runner', ...flags])
    expect(of('executor')).toMatch(/^warning: a runner takes process: asked for/)
    expect(of('node')).toMatch(/other-node/)
    expect(list.some(({ id }) => id.startsWith('own-host'))).toBe(false)
    const wrong = await findings(['runner', '--no-such-flag'])
    expect(wrong.of('config')).toMatch(/^problem: there is no option --no-such-flag/)
  })

  it('takes paths as they are meant here, and a configuration file that is named', async () => {
    const token = relative(process.cwd(), join(dir, 'join-token'))
    writeFileSync(join(dir, 'join-token'), 'join\n')
    const noEnv = { env: { HAKURIVER_JOIN_TOKEN: '', HAKURIVER_SHARED_DIR: '' } }
    const byFlag = await findings(['runner', '--join-token-file', token], noEnv)
    expect(byFlag.of('join-token')).toMatch(/^ok/)
    const config = join(dir, 'my.toml')
    writeFileSync(config, `[paths]\nshared_dir = "${join(dir, 'other')}"\n`)
    const named = await findings([], { ...noEnv, config })
    expect(named.of('config')).toContain(config)
    expect(named.of('shared-dir-same')).toMatch(/^problem/)
    expect((await findings(['runner', '--config', config], noEnv)).of('config')).toContain(config)
  })

  it('checks a host before its first start', async () => {
    const stateDir = join(dir, 'state')
    const found = await findings(['host', '--state-dir', stateDir, '--port', '0'])
    expect(found.of('own-host')).toMatch(/^ok: no host runs here/)
    expect(found.of('own-host-database')).toMatch(/^ok: .*the host makes it/)
    expect(found.of('own-host-state-dir')).toMatch(/^ok: .*not there yet/)
    expect(existsSync(stateDir)).toBe(false)
    const taken = await findings(['host', '--state-dir', stateDir, '--port', new URL(host.url).port])
    expect(taken.of('own-host-port')).toMatch(/^problem: .*something else listens/)
  })

  it('refuses what it does not know', async () => {
    const ran = await runAlone(['doctor', 'hosts'], testIo())
    expect(ran.code).toBe(2)
    expect(ran.err).toContain('not "hosts"')
    const help = await runAlone(['doctor', '--help'], testIo())
    expect(help.out).toContain('hakuriver doctor runner -- --task-user worker')
  })
})
