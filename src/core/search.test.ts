import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { spec } from './builders.suite.ts'
import { idRanges, taskSearch } from './search.ts'

const found = (q: string, id: number, overrides: Parameters<typeof spec>[0] = {}) =>
  taskSearch(q).matchesId(id) || taskSearch(q).matches(spec(overrides))

describe('a search for tasks', () => {
  it('finds parts of name, command line and id, in any case', () => {
    const task = { name: 'Nightly Build', command: '/usr/bin/make', arguments: ['-j8', 'ALL it'] }
    for (const q of ['nightly', 'LY BUI', 'bin/make -J8 all', 'all it', '123', '234'])
      expect(found(q, 12345, task), q).toBe(true)
    for (const q of ['weekly', 'make-j8', '13', 'build -j8']) expect(found(q, 12345, task), q).toBe(false)
  })

  it('takes every character as it is', () => {
    for (const q of ['%', '_', '*', '.', '\\', '"']) {
      expect(found(q, 1, { command: 'plain' }), q).toBe(false)
      expect(found(q, 1, { command: `a${q}b` }), q).toBe(true)
      expect(taskSearch(q).mayMatch(JSON.stringify(spec({ command: `a${q}b` }))), q).toBe(true)
    }
  })

  it('never looks at the environment', () => {
    expect(found('secret', 1, { env: { TOKEN: 'secret', secret: 'x' } })).toBe(false)
  })

  it('never passes over a text that matches', () => {
    const word = fc.string({ unit: 'binary', maxLength: 12 })
    fc.assert(
      fc.property(word, fc.array(word, { maxLength: 4 }), fc.option(word), fc.nat(), fc.nat(), (...drawn) => {
        const [command, words, name, from, length] = drawn
        const line = Array.from([command, ...words].join(' '))
        const at = from % (line.length + 1)
        const q = line.slice(at, at + 1 + (length % 12)).join('')
        fc.pre(q !== '')
        const task = spec({ command, arguments: words, name })
        for (const asked of [q, q.toUpperCase(), q.toLowerCase()]) {
          const search = taskSearch(asked)
          if (search.matches(task)) expect(search.mayMatch(JSON.stringify(task))).toBe(true)
        }
        expect(taskSearch(q).matches(task)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('the ids that begin with digits', () => {
  it('are those of the ranges, and no others', () => {
    const digits = fc.integer({ min: 1, max: 10 ** 6 })
    const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 })
    fc.assert(
      fc.property(digits, id, fc.boolean(), fc.nat(9), (prefix, other, isOwn, digit) => {
        const tried = isOwn ? Number(`${prefix}${String(other).slice(0, digit)}`) : other
        const isIn = idRanges(String(prefix)).some(([from, below]) => tried >= from && tried < below)
        expect(isIn).toBe(String(tried).startsWith(String(prefix)))
      }),
    )
  })

  it('lie in order, each range for itself', () => {
    const ranges = idRanges('42')
    expect(ranges.slice(0, 2)).toEqual([
      [42, 43],
      [420, 430],
    ])
    for (const [at, [from]] of ranges.entries())
      if (at > 0) expect(from).toBeGreaterThanOrEqual(ranges[at - 1]?.[1] ?? 0)
  })
})
