import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { parse } from 'smol-toml'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { readSettings, type Value } from './config.ts'
import { configText } from './config-text.ts'
import { fileSettings, hostSettings, type Setting } from './settings.ts'
import { lineOfKey } from './toml-lines.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-config-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
})

const write = (text: string) => {
  const path = join(dir, 'config.toml')
  writeFileSync(path, text)
  return path
}
const read = (text: string, argv: string[] = [], env: Record<string, string> = {}) => {
  const path = write(text)
  return readSettings(hostSettings, { argv: ['--config', path, ...argv], env })
}

describe('a setting', () => {
  it('comes from flag, environment, file or default, in this order, and says from where', () => {
    const text = '[network]\nhost_bind_ip = "10.0.0.1"\nhost_port = 1\n'
    const env = { HAKURIVER_HOST_PORT: '2', HAKURIVER_HOST_BIND_IP: '' }
    expect(read(text, ['--port', '3'], env).port).toEqual({ value: 3, origin: 'flag', place: '--port' })
    expect(read(text, [], env).port).toEqual({
      value: 2,
      origin: 'environment',
      place: 'HAKURIVER_HOST_PORT',
    })
    expect(read(text).port).toMatchObject({
      value: 1,
      origin: 'file',
      place: expect.stringMatching(/config\.toml, line 3$/),
    })
    expect(read('').port).toEqual({ value: 8000, origin: 'default', place: 'default' })
    // an empty variable is none
    expect(read(text, [], env).bindAddress.value).toBe('10.0.0.1')
  })

  it('is read from the file in the home directory, which need not be there', () => {
    write('[timing]\nheartbeat_interval = 0.5\n')
    const at = (home: string) => readSettings(hostSettings, { argv: [], env: { HAKURIVER_HOME: home } })
    expect(at(dir).heartbeatSeconds.value).toBe(0.5)
    expect(at(join(dir, 'none')).heartbeatSeconds.value).toBe(5)
    const named = { argv: ['--config', join(dir, 'none.toml')], env: {} }
    expect(() => readSettings(hostSettings, named)).toThrow('cannot read the configuration file')
  })
})

describe('a wrong file', () => {
  it.each([
    [
      '[network]\n\nhost_prot = 1\n',
      'line 3: there is no setting network.host_prot; did you mean network.host_port?',
    ],
    [
      '[paths]\nhost_port = 1\n',
      'line 2: there is no setting paths.host_port; did you mean network.host_port?',
    ],
    [
      '[network]\nhost_port = 1\n[runner]\nname = "a"\nhost_port = 2\n',
      'line 5: there is no setting runner.host_port',
    ],
    ['colour = "red"\n', 'line 1: there is no setting colour; remove it'],
    ['[docker]\nimage = "x"\n', 'line 2: there is no setting docker.image; remove it'],
    ['network.host_port = "x"\n', 'line 1: network.host_port is "x": write a whole number from 0 to 65535'],
    ['network = { host_port = 70000 }\n', 'line 1: network.host_port is 70000'],
    ['[network]\nhost_port = 80.5\n', 'write a whole number'],
    ['[network]\nhost_bind_ip = 127\n', 'host_bind_ip is 127: write a text in quotes'],
    ['[network]\nhost_port = 1\nhost_port = 2\n', 'line 3, column'],
    ['[network\n', 'line 1, column'],
  ])('%j is told in one sentence', (text, sentence) => {
    expect(() => read(text)).toThrow(sentence)
    expect(() => read(text)).toThrow(/^[^\n]*$/)
  })

  it('is told wherever the fault lies, also for another program', () => {
    expect(() => read('[runner]\nexecutor = 1\nfoo = 2\n')).toThrow('runner.foo')
  })

  it('names the nearest choice', () => {
    expect(() => read('', ['--log-level', 'wran'])).toThrow(
      '--log-level is "wran": write debug, info, warn, error or silent; did you mean warn?',
    )
    expect(() => read('', ['--heartbeats', '1'])).toThrow(
      'there is no option --heartbeats; did you mean --heartbeat?',
    )
  })
})

describe('the file that init writes', () => {
  const found = (text: string) => {
    const path = write(text)
    const settings = readSettings(fileSettings, { argv: ['--config', path], env: {} })
    return Object.entries(settings).map(([name, { value, origin }]) => [name, value, origin] as const)
  }

  it('sets nothing', () => {
    expect(parse(configText())).toEqual({ network: {}, paths: {}, database: {}, timing: {}, runner: {} })
    for (const [, , origin] of found(configText())) expect(origin).toBe('default')
  })

  it('is right with every key switched on, each at the line where it stands', () => {
    const text = configText().replace(/^#(?=\w+ = )/gm, '')
    const settings: Record<string, Setting> = fileSettings
    for (const [name, value, origin] of found(text)) {
      const setting = settings[name]
      expect([name, origin, value]).toEqual([name, 'file', setting?.default ?? setting?.example ?? false])
      const line = text.split('\n')[lineOfKey(text, setting?.key ?? '') - 1]
      expect(line).toMatch(new RegExp(`^${setting?.key?.split('.')[1]} = `))
    }
  })

  it('explains every key, and fits a terminal that is not narrow', () => {
    for (const { doc } of Object.values(fileSettings)) expect(configText()).toContain(`# ${doc}.`)
  })
})

it('finds the line of a key however it is written', () => {
  const name = fc.stringMatching(/^[a-z_]{1,8}$/)
  const style = fc.constantFrom('table', 'dotted', 'inline')
  const sections = fc.dictionary(
    name,
    fc.record({ style, names: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }) }),
  )
  fc.assert(
    fc.property(sections, (all) => {
      const lines: string[] = []
      const wanted = new Map<string, number>()
      // dots and inline tables stand before the first header
      const ordered = Object.entries(all).sort(
        ([, a], [, b]) => Number(a.style === 'table') - Number(b.style === 'table'),
      )
      for (const [section, { style: how, names }] of ordered) {
        lines.push('# a comment = 1', '')
        if (how === 'table') lines.push(`[${section}]`)
        for (const each of names) {
          if (how === 'table') lines.push(`  ${each} = "a = b"`)
          if (how === 'dotted') lines.push(`${section} . ${each} = 1`)
          wanted.set(`${section}.${each}`, lines.length + (how === 'inline' ? 1 : 0))
        }
        if (how === 'inline') lines.push(`${section} = { ${names.map((each) => `${each} = 1`).join(', ')} }`)
      }
      const text = lines.join('\n')
      const parsed = parse(text) as Record<string, Record<string, Value>>
      for (const [section, values] of Object.entries(parsed)) {
        for (const each of Object.keys(values)) {
          const key = `${section}.${each}`
          expect([key, lineOfKey(text, key)]).toEqual([key, wanted.get(key)])
        }
      }
    }),
  )
})
