import { mkdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { runAlone, type TestIo, testIo } from './cli.suite.ts'
import { noService, type ServiceOptions, service } from './commands/service.ts'
import { createContext } from './context.ts'
import { type ServiceUnit, serviceUnit } from './service-unit.ts'

const own = fileURLToPath(new URL('main.ts', import.meta.url))
const unit: ServiceUnit = {
  name: 'runner',
  nodeFile: '/n/node',
  programFile: '/p/runner.cjs',
  configFile: null,
  home: '/root/.hakuriver',
  user: null,
  isApart: true,
  systemdVersion: 254,
}

async function unitsOf(test: TestIo, options: Partial<ServiceOptions>): Promise<Record<string, string[]>> {
  expect(await service({ ...noService, ...options }, createContext({ json: true }, test.io), own)).toBe(0)
  const { units } = JSON.parse(test.out()) as { units: { file: string; text: string }[] }
  return Object.fromEntries(units.map(({ file, text }) => [file, text.split('\n')]))
}

describe('init service', () => {
  it('asks which', async () => {
    const none = await runAlone(['init', 'service'], testIo())
    expect(none).toMatchObject({ code: 2, err: expect.stringContaining('--runner') })
    const now = await runAlone(['init', 'service', '--host', '--now'], testIo())
    expect(now).toMatchObject({ code: 2, err: expect.stringContaining('--install') })
  })

  it('prints the programs in use, with the configuration that is there', async () => {
    const test = testIo()
    const path = join(test.home, 'config.toml')
    writeFileSync(path, '')
    const units = await unitsOf(test, { host: true, runner: true, root: true })
    expect(Object.keys(units)).toEqual(['hakuriver-host.service', 'hakuriver-runner.service'])
    const program = join(import.meta.dirname, '../host/main.ts')
    expect(units['hakuriver-host.service']).toContain(
      `ExecStart=${process.execPath} ${program} --config ${path}`,
    )
    expect(units['hakuriver-host.service']).toContain(`Environment=HAKURIVER_HOME=${test.home}`)
  })

  it('is of the user that was named, and that has to be there', async () => {
    const { username, homedir } = userInfo()
    const test = testIo({ env: { HAKURIVER_HOME: '' } })
    const { 'hakuriver-host.service': lines = [] } = await unitsOf(test, { host: true, user: username })
    expect(lines).toContain(`Environment=HAKURIVER_HOME=${homedir}/.hakuriver`)
    expect(lines.includes(`User=${username}`)).toBe(username !== 'root')
    const nobody = await runAlone(
      ['init', 'service', '--host', '--user', 'no-such-user'],
      testIo({ env: { HAKURIVER_HOME: '' } }),
    )
    expect(nobody).toMatchObject({ code: 2, err: expect.stringContaining('there is no user "no-such-user"') })
  })

  it('makes no unit that could not start', async () => {
    const test = testIo()
    const missing = await runAlone(['init', 'service', '--host', '--config', '/nowhere.toml'], test)
    expect(missing).toMatchObject({ code: 2, err: expect.stringContaining('/nowhere.toml') })
    mkdirSync(test.home, { recursive: true })
    writeFileSync(join(test.home, 'config.toml'), '[runner]\nexecutor = "x"\n')
    const options = { ...noService, host: true, root: true }
    await expect(service(options, createContext({}, test.io), own)).rejects.toThrow('line 2: runner.executor')
  })

  it('hardens a runner only where its tasks are units of their own', async () => {
    for (const [executor, isHardened] of [
      ['auto', true],
      ['process', false],
    ] as const) {
      const test = testIo()
      writeFileSync(join(test.home, 'config.toml'), `[runner]\nexecutor = "${executor}"\n`)
      const { 'hakuriver-runner.service': lines = [] } = await unitsOf(test, { runner: true, root: true })
      expect([executor, lines.includes('NoNewPrivileges=yes')]).toEqual([executor, isHardened])
    }
  })
})

describe('a unit', () => {
  const linesOf = (more: Partial<ServiceUnit>) => serviceUnit({ ...unit, ...more }).split('\n')

  it('of a runner leaves tasks alone, and never gives up', () => {
    for (const line of [
      'KillMode=process',
      'Restart=always',
      'StartLimitIntervalSec=0',
      'OOMPolicy=continue',
    ])
      expect(linesOf({})).toContain(line)
    expect(linesOf({ user: 'ann' })).toContain('User=ann')
  })

  it('is started again more and more slowly where systemd can', () => {
    expect(linesOf({})).toContain('RestartMaxDelaySec=60s')
    expect(linesOf({ systemdVersion: null })).toContain('RestartSteps=6')
    expect(linesOf({ systemdVersion: 252 }).join()).not.toMatch(/RestartSteps|RestartMaxDelaySec/)
  })

  it('quotes what systemd would read as something else', () => {
    const odd = { nodeFile: '/n $x/node', programFile: '/p%n/a"b', configFile: '/c/$HOME', home: '/h h/100%' }
    expect(linesOf(odd)).toContain('ExecStart="/n $x/node" "/p%%n/a\\"b" --config /c/$$HOME')
    expect(linesOf(odd)).toContain('Environment="HAKURIVER_HOME=/h h/100%%"')
    expect(() => linesOf({ configFile: '/a\nExecStartPre=/bin/evil' })).toThrow('control characters')
  })
})
