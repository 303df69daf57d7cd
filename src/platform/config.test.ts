import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { parse } from 'smol-toml'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { readSettings, urlOfHost } from './config.ts'
import { configText } from './config-text.ts'
import { fileSettings, hostSettings, runnerSettings, type Setting } from './settings.ts'
import { linesOfKeys } from './toml-lines.ts'

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

describe('a default', () => {
  it('follows what it is derived from, and an empty text is none', () => {
    const found = read('[paths]\nstate_dir = "/var/lib/h"\n[timing]\nheartbeat_interval = 8\n')
    expect(found.databaseFile).toEqual({
      value: '/var/lib/h/cluster.db',
      origin: 'default',
      place: 'default',
    })
    expect(found.watchSeconds.value).toBe(4)
    expect(read('[paths]\nhost_log_file = ""\n').logFile).toMatchObject({ value: null, origin: 'default' })
    // a flag that is empty takes a value of the file away
    const text = '[paths]\nshared_dir = "/shared"\n'
    expect(read(text, ['--shared-dir', '']).sharedDir).toMatchObject({ value: null, origin: 'default' })
  })

  it('of a runner names this machine and its home directory', () => {
    const found = readSettings(runnerSettings, { argv: [], env: { HAKURIVER_HOME: dir } })
    expect(found.name.value).toBe(hostname())
    expect([found.stateDir.value, found.joinTokenFile.value]).toEqual([
      join(dir, 'runner'),
      join(dir, 'join-token'),
    ])
  })
})

it('a relative path counts from the file that it stands in, elsewhere from here', () => {
  const text = '[paths]\nstate_dir = "state"\nhost_log_file = "~/h.log"\nshared_dir = "/shared/../s"\n'
  const found = read(text)
  expect(found.stateDir.value).toBe(join(dir, 'state'))
  expect(found.logFile.value).toBe(join(homedir(), 'h.log'))
  expect(found.sharedDir.value).toBe('/s')
  expect(read(text, ['--state-dir', 'here']).stateDir.value).toBe(resolve('here'))
  expect(read(text, [], { HAKURIVER_STATE_DIR: 'there' }).stateDir.value).toBe(resolve('there'))
})

it.each([
  ['10.0.0.1', 'http://10.0.0.1:81'],
  ['fd00::1', 'http://[fd00::1]:81'],
  ['https://cluster.example/x', 'https://cluster.example/x'],
])('the host at %s has the URL %s', (address, url) => {
  expect(urlOfHost(address, 81)).toBe(url)
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
    ['[colours]\n', 'line 1: there is no section [colours]; remove it'],
    ['[path]\n', 'line 1: there is no section [path]; did you mean [paths]?'],
    ['network = 5\n', 'line 1: network is a section: write [network], and its settings below'],
    ['[[network]]\nhost_port = 1\n', 'line 1: network is a section'],
    ['[network.host_port]\nx = 1\n', 'line 1: network.host_port is {"x":1}: write a whole number'],
    ['[network.whatever]\nx = 1\n', 'line 1: there is no setting network.whatever; remove it'],
    [
      '\n"network.host_port" = 1\n',
      'line 2: there is no setting "network.host_port"; did you mean network.host_port?',
    ],
    ['[timing]\nhost_port = 1\n[network]\nhost_port = 2\n', 'line 2: there is no setting timing.host_port'],
    ['network.host_port = 1\ntiming.host_port = 1\n', 'line 2: there is no setting timing.host_port'],
    [
      '[paths]\nshared_dir = """\nhost_port = 1\n"""\nhost_port = 1\n',
      'line 5: there is no setting paths.host_port',
    ],
    ['[network]\nhost_port = [\n1,\n2]\n', 'line 2: network.host_port is [1,2]'],
    ['[network]\r\n\r\nhost_prot = 1\r\n', 'line 3: there is no setting network.host_prot'],
    ['[network]\nhost_port = "8000"\n', 'is "8000": write a whole number from 0 to 65535 without quotes'],
    ['[runner]\nsudo = "true"\n', 'runner.sudo is "true": write true or false without quotes'],
    ['[runner]\nexecutor = "sytemd"\n', 'line 2: runner.executor is "sytemd": write auto,'],
    ['[timing]\nheartbeat_interval = nan\n', 'write a number from 0.01 to 3600'],
    ['constructor = 1\n', 'line 1: there is no setting constructor; remove it'],
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

  it('tells whoever comes from the original all that is of no use, at once', () => {
    const text = [
      '[network]',
      'host_port = 8000',
      'host_ssh_proxy_port = 8002',
      '[environment]',
      'runner_user = "worker"',
      '[docker]',
      'container_dir = "a"',
      'additional_mounts = []',
    ]
    expect(() => read(text.join('\n'))).toThrow(
      'config.toml: environment.runner_user (line 5) is called runner.task_user here; network.host_ssh_proxy_port (line 3), docker.container_dir (line 7) and docker.additional_mounts (line 8) are keys of the original HakuRiver and of no use here: remove them',
    )
    expect(() => read('[environment]\nrunner_user = ""\n')).toThrow(
      'environment.runner_user (line 2) is a key of the original HakuRiver and of no use here: remove it',
    )
    expect(read('[docker]\n[snapshots]\n').port.value).toBe(8000)
  })

  it('names the right key for one that lacks a letter', () => {
    const keys: string[] = Object.values(fileSettings).map(({ key }) => key)
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.nat(), (key, at) => {
        const [section = '', name = ''] = key.split('.')
        const cut = at % name.length
        const wrong = name.slice(0, cut) + name.slice(cut + 1)
        expect(() => read(`[${section}]\n${wrong} = 1\n`)).toThrow(
          `line 2: there is no setting ${section}.${wrong}; did you mean ${key}?`,
        )
      }),
    )
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

describe('a table', () => {
  const users = (text: string) =>
    readSettings(runnerSettings, { argv: ['--config', write(text)], env: { HAKURIVER_HOME: dir } }).users
  it('is what stands in its section, or none', () => {
    expect(users('')).toMatchObject({ value: null, origin: 'default' })
    expect(users('[users]\n').value).toEqual({})
    const found = users('[runner]\nname = "a"\n\n[users]\nalice = "worker"\n"*" = "="\n__proto__ = "x"\n')
    expect(Object.entries(found.value ?? {})).toEqual([
      ['alice', 'worker'],
      ['*', '='],
      ['__proto__', 'x'],
    ])
    expect(found.place).toMatch(/config\.toml, line 4$/)
  })

  it.each([
    ['[users]\nalice = 5\n', 'line 2: alice in [users] is 5: write the name of a local user in quotes'],
    ['[users]\nalice = ""\n', 'line 2: alice in [users] is ""'],
    ['[users]\nalice = "0"\n', 'line 2: alice in [users] is "0"'],
    ['[users]\nalice = "a b"\n', 'line 2: alice in [users] is "a b"'],
    ['[users]\nalice = "a"\nAlice = "b"\n', 'line 3: "Alice" cannot be a name in [users]'],
    ['[users]\n"a.b" = "b"\n', 'line 2: "a.b" cannot be a name in [users]'],
    ['[users.alice]\nx = "b"\n', 'line 1: alice in [users] is {"x":"b"}'],
    ['users = "alice"\n', 'line 1: users is a section: write [users]'],
    ['[user]\nalice = "a"\n', 'there is no setting user.alice'],
  ])('%j is told in one sentence', (text, sentence) => {
    expect(() => users(text)).toThrow(sentence)
  })
})

describe('the file that init writes', () => {
  const found = (text: string) => {
    const path = write(text)
    const settings = readSettings(fileSettings, { argv: ['--config', path], env: {} })
    return Object.entries(settings).map(([name, { value, origin }]) => [name, value, origin] as const)
  }

  it('sets nothing', () => {
    expect(parse(configText())).toEqual({
      network: {},
      paths: {},
      database: {},
      timing: {},
      limits: {},
      runner: {},
    })
    for (const [, , origin] of found(configText())) expect(origin).toBe('default')
  })

  it('is right with every key switched on, each at the line where it stands', () => {
    const text = configText().replace(/^#(?=(\w+|"\*") = |\[)/gm, '')
    const lines = linesOfKeys(text)
    const settings: Record<string, Setting> = fileSettings
    for (const [name, value, origin] of found(text)) {
      const setting = settings[name]
      expect([name, origin, value]).toEqual([name, 'file', setting?.default ?? setting?.example ?? false])
      const line = text.split('\n')[(lines.get(setting?.key ?? '') ?? 0) - 1]
      expect(line).toMatch(new RegExp(`^${setting?.key?.split('.')[1]} = `))
    }
  })

  it('shows what is known of this machine', () => {
    expect(configText({ 'runner.name': 'n"7' })).toContain('\n#name = "n\\"7"\n')
  })

  it('explains every key', () => {
    for (const { doc } of Object.values(fileSettings)) expect(configText()).toContain(`# ${doc}.`)
  })
})

const hasHeader = (style: string) => style === 'table' || style === 'header'

/** A text and an array of several lines whose inside looks like keys; their own names are unlike all others. */
function noise(isBelow: boolean, section: string, name: string, nonce: number): string[] {
  const own = isBelow ? `NOISE-${nonce}` : `NOISE-${nonce}.x`
  return [`${own} = """`, `[${section}]`, `${name} = 1`, '"""', `${own}s = [`, `  "${name} = 1",`, ']']
}

it('finds the line of a key however it is written', () => {
  const name = fc.stringMatching(/^[a-z_]{1,8}$/)
  const style = fc.constantFrom('table', 'dotted', 'inline', 'header')
  const sections = fc.dictionary(
    name,
    fc.record({ style, names: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }) }),
  )
  fc.assert(
    fc.property(sections, (all) => {
      const lines: string[] = []
      let nonce = 0
      const wanted = new Map<string, number>()
      // dots and inline tables stand before the first header
      const ordered = Object.entries(all).sort(
        ([, a], [, b]) => Number(hasHeader(a.style)) - Number(hasHeader(b.style)),
      )
      for (const [section, { style: how, names }] of ordered) {
        lines.push('# a comment = 1', '')
        if (how === 'table') lines.push(`[${section}]`)
        for (const each of names) {
          if (how === 'table') lines.push(`  ${each} = "a = b"`)
          if (how === 'header') lines.push(`[${section}.'${each}'] # ${each} = 1`)
          if (how === 'dotted') lines.push(`${section} . ${each} = 1`)
          wanted.set(`${section}.${each}`, lines.length + (how === 'inline' ? 1 : 0))
          // looks like others, and is none: of the line it belongs to
          if (how !== 'inline')
            lines.push(...noise(how === 'table' || how === 'header', section, each, nonce++))
        }
        if (how === 'inline') lines.push(`${section} = { ${names.map((each) => `${each} = 1`).join(', ')} }`)
      }
      const text = lines.join('\n')
      const found = linesOfKeys(text)
      for (const [key, line] of wanted) expect([key, found.get(key)]).toEqual([key, line])
    }),
  )
})
