import { describe, expect, it } from 'vitest'
import type { DirectoryFacts } from '../../platform/directory-check.ts'
import { directoryFindings, runnerDirectories, sameFinding } from './directories.ts'
import { directoryFacts, GiB, runnerFacts } from './facts.suite.ts'
import type { Finding } from './finding.ts'

const needs = { id: 'dir', name: 'the_dir', madeBy: null, onNetwork: null }
const nfs = { at: '/mnt/nfs', type: 'nfs4', source: 'server:/export' }

function told(findings: Finding[]): string {
  return findings.map(({ id, status, found, fix }) => `${id} ${status}: ${found}\n${fix ?? ''}`).join('\n')
}

const judge = (given: Partial<DirectoryFacts>, more: object = {}) =>
  told(directoryFindings(directoryFacts(given), { ...needs, ...more }))

describe('a directory', () => {
  it.each<[Partial<DirectoryFacts>, RegExp]>([
    [{}, /^dir ok: the_dir \/data: the user worker can write there; 50 GiB free\n$/],
    [{ mount: nfs }, /\(nfs4 from server:\/export\)\n$/],
    [
      { state: 'absent', canBeMade: true },
      /^dir problem: .*does not exist\n[\s\S]*sudo install -d -o worker \/data/,
    ],
    [{ state: 'not_a_directory' }, /^dir problem: .*is not a directory/],
    [
      { state: 'not_writable', why: 'Permission denied' },
      /^dir problem: the user worker cannot write in the_dir \/data: Permission denied\n[\s\S]*sudo chown worker \/data/,
    ],
    [{ state: 'not_writable', why: 'Read-only file system' }, /findmnt -T \/data/],
    [{ state: 'not_writable', why: 'No space left on device' }, /full/],
    [{ state: 'no_entry', why: 'Permission denied' }, /^dir problem: the user worker may not enter/],
    [
      { state: 'hung', why: 'no answer within 3 s', path: '/mnt/nfs/a', mount: nfs },
      /^dir problem: .*hangs: no answer within 3 s \(nfs4 from server:\/export\)\n[\s\S]*umount -l \/mnt\/nfs && /,
    ],
    [{ state: 'unknown', why: 'ENOENT' }, /^dir not_checked: .*ENOENT/],
    [{ state: 'absent', path: "/a b'c" }, /install -d -o worker '\/a b'\\''c'/],
  ])('%j', (given, expected) => expect(judge(given)).toMatch(expected))

  it('may be missing where somebody makes it', () => {
    const madeBy = 'the runner'
    expect(judge({ state: 'absent', canBeMade: true }, { madeBy })).toMatch(/^dir ok: .*the runner makes it/)
    expect(judge({ state: 'absent', canBeMade: false }, { madeBy })).toMatch(/^dir problem/)
  })

  it('need only be read where nobody writes', () => {
    const refused = { state: 'not_writable', why: 'Permission denied' } as const
    expect(judge(refused, { readOnly: true })).toMatch(/^dir ok: .*can read there/)
  })

  it.each([
    [50 * GiB, 100 * GiB, false],
    [6 * GiB, 100 * GiB, false],
    [4 * GiB, 100 * GiB, true],
    [0.9 * GiB, 2 * GiB, true],
    [1.1 * GiB, 2 * GiB, false],
  ])('with %i of %i bytes free', (freeBytes, totalBytes, isLow) => {
    expect(judge({ freeBytes, totalBytes }).includes('dir-space warning')).toBe(isLow)
  })

  it('lies where it should', () => {
    const onNetwork = { status: 'problem', why: 'not safe', fix: 'move it' }
    expect(judge({ mount: nfs }, { onNetwork })).toMatch(/dir-network problem: .*not safe\nmove it/)
    expect(judge({}, { onNetwork })).not.toContain('dir-network')
  })
})

describe('the directories of a runner', () => {
  it('are all well', () => {
    expect(runnerDirectories(runnerFacts()).map(({ id, status }) => `${id} ${status}`)).toEqual([
      'state-dir ok',
      'local-temp-dir ok',
      'shared-dir ok',
      'shared-dir-same ok',
    ])
  })
  it('have no shared one', () => {
    expect(told(runnerDirectories(runnerFacts({ sharedDir: null, sharedFile: null })))).toContain(
      'shared-dir ok: no shared_dir is set',
    )
  })
  it('need only be read where the launcher writes', () => {
    const sharedDir = directoryFacts({ path: '/shared', state: 'not_writable', why: 'Permission denied' })
    const facts = runnerFacts({ hasLauncher: true, sharedDir, sharedFile: null })
    expect(told(runnerDirectories(facts))).toMatch(/shared-dir ok: .*can read there/)
    expect(told(runnerDirectories(facts))).toMatch(/shared-dir-same not_checked/)
  })
  it('are closed to tasks: logs are written, the rest is not', () => {
    const sharedDirOfTasks = directoryFacts({
      path: '/shared',
      state: 'not_writable',
      why: 'Permission denied',
    })
    expect(told(runnerDirectories(runnerFacts({ sharedDirOfTasks })))).toMatch(
      /shared-dir-tasks warning: the user worker cannot write .*logs are written all the same/,
    )
  })
  it('were not looked at', () => {
    expect(told(runnerDirectories(runnerFacts({ stateDir: null })))).toContain('state-dir not_checked')
    expect(runnerDirectories(runnerFacts({ config: null }))).toEqual([])
  })
})

describe('the same directory on the host', () => {
  const file = runnerFacts().sharedFile
  const answer = { directory: '/other', size: null, sha256: null }
  const same = (state: string, given: object = {}) =>
    told([
      sameFinding(runnerFacts({ sharedFile: { ...file, answer: { ...answer, state, ...given } } as never })),
    ])
  it.each([
    [same('found', { size: 5, sha256: 'abc' }), /^shared-dir-same ok: .*\/other/],
    [same('found', { size: 5, sha256: 'def' }), /^shared-dir-same problem: .*other bytes/],
    [
      same('absent'),
      /^shared-dir-same problem: .*\/other .*\/shared here: they are not the same[\s\S]*findmnt -T \/other/,
    ],
    [same('unreadable'), /^shared-dir-same problem: the host may not read/],
    [same('hung'), /^shared-dir-same problem: \/other hangs on the host/],
    [
      same('no_directory', { directory: null }),
      /^shared-dir-same warning: .*\n[\s\S]*shared_dir = "\/shared"/,
    ],
  ])('%s', (found, expected) => expect(found).toMatch(expected))
  it('cannot be told', () => {
    expect(told([sameFinding(runnerFacts({ sharedFile: null }))])).toMatch(/not_checked: .*no file/)
    const silent = { answer: null, why: 'connection refused', size: 5, sha256: 'abc' }
    expect(told([sameFinding(runnerFacts({ sharedFile: silent }))])).toMatch(
      /not_checked: .*connection refused/,
    )
  })
})
