/** A short run of everything that is fuzzed; `npm run fuzz` does the long one. */
import { describe, expect, it } from 'vitest'
import { parseOrRefuse, parsers } from './parsers.ts'
import { fuzzFactor, runOnce } from './target.ts'
import { targets } from './targets.ts'

describe('what nobody means well', () => {
  it.each(targets.map((target) => [target.name, target] as const))(
    'is answered or refused by %s',
    { timeout: 600_000 },
    async (_, target) => {
      const open = await target.open()
      const seed = Date.now() % 2 ** 31
      const runs = Math.ceil(target.runs * fuzzFactor())
      const { finding } = await runOnce(open, runs, seed)
      expect(finding).toBeNull()
      await open.close()
    },
  )
})

/** A text made of one piece, which is a problem where something looks at what it has seen again and again. */
const repeated = [
  ' ', '"', "'", '\\', '{', '}', '{a,', '{1..', ',', '[', '{"a":', 'a', '0', '-', '\n', '\r\n', '= ', '#', '$',
  '\u001b[', '\u001b]', '1;', '\u001b[1m', ':', 'data: x\n', 'a=1\n', '[a]\n', '\u0300', '\ud83d\ude00', "''", '--',
] // biome-ignore format: a list

describe('the time that reading takes', () => {
  it.each(Object.entries(parsers))('grows with the length of a text alone: %s', (_, parse) => {
    for (const piece of repeated) {
      const cost = (length: number) => {
        const text = piece.repeat(Math.ceil(length / piece.length))
        const { user } = process.cpuUsage()
        parseOrRefuse(parse, text)
        return process.cpuUsage().user - user
      }
      cost(1_000) // warm
      // four times the length costs four times as much, not sixteen; what is too short to measure is quick enough
      const [short, long] = [cost(50_000), cost(200_000)]
      if (long > 400_000) expect([piece, long / Math.max(short, 25_000) < 10]).toEqual([piece, true])
    }
  })
})
