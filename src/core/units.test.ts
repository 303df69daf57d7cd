import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from './errors.ts'
import {
  formatAge,
  formatBytes,
  formatDuration,
  formatExactDuration,
  formatExactSize,
  parseDuration,
  parseSize,
} from './units.ts'

describe('parseSize', () => {
  it.each([
    ['1', 1],
    ['512', 512],
    ['512B', 512],
    ['1K', 1024],
    ['1k', 1024],
    ['1KiB', 1024],
    ['1kib', 1024],
    ['1KB', 1000],
    ['4G', 4 * 1024 ** 3],
    ['4GiB', 4 * 1024 ** 3],
    ['4 GiB', 4 * 1024 ** 3],
    ['4GB', 4e9],
    ['1.5G', 1_610_612_736],
    ['0.5M', 524_288],
    ['1.1G', 1_181_116_006],
    ['2T', 2 * 1024 ** 4],
    ['2TB', 2e12],
    [' 512M ', 512 * 1024 ** 2],
    ['007', 7],
  ])('reads %j as %d', (text, bytes) => expect(parseSize(text)).toBe(bytes))

  it.each([
    ['', 'not a number with a unit'],
    ['G', 'not a number with a unit'],
    ['1.5', 'a part of a byte'],
    ['1.5B', 'a part of a byte'],
    ['-1G', 'not negative'],
    ['1iB', 'not a number with a unit'],
    ['1P', 'not a number with a unit'],
    ['1 000', 'not a number with a unit'],
    ['1e9', 'not a number with a unit'],
    ['1,5G', 'not a number with a unit'],
    ['.5G', 'not a number with a unit'],
    ['0', 'less than one byte'],
    ['0.0001K', 'less than one byte'],
    ['9000000T', 'more than any machine'],
    [`${'9'.repeat(400)}`, 'more than any machine'],
  ])('refuses %j: %s', (text, why) => {
    expect(() => parseSize(text)).toThrow(AppError)
    expect(() => parseSize(text)).toThrow(why)
    expect(() => parseSize(text)).toThrow('write bytes')
  })

  it('quotes only the beginning of an endless text', () => {
    expect(() => parseSize('x'.repeat(10_000))).toThrow(/^.{0,400}$/)
  })

  it('gives a whole number of bytes, or an AppError, for any text', () => {
    const texts = fc.oneof(fc.string(), fc.stringMatching(/^\d{1,20}(\.\d{1,5})? ?[kKmMgGtT]?(iB|b|B)?$/))
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const bytes = parseSize(text)
          expect(Number.isSafeInteger(bytes) && bytes >= 1).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
        }
      }),
    )
  })
})

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1023, '1 KiB'],
    [1536, '1.5 KiB'],
    [16 * 1024 ** 3, '16 GiB'],
    [16_000_000_000, '14.9 GiB'],
    [1024 ** 4, '1 TiB'],
    [5000 * 1024 ** 4, '5000 TiB'],
  ])('writes %d as %j', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

  it('is read back within half a percent', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 52 }), (bytes) => {
        expect(Math.abs(parseSize(formatBytes(bytes)) - bytes)).toBeLessThanOrEqual(bytes * 0.0052 + 1)
      }),
    )
  })
})

describe('parseDuration', () => {
  it.each([
    ['90', 90_000],
    ['0', 0],
    ['1.5', 1_500],
    ['90s', 90_000],
    ['500ms', 500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1.5h', 5_400_000],
    ['1d', 86_400_000],
    ['1h30m', 5_400_000],
    ['1h 30m', 5_400_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['2H', 7_200_000],
  ])('reads %j as %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms))

  it.each([
    '',
    'h',
    '5 m 3',
    '30m1h',
    '5m5m',
    '-5m',
    '5y',
    '1:30',
    '5m!',
    '1e3',
    '999999999d',
    '9'.repeat(400),
  ])('refuses %j and says what to write', (text) => {
    expect(() => parseDuration(text)).toThrow(AppError)
    expect(() => parseDuration(text)).toThrow(/write seconds/)
  })

  it('does not hang on a long text', () => {
    expect(() => parseDuration(`${'1h'.repeat(50_000)}!`)).toThrow(AppError)
  })
})

describe('formatDuration', () => {
  it.each([
    [-5, '0 ms'],
    [0, '0 ms'],
    [999.4, '999 ms'],
    [999.6, '1 s'],
    [3_240, '3.2 s'],
    [9_960, '10 s'],
    [42_400, '42 s'],
    [59_700, '1 m'],
    [250_000, '4 m 10 s'],
    [3_599_900, '1 h'],
    [7_500_000, '2 h 5 m'],
    [86_399_000, '1 d'],
    [183_600_000, '2 d 3 h'],
  ])('writes %d as %j', (ms, text) => expect(formatDuration(ms)).toBe(text))

  it('is read back within a twentieth', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 * 86_400_000 }), (ms) => {
        expect(Math.abs(parseDuration(formatDuration(ms)) - ms)).toBeLessThanOrEqual(ms * 0.05)
      }),
    )
  })
})

describe('formatAge', () => {
  it.each([
    [-1_000, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 m'],
    [3_599_999, '59 m'],
    [3_600_000, '1 h'],
    [200_000_000, '2 d'],
  ])('writes %d as %j', (ms, text) => expect(formatAge(ms)).toBe(text))
})

describe('the shortest exact text', () => {
  it.each<[number, string]>([
    [1, '1'],
    [1000, '1KB'],
    [1024, '1K'],
    [1001, '1001'],
    [4 * 1024 ** 3, '4G'],
    [1.5 * 1024 ** 3, '1.5G'],
    [500e6, '500MB'],
    [2 * 1024 ** 4, '2T'],
    [2 ** 53 - 1, '9007199254740991'],
  ])('of %d bytes is %s', (bytes, text) => {
    expect(formatExactSize(bytes)).toBe(text)
  })

  it.each<[number, string]>([
    [250, '250ms'],
    [90_000, '90s'],
    [5_400_000, '90m'],
    [3_661_000, '1h1m1s'],
    [0, '0d'],
    [90_061_500, '1d1h1m1s500ms'],
    [86_400_000, '1d'],
  ])('of %d milliseconds is %s', (ms, text) => {
    expect(formatExactDuration(ms)).toBe(text)
  })

  it('is read back as the same number', () => {
    fc.assert(
      fc.property(
        fc.maxSafeInteger().filter((bytes) => bytes > 0),
        (bytes) => {
          expect(parseSize(formatExactSize(bytes))).toBe(bytes)
        },
      ),
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8192 }),
        fc.constantFrom(1, 512, 1000),
        fc.nat({ max: 4 }),
        (n, base, step) => {
          const bytes = Math.min(n * base * 1024 ** step, Number.MAX_SAFE_INTEGER)
          expect(parseSize(formatExactSize(bytes))).toBe(bytes)
        },
      ),
    )
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3_153_600_000_000 }), (ms) => {
        expect(parseDuration(formatExactDuration(ms))).toBe(ms)
      }),
    )
  })
})
