import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../platform/log.ts'
import { keyFile, Vault } from './vault.ts'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-vault-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const ref = { batchId: 7, set: 0, names: ['A', 'B'] }
const what = { owner: 'alice', ref }
const values = { A: 'first value', B: '' }

function vault(byte = 1): Vault {
  return new Vault('', [new Uint8Array(32).fill(byte)])
}

describe('what is sealed', () => {
  it('comes out as it went in, and shows nothing of it', () => {
    const sealed = vault()
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', minLength: 6 }), (A, B) => {
        const data = sealed.seal(what, { A, B })
        expect(sealed.open(what, data)).toEqual({ A, B })
        expect(Buffer.from(data).includes(Buffer.from(B))).toBe(false)
      }),
    )
  })

  it('is another one each time: no nonce is used twice', () => {
    const sealed = vault()
    const all = Array.from({ length: 500 }, () => Buffer.from(sealed.seal(what, values)).toString('hex'))
    expect(new Set(all.map((data) => data.slice(10, 34))).size).toBe(500)
  })

  it.each([
    ['another owner', { owner: 'bob', ref }],
    ['another batch', { owner: 'alice', ref: { ...ref, batchId: 8 } }],
    ['another set', { owner: 'alice', ref: { ...ref, set: 1 } }],
    ['other names', { owner: 'alice', ref: { ...ref, names: ['A', 'PATH'] } }],
    ['fewer names', { owner: 'alice', ref: { ...ref, names: ['A'] } }],
  ])('is of no use for %s', (_, other) => {
    expect(() => vault().open(other, vault().seal(what, values))).toThrow('belong to another task')
  })

  it('is refused with any bit of it changed, or any part missing', () => {
    const data = vault().seal(what, values)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: data.length * 8 - 1 }), (bit) => {
        const changed = Uint8Array.from(data)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(() => vault().open(what, changed)).toThrow('its secrets cannot be opened')
        expect(() => vault().open(what, data.subarray(0, bit >> 3))).toThrow('its secrets cannot be opened')
      }),
    )
  })

  it('needs its own key, which may be one of several', () => {
    const data = vault(1).seal(what, values)
    expect(() => vault(2).open(what, data)).toThrow('is not the one with which they were sealed')
    const both = new Vault('', [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)])
    expect(both.open(what, data)).toEqual(values)
    expect(vault(2).open(what, both.seal(what, values))).toEqual(values)
  })
})

describe('the key file', () => {
  it('is made once, for its owner alone', async () => {
    const data = (await Vault.open(dir, false, silentLog)).seal(what, values)
    expect(statSync(join(dir, keyFile)).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(dir, keyFile), 'utf8')).toMatch(/^[A-Za-z0-9_-]{43}\n$/)
    expect((await Vault.open(dir, true, silentLog)).open(what, data)).toEqual(values)
  })

  it('takes a further key behind the first, and seals with that', async () => {
    const old = (await Vault.open(dir, false, silentLog)).seal(what, values)
    const next = new Uint8Array(32).fill(9)
    writeFileSync(join(dir, keyFile), `${Buffer.from(next).toString('base64url')}\n`, { flag: 'a' })
    const rotated = await Vault.open(dir, true, silentLog)
    expect(rotated.open(what, old)).toEqual(values)
    expect(new Vault('', [next]).open(what, rotated.seal(what, values))).toEqual(values)
  })

  it.each(['', 'rubbish\n', `${'A'.repeat(42)}\n`])(
    'is left alone where it cannot be read: %j',
    async (text) => {
      writeFileSync(join(dir, keyFile), text)
      const told: string[] = []
      const log = {
        ...silentLog,
        error: (fields: object, why: string) => void told.push(JSON.stringify(fields) + why),
      }
      const opened = await Vault.open(dir, true, log)
      expect(() => opened.seal(what, values)).toThrow('the host cannot read its key file')
      expect(readFileSync(join(dir, keyFile), 'utf8')).toBe(text)
      expect(told.join('')).not.toContain('AAAA')
    },
  )

  it('is made anew where it is gone, and says so', async () => {
    const told: string[] = []
    const log = { ...silentLog, warn: (_: object, why: string) => void told.push(why) }
    await Vault.open(dir, true, log)
    expect(told).toEqual([
      'The key of the secrets was gone: a new one was made, which does not open the old ones',
    ])
  })
})
