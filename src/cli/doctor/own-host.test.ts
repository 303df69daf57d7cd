import { expect, it } from 'vitest'
import type { HostFacts } from '../../platform/check-facts.ts'
import { directoryFacts, hostFacts, probe } from './facts.suite.ts'
import { ownHostFindings } from './own-host.ts'

const told = (given: Partial<HostFacts>) =>
  ownHostFindings(hostFacts(given))
    .map(({ id, status, found, fix }) => `${id} ${status}: ${found}\n${fix ?? ''}`)
    .join('\n')

const config = hostFacts().config
const stateDir = hostFacts().stateDir
const bound = (bindAddress: string, reachableAddress: string | null) =>
  config === null ? {} : { config: { ...config, bindAddress, reachableAddress } }
const state = (given: object) => (stateDir === null ? {} : { stateDir: { ...stateDir, ...given } })

it('is all well', () => {
  expect(ownHostFindings(hostFacts()).map(({ id, status }) => `${id} ${status}`)).toEqual([
    'own-host ok',
    'own-host-bind ok',
    'own-host-tls ok',
    'own-host-reachable ok',
    'own-host-state-dir ok',
    'own-host-database ok',
    'own-host-shared-dir ok',
  ])
  expect(ownHostFindings(hostFacts({ config: null }))).toEqual([])
})

const nfs = { at: '/mnt', type: 'nfs4', source: 'server:/x' }

it.each<[Partial<HostFacts>, RegExp]>([
  [{ isRunning: false }, /^own-host warning: .*does not run/],
  [
    config === null ? {} : { config: { ...config, isTls: false } },
    /^own-host-tls warning: .*can be read on the network/m,
  ],
  [{ isRunning: false, isHere: false }, /^own-host ok/],
  [
    { isRunning: false, portProblem: 'something else listens on 0.0.0.0:8000' },
    /^own-host-port problem: .*something else[\s\S]*ss -ltnp 'sport = :8000'/,
  ],
  [bound('127.0.0.1', null), /own-host-bind ok: .*this machine alone/],
  [bound('127.0.0.1', '127.0.0.1'), /own-host-bind ok/],
  [
    bound('127.0.0.1', '10.0.0.1'),
    /own-host-bind problem: .*10\.0\.0\.1\n[\s\S]*host_bind_ip = "0\.0\.0\.0"/,
  ],
  [bound('::1', 'http://cluster:80'), /own-host-bind problem/],
  [bound('0.0.0.0', 'localhost'), /own-host-bind warning/],
  [bound('0.0.0.0', null), /own-host-bind ok: it listens on 0\.0\.0\.0:8000\n/],
  [
    { reachable: probe({ reach: 'no_connection', why: 'connection refused' }) },
    /own-host-reachable problem: .*connection refused/,
  ],
  [state({ exists: false, mode: null }), /own-host-state-dir ok: .*the host makes it/],
  [state({ mode: 0o755 }), /own-host-state-dir warning: .*mode 0755[\s\S]*chmod 700 \/home\/me\/\.hakuriver/],
  [state({ isOwn: false }), /own-host-state-dir problem: .*another user/],
  [
    state({ openFiles: ['/h/admin-token'] }),
    /own-host-state-dir problem: .*\/h\/admin-token\n[\s\S]*chmod 600/,
  ],
  [{ databaseDir: directoryFacts({ mount: nfs }) }, /own-host-database-network problem: .*nfs4/],
  [{ databaseDir: directoryFacts({ state: 'not_writable', why: 'x' }) }, /own-host-database problem/],
  [
    { databaseDir: directoryFacts({ freeBytes: 1000, totalBytes: 10_000 }) },
    /own-host-database-space warning/,
  ],
  [
    { databaseDir: directoryFacts({ state: 'absent', canBeMade: true, path: '/elsewhere' }) },
    /own-host-database problem: .*does not exist/,
  ],
  [{ sharedDir: directoryFacts({ state: 'not_writable', why: 'x' }) }, /own-host-shared-dir ok: .*can read/],
  [{ sharedDir: directoryFacts({ state: 'hung', why: 'x' }) }, /own-host-shared-dir problem/],
])('%j', (given, expected) => expect(told(given)).toMatch(expected))
