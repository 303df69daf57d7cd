import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type LocalUserRules, localUserOf, type RunnerRights, usualUidMin } from './local-user.ts'

const uids: Record<string, number> = {
  ...{ root: 0, toor: 0, daemon: 1, hakuriver: 998, shadow: 998, worker: 1000, alice: 1001, bob: 1002 },
  nobody: 65_534,
}
const find = (name: string) => (Object.hasOwn(uids, name) ? { uid: uids[name] ?? -1 } : null)
const root: RunnerRights = {
  node: 'node1',
  ownUser: 'root',
  canSwitch: true,
  deniesRest: true,
  uidMin: usualUidMin,
  find,
}
const launcher: RunnerRights = { ...root, ownUser: 'hakuriver', keptUser: 'hakuriver' }
const ordinary: RunnerRights = { ...root, ownUser: 'worker', canSwitch: false, deniesRest: false }
const none: LocalUserRules = { users: null, taskUser: null }
const users = (map: Record<string, string>, taskUser: string | null = null): LocalUserRules => ({
  users: map,
  taskUser,
})

describe('the local user of a task', () => {
  test.each<[string, string, LocalUserRules, RunnerRights, object]>([
    ['the one that is named', 'alice', users({ alice: 'worker', '*': 'nobody' }), root, { user: 'worker' }],
    ['that of everybody else', 'bob', users({ alice: 'worker', '*': 'nobody' }), root, { user: 'nobody' }],
    ['the same name', 'bob', users({ '*': '=' }), root, { user: 'bob' }],
    ['the same name, for one', 'bob', users({ bob: '=' }), launcher, { user: 'bob' }],
    ['task_user', 'bob', { users: null, taskUser: 'worker' }, root, { user: 'worker' }],
    ['* before task_user', 'bob', users({ '*': 'nobody' }, 'worker'), root, { user: 'nobody' }],
    ['task_user beside a section', 'bob', users({ alice: 'alice' }, 'worker'), root, { user: 'worker' }],
    ['root, by name', 'alice', users({ alice: 'root' }), root, { user: 'root' }],
    ['the own user of an ordinary runner', 'alice', none, ordinary, { user: 'worker' }],
    ['the own user, named', 'alice', users({ alice: 'worker' }), ordinary, { user: 'worker' }],
    ['a system user, named', 'alice', users({ alice: 'daemon' }), root, { user: 'daemon' }],
  ])('is %s', (_, owner, rules, rights, expected) => {
    expect(localUserOf(owner, rules, rights)).toEqual(expected)
  })

  test.each<[string, string, LocalUserRules, RunnerRights, string]>([
    [
      'nobody maps',
      'alice',
      none,
      root,
      'node1 runs nothing of alice: add `alice = "…"` to [users] in its configuration',
    ],
    ['a section does not name', 'alice', users({ bob: 'bob' }), ordinary, 'node1 runs nothing of alice'],
    ['* would make root', 'alice', users({ '*': 'root' }), root, 'add `alice = "root"` to [users]'],
    ['task_user would make root', 'alice', { users: null, taskUser: 'root' }, root, 'as root only if'],
    ['= would make root', 'root', users({ '*': '=' }), root, 'as root only if'],
    ['= for one would make root', 'root', users({ root: '=' }), root, 'as root only if'],
    ['another name makes root', 'alice', users({ alice: 'toor' }), root, 'as root only if'],
    [
      '= makes a system user',
      'daemon',
      users({ '*': '=' }),
      root,
      'system user of the same name (id 1, below 1000)',
    ],
    ['does not exist', 'carol', users({ '*': '=' }), root, 'the user carol does not exist on node1'],
    ["is the runner's own", 'alice', users({ alice: 'hakuriver' }), launcher, "its runner's own user"],
    ["has the runner's own id", 'alice', users({ alice: 'shadow' }), launcher, "its runner's own user"],
    [
      'is another than it can be',
      'alice',
      users({ alice: 'alice' }),
      ordinary,
      'node1 runs tasks as worker alone',
    ],
    ['is an id', 'alice', users({ alice: '0' }), root, 'cannot be the name of a user'],
  ])('is none whom %s', (_, owner, rules, rights, sentence) => {
    expect(localUserOf(owner, rules, rights)).toEqual({ refusal: expect.stringContaining(sentence) })
  })

  const name = fc.constantFrom(
    ...Object.keys(uids),
    'carol',
    '0',
    '+0',
    '',
    ' root',
    'root ',
    '=',
    '*',
    '__proto__',
  )
  const rules = fc.record({
    users: fc.option(fc.dictionary(name, name, { noNullPrototype: false })),
    taskUser: fc.option(name),
  })

  test('is never root but for whom the configuration names it literally, and never the kept one', () => {
    fc.assert(
      fc.property(name, rules, fc.constantFrom(root, launcher), (owner, rules, rights) => {
        const found = localUserOf(owner, rules, rights)
        if ('refusal' in found) {
          expect(found.refusal).toMatch(/^\S.+$/)
          return
        }
        const uid = find(found.user)?.uid
        expect(uid).toBeDefined()
        if (uid === 0) {
          expect(found.user).toBe('root')
          expect(Object.getOwnPropertyDescriptor(rules.users, owner)?.value).toBe('root')
        }
        if (rights.keptUser !== undefined) expect(uid).not.toBe(uids.hakuriver)
      }),
      { numRuns: 5_000 },
    )
  })

  test('is somebody only where a rule says so, and then only whom the rule says', () => {
    fc.assert(
      fc.property(name, rules, (owner, rules) => {
        const found = localUserOf(owner, rules, root)
        if ('refusal' in found) return
        const said = [
          ...Object.values(rules.users ?? {}),
          ...(rules.taskUser === null ? [] : [rules.taskUser]),
        ]
        expect(said.map((user) => (user === '=' ? owner : user))).toContain(found.user)
      }),
      { numRuns: 5_000 },
    )
  })

  test('is their own for a runner that can be nobody else', () => {
    fc.assert(
      fc.property(name, rules, (owner, rules) => {
        const found = localUserOf(owner, rules, ordinary)
        if ('user' in found) expect(found.user).toBe('worker')
      }),
    )
  })
})
