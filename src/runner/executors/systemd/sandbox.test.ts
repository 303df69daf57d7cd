import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isWithin, sandboxOf } from './sandbox.ts'

const wishes = {
  privateTmp: true,
  hidden: ['/var/lib/hakuriver', '/etc/hakuriver'],
  kept: ['/run/hakuriver/tasks'],
}

describe('what surrounds a task', () => {
  test('keeps what is common and lies below /tmp', () => {
    expect(sandboxOf({ ...wishes, kept: ['/run/hakuriver/tasks', '/tmp/hakuriver', '/var/tmp/x'] })).toEqual({
      privateTmp: true,
      boundPaths: ['/tmp/hakuriver', '/var/tmp/x'],
      hiddenPaths: ['/etc/hakuriver', '/var/lib/hakuriver'],
    })
    expect(sandboxOf({ ...wishes, privateTmp: false, kept: ['/tmp/hakuriver'] })).toMatchObject({
      privateTmp: false,
      boundPaths: [],
    })
  })

  test('leaves /tmp common where it is itself what tasks share, or cannot be named in a unit', () => {
    for (const kept of ['/tmp', '/tmp/a b', '/tmp/%h'])
      expect(sandboxOf({ ...wishes, kept: [kept] })).toMatchObject({ privateTmp: false, boundPaths: [] })
  })

  test('hides nothing that holds what a task needs', () => {
    expect(sandboxOf({ ...wishes, kept: ['/var/lib/hakuriver/tmp'] }).hiddenPaths).toEqual(['/etc/hakuriver'])
    expect(sandboxOf({ ...wishes, kept: ['/var/lib/hakuriver-tmp'] }).hiddenPaths).toHaveLength(2)
  })

  const path = fc
    .array(fc.constantFrom('tmp', 'var', 'lib', 'a', 'b c', 'etc'), { maxLength: 4 })
    .map((parts) => `/${parts.join('/')}`)
  test('what is kept is never hidden, and is seen below a private /tmp', () => {
    fc.assert(
      fc.property(fc.array(path), fc.array(path), fc.boolean(), (hidden, kept, privateTmp) => {
        const made = sandboxOf({ hidden, kept, privateTmp })
        for (const each of kept) {
          for (const other of made.hiddenPaths) expect(isWithin(each, other)).toBe(false)
          if (!made.privateTmp || !/^\/(var\/)?tmp(\/|$)/.test(each)) continue
          expect(made.boundPaths).toContain(each)
        }
        for (const each of [...made.hiddenPaths, ...made.boundPaths]) expect(each).toMatch(/^\/[\w./-]*$/)
      }),
    )
  })
})
