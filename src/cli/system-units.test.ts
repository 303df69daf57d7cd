import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { describe, expect, it, onTestFinished } from 'vitest'
import { testIo } from './cli.suite.ts'
import { noService, service } from './commands/service.ts'
import { createContext } from './context.ts'
import { findHost } from './host-address.ts'
import { configInUnit, homeInUnit, serviceUnit, userInUnit } from './service-unit.ts'
import { hostSystemUnit, launcherServiceUnit, launcherSocketUnit, runnerSystemUnit } from './system-units.ts'

const own = fileURLToPath(new URL('main.ts', import.meta.url))
const files = { nodeFile: '/opt/node/bin/node', programFile: '/opt/hakuriver/dist/x.cjs', configFile: null }
const unit = { files, home: '/var/lib/hakuriver', systemdVersion: 254, writes: [] }

async function unitsOf(toml: string | null, options: object) {
  const test = testIo()
  const path = join(test.home, 'own.toml')
  if (toml !== null) writeFileSync(path, toml)
  const context = createContext({ json: true, ...(toml !== null && { config: path }) }, test.io)
  expect(await service({ ...noService, ...options }, context, own)).toBe(0)
  const { units } = JSON.parse(test.out()) as { units: { file: string; text: string }[] }
  return Object.fromEntries(units.map(({ file, text }) => [file, text.split('\n')]))
}

describe('an installation for the whole machine', () => {
  it('has a runner without root, and a launcher that only it can reach', async () => {
    const units = await unitsOf(null, { runner: true })
    expect(Object.keys(units)).toEqual([
      'hakuriver-runner.service',
      'hakuriver-launcher.socket',
      'hakuriver-launcher@.service',
    ])
    expect(units['hakuriver-runner.service']).toEqual(
      expect.arrayContaining([
        'User=hakuriver',
        'CapabilityBoundingSet=',
        'Requires=hakuriver-launcher.socket',
      ]),
    )
    expect(units['hakuriver-launcher.socket']).toEqual(
      expect.arrayContaining([
        'SocketUser=root',
        'SocketGroup=hakuriver',
        'SocketMode=0660',
        'MaxConnections=1',
        'Accept=yes',
      ]),
    )
    const launcher = units['hakuriver-launcher@.service'] ?? []
    expect(launcher).toContain('PrivateNetwork=yes')
    expect(launcher.join('\n')).not.toMatch(/^User=/m)
    expect(launcher.find((line) => line.startsWith('ExecStart='))).toMatch(/launcher\/main\.ts --peer %i$/)
  })

  it('is by the configuration: other directories, a low port', async () => {
    const toml =
      '[paths]\nstate_dir = "/srv/h"\nhost_log_file = "/var/log/h/host.log"\n[network]\nhost_port = 80\n'
    const { 'hakuriver-host.service': host = [] } = await unitsOf(toml, { host: true })
    expect(host).toEqual(
      expect.arrayContaining([
        'ReadWritePaths=-/srv/h',
        'ReadWritePaths=-/var/log/h',
        'AmbientCapabilities=CAP_NET_BIND_SERVICE',
      ]),
    )
    expect(host).not.toContain('PrivateUsers=yes')
  })

  it('is not for tasks that are plain processes', async () => {
    const made = unitsOf('[runner]\nexecutor = "process"\n', { runner: true })
    await expect(made).rejects.toThrow(
      'the launcher runs tasks under systemd, and runner.executor is process',
    )
  })

  it('is of one user, or of root', async () => {
    const both = unitsOf(null, { host: true, user: 'ann', root: true })
    await expect(both).rejects.toThrow('--root and --user')
  })
})

describe('the state of an installed host', () => {
  it('is what its unit names', () => {
    expect(homeInUnit(hostSystemUnit({ ...unit, lowPort: false }))).toBe('/var/lib/hakuriver')
    for (const home of ['/h h/100%', '/a"b\\c', '/plain'])
      expect(
        homeInUnit(
          serviceUnit({ ...files, name: 'host', home, user: null, isApart: true, systemdVersion: 1 }),
        ),
      ).toBe(home)
    expect(homeInUnit('[Service]\n')).toBeNull()
    for (const configFile of ['/etc/hakuriver/config.toml', '/c c/$HOME/100%', '/a"b\\c']) {
      const text = runnerSystemUnit({ ...unit, files: { ...files, configFile } })
      expect([configInUnit(text), userInUnit(text)]).toEqual([configFile, 'hakuriver'])
    }
    const plain = serviceUnit({
      ...files,
      name: 'host',
      home: '/h',
      user: null,
      isApart: true,
      systemdVersion: 1,
    })
    expect([configInUnit(plain), userInUnit(plain)]).toEqual([null, null])
  })

  it.runIf(process.getuid?.() === 0)('is read by root without following where its owner points', async () => {
    const home = mkdtempSync(join(tmpdir(), 'hakuriver-home-'))
    onTestFinished(() => rmSync(home, { recursive: true, force: true }))
    const secret = join(home, 'secret')
    writeFileSync(secret, "root's own")
    const state = join(home, 'state')
    mkdirSync(state)
    chmodSync(home, 0o755)
    const io = { env: { HAKURIVER_HOME: state }, userHome: '/nowhere' }
    writeFileSync(join(state, 'admin-token'), 'token')
    for (const path of [state, join(state, 'admin-token')]) chownSync(path, 12_345, 12_345)
    expect((await findHost({}, io)).token).toBe('token')
    rmSync(join(state, 'admin-token'))
    symlinkSync(secret, join(state, 'admin-token'))
    await expect(findHost({}, io)).rejects.toThrow('cannot read')
    rmSync(join(state, 'admin-token'))
    writeFileSync(join(state, 'admin-token'), 'of root')
    await expect(findHost({}, io)).rejects.toThrow('is not of the owner of its directory')
  })
})

describe('the launcher', () => {
  it('has nothing in it that speaks over a network', async () => {
    const { metafile, outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL('../runner/launcher/main.ts', import.meta.url))],
      ...{ bundle: true, platform: 'node', format: 'cjs', target: 'node24', write: false, metafile: true },
      ...{ outdir: '/nowhere', logLevel: 'silent' },
    })
    const [output] = Object.values(metafile.outputs)
    const external = (output?.imports ?? []).map(({ path }) => path.replace(/^node:/, ''))
    const known = [
      'child_process',
      'crypto',
      'fs',
      'fs/promises',
      'net',
      'os',
      'path',
      'timers/promises',
      'util',
    ]
    expect(external.filter((each) => !known.includes(each))).toEqual([])
    const libraries = Object.keys(metafile.inputs).flatMap(
      (path) => /node_modules\/([^/]+)/.exec(path)?.[1] ?? [],
    )
    expect([...new Set(libraries)]).toEqual(['smol-toml'])
    // it is handed its one connection, and opens that to systemd
    const text = outputFiles?.[0]?.text ?? ''
    expect(text).not.toMatch(/createServer|\.listen\(|WebSocket|node:(http|https|tls|dgram|http2|dns)\b/)
  })
})

/** systemd-analyze(1) of 250 and later can tell it of a file. */
const canAnalyze = (() => {
  try {
    return (
      Number(/^systemd (\d+)/.exec(execFileSync('systemd-analyze', ['--version']).toString())?.[1]) >= 250
    )
  } catch {
    return false
  }
})()

it.runIf(canAnalyze)('the units are as closed as they say', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hakuriver-units-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const exposureOf = (name: string, text: string) => {
    const path = join(dir, name)
    writeFileSync(path, text)
    const told = execFileSync('systemd-analyze', ['security', '--no-pager', '--offline=yes', path]).toString()
    return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(told)?.[1])
  }
  expect(
    exposureOf('hakuriver-host.service', hostSystemUnit({ ...unit, lowPort: false })),
  ).toBeLessThanOrEqual(2)
  expect(exposureOf('hakuriver-runner.service', runnerSystemUnit(unit))).toBeLessThanOrEqual(2.5)
  const launcher = launcherServiceUnit({ ...unit, localTempDir: '/tmp/hakuriver', sharedDir: null })
  expect(exposureOf('hakuriver-launcher@.service', launcher)).toBeLessThanOrEqual(3)
  expect(launcherSocketUnit('/run/hakuriver/launcher.sock')).toContain(
    'ListenStream=/run/hakuriver/launcher.sock',
  )
})
