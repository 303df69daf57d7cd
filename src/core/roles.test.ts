import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isUserName, mayTouch, type Permission, roleMay, roles, weakerRole } from './roles.ts'

const permissions: Permission[] = ['view', 'submit', 'operate', 'admin']
const anyRole = fc.constantFrom(...roles)
const anyPermission = fc.constantFrom(...permissions)

describe('roles', () => {
  it('each may what those before it may, and one thing more', () => {
    const may = roles.map((role) => permissions.filter((permission) => roleMay(role, permission)).length)
    expect(may).toEqual([1, 2, 3, 4])
  })

  it('a token never acts with more than its user has', () => {
    fc.assert(
      fc.property(anyRole, anyRole, anyPermission, (ofUser, ofToken, permission) => {
        const acting = roleMay(weakerRole(ofUser, ofToken), permission)
        expect(acting).toBe(roleMay(ofUser, permission) && roleMay(ofToken, permission))
      }),
    )
  })
})

describe('the tasks of others', () => {
  it('are touched from operator on, and own ones by who may submit', () => {
    fc.assert(
      fc.property(anyRole, fc.boolean(), (role, isOwn) => {
        const may = mayTouch({ name: 'ann', role }, isOwn ? 'ann' : 'bob')
        expect(may).toBe(roleMay(role, isOwn ? 'submit' : 'operate'))
      }),
    )
  })

  it('are those of names that are not exactly the own one', () => {
    const ann = { name: 'ann', role: 'submitter' } as const
    expect(['ann', 'anna', 'an', 'Ann', ''].filter((owner) => mayTouch(ann, owner))).toEqual(['ann'])
  })
})

describe('a name of a user', () => {
  it.each(['a', '_x', 'ann-1', `a${'b'.repeat(31)}`])('can be %s', (name) => {
    expect(isUserName(name)).toBe(true)
  })

  it.each(['', 'Ann', '1a', '-a', 'a b', 'a\n', 'root/..', `a${'b'.repeat(32)}`])('cannot be %j', (name) => {
    expect(isUserName(name)).toBe(false)
  })
})
