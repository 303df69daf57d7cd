import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createSseParser } from './event-stream.ts'

const stream =
  ': hello\r\n\r\nid: 1\ndata: one\n\nid:2\rdata: two\rdata:\rdata:  lines\r\revent: odd\nretry: 5\ndata\n\nid: 3\n\ndata: last\n\n'
const messages = [
  { event: 'message', data: 'one', id: '1' },
  { event: 'message', data: 'two\n\n lines', id: '2' },
  { event: 'odd', data: '', id: '2' },
  { event: 'message', data: 'last', id: '3' },
]

it('reads events as the standard has them, in any chunks', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: stream.length })), (cuts) => {
      const parser = createSseParser()
      const ends = [...cuts.sort((a, b) => a - b), stream.length]
      let from = 0
      const found = ends.flatMap((end) => {
        const chunk = stream.slice(from, end)
        from = end
        return parser.push(chunk)
      })
      expect(found).toEqual(messages)
    }),
  )
})

it('refuses a stream without line ends', () => {
  const parser = createSseParser()
  expect(() => parser.push('x'.repeat(2 * 1024 * 1024))).toThrow('cannot be read')
})
