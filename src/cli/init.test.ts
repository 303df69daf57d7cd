import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { runAlone, testIo } from './cli.suite.ts'
import { service } from './commands/service.ts'
import { createContext } from './context.ts'
import { serviceUnit } from './service-unit.ts'

describe('init', () => {
  it('writes the file once, and says what comes next', async () => {
    const test = testIo()
    const path = join(test.home, 'config.toml')
    expect(await runAlone(['init'], test)).toMatchObject({
      code: 0,
      out: expect.stringContaining('hakuriver up'),
    })
    expect(readFileSync(path, 'utf8')).toContain('[network]')
    writeFileSync(path, '# mine\n')
    const again = await runAlone(['init'], test)
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('is there already') })
    expect(readFileSync(path, 'utf8')).toBe('# mine\n')
    expect((await runAlone(['init', '--force'], test)).code).toBe(0)
    expect(readFileSync(path, 'utf8')).toContain('[network]')
    expect(statSync(test.home).mode & 0o077).toBe(0)
  })

  it('writes another by --config, with its directory', async () => {
    const test = testIo()
    const path = join(test.home, 'deep', 'er.toml')
    const ran = await runAlone(['init', '--config', path, '--json'], test)
    expect([ran.code, JSON.parse(ran.out)]).toEqual([0, { path }])
    expect(readFileSync(path, 'utf8')).toContain('[runner]')
  })
})

describe('config show', () => {
  it('tells each value, and with --origin where it comes from', async () => {
    const test = testIo({ env: { HAKURIVER_HOST_PORT: '81' } })
    const path = join(test.home, 'config.toml')
    writeFileSync(path, '[runner]\nname = "n7"\n')
    const { out, code } = await runAlone(['config', 'show', '--origin'], test)
    expect(code).toBe(0)
    expect(out).toMatch(/^network\.host_port +81 +HAKURIVER_HOST_PORT$/m)
    expect(out).toMatch(new RegExp(`^runner\\.name +"n7" +${path}, line 2$`, 'm'))
    expect(out).toMatch(/^paths\.shared_dir +- +default$/m)
    const other = testIo({ env: { HAKURIVER_HOME: test.home } })
    const json = JSON.parse((await runAlone(['config', 'show', '--json'], other)).out) as {
      settings: object[]
    }
    expect(json.settings).toContainEqual({
      key: 'runner.name',
      value: 'n7',
      origin: 'file',
      place: `${path}, line 2`,
    })
    expect((await runAlone(['config', 'path'], testIo({ env: { HAKURIVER_HOME: test.home } }))).out).toBe(
      `${path}\n`,
    )
  })

  it('tells the line of a fault', async () => {
    const test = testIo()
    writeFileSync(join(test.home, 'config.toml'), '[runner]\nnmae = "n7"\n')
    const { code, err } = await runAlone(['config', 'show'], test)
    expect([code, err]).toEqual([
      2,
      expect.stringContaining('line 2: there is no setting runner.nmae; did you mean runner.name?'),
    ])
  })
})

describe('init service', () => {
  it('asks which, and prints what it would install', async () => {
    expect(await runAlone(['init', 'service'], testIo())).toMatchObject({
      code: 2,
      err: expect.stringContaining('--runner'),
    })
    const test = testIo()
    writeFileSync(join(test.home, 'config.toml'), '')
    const options = { host: true, runner: false, install: false, now: false, user: null }
    const own = fileURLToPath(new URL('main.ts', import.meta.url))
    expect(await service(options, createContext({ json: true }, test.io), own)).toBe(0)
    const { units } = JSON.parse(test.out()) as { units: { file: string; text: string }[] }
    expect(units.map(({ file }) => file)).toEqual(['hakuriver-host.service'])
    expect(units[0]?.text).toContain(`--config ${join(test.home, 'config.toml')}\n`)
    const missing = await runAlone(['init', 'service', '--host', '--config', '/nowhere.toml'], testIo())
    expect(missing).toMatchObject({ code: 2, err: expect.stringContaining('/nowhere.toml') })
  })

  it('leaves tasks alone, never gives up, and takes no path that systemd reads otherwise', () => {
    const unit = {
      name: 'runner',
      nodeFile: '/n/node',
      programFile: '/p/runner.cjs',
      configFile: null,
      home: null,
      user: 'ann',
    } as const
    const text = serviceUnit(unit)
    for (const line of ['KillMode=process', 'Restart=always', 'StartLimitIntervalSec=0', 'User=ann'])
      expect(text.split('\n')).toContain(line)
    expect(text).toContain('ExecStart=/n/node /p/runner.cjs\n')
    expect(() => serviceUnit({ ...unit, programFile: '/my programs/runner.cjs' })).toThrow(
      '/my programs/runner.cjs',
    )
    expect(() => serviceUnit({ ...unit, configFile: '/a%n' })).toThrow('/a%n')
  })
})
