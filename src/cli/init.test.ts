import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runAlone, temporaryFile, testIo } from './cli.suite.ts'

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

describe('init where it cannot write', () => {
  it('says where, and no stack', async () => {
    const path = join(temporaryFile(''), 'below', 'config.toml')
    const ran = await runAlone(['init', '--config', path], testIo())
    expect(ran).toMatchObject({ code: 4, err: expect.stringContaining(`cannot write ${path} (ENOTDIR)`) })
    expect(ran.err).not.toContain('defect')
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
    expect(out).toMatch(new RegExp(`^database\\.db_file +"${test.home}/cluster\\.db" +default$`, 'm'))
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

  it('has the settings of one program, with its flags', async () => {
    const words = ['config', 'show', 'host', '--origin', '--', '--port', '9', '--insecure-loopback']
    const host = await runAlone(words, testIo())
    expect(host.out).toMatch(/^network\.host_port +9 +--port$/m)
    expect(host.out).toMatch(/^--insecure-loopback +true +--insecure-loopback$/m)
    expect(host.out).not.toContain('runner.')
    const wrong = await runAlone(['config', 'show', 'runner', '--', '--prt', '9'], testIo())
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('there is no option --prt') })
    const other = await runAlone(['config', 'show', 'client'], testIo())
    expect(other).toMatchObject({ code: 2, err: expect.stringContaining('not of "client"') })
  })

  it('shows no secret, and that there is one', async () => {
    const env = { HAKURIVER_TOKEN: 'canary-1', HAKURIVER_JOIN_TOKEN: 'canary-2' }
    for (const words of [['--origin'], ['--json'], ['runner', '--', '--join-token', 'canary-3']]) {
      const { out, code } = await runAlone(['config', 'show', ...words], testIo({ env }))
      expect(code).toBe(0)
      expect(out).toContain('HAKURIVER_JOIN_TOKEN')
      expect(out).not.toContain('canary')
    }
    const { out } = await runAlone(['config', 'show', '--origin'], testIo({ env }))
    expect(out).toMatch(/^HAKURIVER_TOKEN +not shown +HAKURIVER_TOKEN$/m)
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
