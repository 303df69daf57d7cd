import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createLineWriter, lineBytes, terminalLine } from './lines.ts'

/** What a writer writes of these chunks, write by write. */
async function written(chunks: Uint8Array[]): Promise<string[]> {
  const writes: string[] = []
  const writer = createLineWriter(
    (line) => Buffer.concat([Buffer.from('> '), line, Buffer.from('\n')]),
    async (lines) => void writes.push(Buffer.from(lines).toString('latin1')),
  )
  for (const chunk of chunks) await writer.write(chunk)
  await writer.finish()
  return writes
}

it('writes whole lines only, the same however the bytes come', async () => {
  const bytes = fc.array(fc.constantFrom(0x61, 0x0a, 0x0d, 0xe4), { maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(bytes, fc.array(fc.nat(60), { maxLength: 5 }), async (content, places) => {
      const all = Uint8Array.from(content)
      const cuts = [0, ...places.toSorted((a, b) => a - b), all.length]
      const chunks = cuts.map((from, at) => all.subarray(from, cuts[at + 1]))
      const writes = await written(chunks)
      const text = Buffer.from(all).toString('latin1')
      const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
      expect(writes.join('')).toBe(lines.map((line) => `> ${line}\n`).join(''))
      expect(writes.every((each) => each.startsWith('> ') && each.endsWith('\n'))).toBe(true)
    }),
  )
})

it('cuts a line that has no end, at the same places however it comes', async () => {
  const long = Buffer.alloc(2 * lineBytes + 5, 'x')
  const expected = [lineBytes, lineBytes, 5].map((length) => `> ${'x'.repeat(length)}\n`).join('')
  expect((await written([long])).join('')).toBe(expected)
  const pieces = Array.from({ length: Math.ceil(long.length / 1000) }, (_, at) =>
    long.subarray(at * 1000, (at + 1) * 1000),
  )
  expect((await written(pieces)).join('')).toBe(expected)
  expect((await written([Buffer.alloc(lineBytes, 'x'), Buffer.from('\n')])).join('')).toBe(
    `> ${'x'.repeat(lineBytes)}\n`,
  )
})

it.each([
  ['plain', 'plain'],
  ['10 %\r50 %\r100 %', '100 %'],
  ['done\r', 'done'],
  ['\r\r', ''],
  ['ab\b\b\b\b\b1001 | forged', 'ab1001 | forged'],
  ['\u001b[2J\u001b[1;1Hhere', 'here'],
  ['\u001b[31mred', '\u001b[31mred\u001b[0m'],
])('shows %j on a terminal as %j', (line, shown) => {
  expect(Buffer.from(terminalLine(Buffer.from(line), true)).toString()).toBe(shown)
})
