import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { segmentsOf, stateAfter, textOf } from './ansi.ts'
import { singleStyles } from './escapes.ts'

const shown = (line: string, before = '') => textOf(segmentsOf(line, before))
/** What has this text, and how it looks. */
function partOf(line: string, text: string, before = '') {
  return segmentsOf(line, before).find((segment) => segment.text.includes(text))?.style
}

describe('a line of a log', () => {
  it('shows plain text as it is', () => {
    expect(segmentsOf('a\tb  <b>c</b> 日本 🎉')).toMatchObject([
      { text: 'a\tb  <b>c</b> 日本 🎉', isControl: false },
    ])
    expect(segmentsOf('')).toEqual([])
  })

  it('has colours and decorations', () => {
    const line = 'a \x1b[1;31mred\x1b[0m b \x1b[38;5;208morange\x1b[39m \x1b[4munder\x1b[24m end'
    expect(shown(line)).toBe('a red b orange under end')
    expect(partOf(line, 'red')).toMatchObject({ ink: { type: 'named', name: 'red' }, ground: null })
    expect([...(partOf(line, 'red')?.decorations ?? [])]).toEqual(['bold'])
    expect(partOf(line, 'orange')?.ink).toEqual({ type: 'table', index: 208 })
    expect(partOf(line, ' b ')?.ink).toBeNull()
    expect(partOf(line, 'end')?.decorations.size).toBe(0)
  })

  it.each([
    ['31;0', ['31', '0']],
    ['', ['0']],
    ['1;;4', ['1', '0', '4']],
    ['38;5;208;1', ['38;5;208', '1']],
    ['38:2::255:10:0;9', ['38;2;255;10;0', '9']],
    ['48;2;1;2;999', ['48;2;1;2;255']],
    ['38:5:7', ['38;5;7']],
    ['4:3', ['4']],
    ['4:0', ['24']],
    ['?25', []],
    ['38', []],
    ['38;2;1', []],
  ])('reads the styles %j one by one', (params, styles) => {
    expect([...singleStyles(params)]).toEqual(styles)
  })

  it('drops what a terminal would do', () => {
    expect(shown('\x1b]0;title\x07a')).toBe('a')
    expect(shown('\x1b]8;;https://x.example\x1b\\link\x1b]8;;\x1b\\!')).toBe('link!')
    expect(shown('\x1b[2J\x1b[H\x1b[10;5Hclear\x1b[3A\x1b[?25l\x1b[6n')).toBe('clear')
    expect(shown('\x1bPq#0;2;0;0;0\x1b\\sixel \x1b(B\x1b7\x1bcend')).toBe('sixel end')
    expect(shown('\x9b31mred\x9b0m')).toBe('red')
  })

  it('hides no text behind a sequence that has no end', () => {
    expect(shown('\x1b]0;never ended')).toBe('0;never ended')
    expect(shown('\x1b[12')).toContain('12')
    expect(shown('text\x1b')).toBe('text\\x1b')
  })

  it('shows control characters, and those that turn the writing, as what they are', () => {
    expect(segmentsOf('a\x07b')).toMatchObject([
      { text: 'a', isControl: false },
      { text: '\\x07', isControl: true },
      { text: 'b', isControl: false },
    ])
    expect(shown('rtl \u202eevil\u202c')).toBe('rtl \\x202eevil\\x202c')
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (line) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
        expect(shown(line)).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
      }),
    )
  })

  it('shows of what overwrites itself the last', () => {
    expect(shown('  1%\r 50%\r100%')).toBe('100%')
    expect(shown('loading\rdone')).toBe('doneing')
    expect(shown('loading\r\x1b[Kdone')).toBe('done')
    expect(shown('loading\x1b[2K\rdone')).toBe('done')
    expect(shown('a line of Windows\r')).toBe('a line of Windows')
    expect(shown('50%\r\r')).toBe('50%')
    expect(shown('|\b/\b-\b\\ done')).toBe('\\ done')
    expect(shown('\b\bx')).toBe('x')
    const line = '\x1b[31m 1%\x1b[0m\r\x1b[32m99%\x1b[0m'
    expect(shown(line)).toBe('99%')
    expect(partOf(line, '99%')?.ink).toEqual({ type: 'named', name: 'green' })
  })

  it('shows everything raw where that is wanted', () => {
    expect(textOf(segmentsOf('\x1b[31ma\rb\x1b[0m', '\x1b[1m', true))).toBe('\\x1b[31ma\\rb\\x1b[0m')
  })

  it('leaves colours open for the lines behind', () => {
    const state = stateAfter('a \x1b[1;38;2;1;2;3;44mopen', '')
    expect(partOf('next', 'next', state)).toMatchObject({
      ink: { type: 'rgb', rgb: [1, 2, 3] },
      ground: { type: 'table', index: 4 },
    })
    expect(stateAfter('plain', state)).toBe(state)
    expect(stateAfter('end\x1b[m', state)).toBe('')
    expect(stateAfter('\x1b[22mthin', state)).not.toContain('\x1b[1m')
    expect(stateAfter('\x1b[9m\x1b[95m', '')).toBe('\x1b[9m\x1b[38;5;13m')
  })

  it('has the same state whether lines are looked at one by one or as a whole', () => {
    const code = fc.constantFrom(
      '0',
      '1',
      '2',
      '3',
      '4',
      '7',
      '9',
      '22',
      '24',
      '27',
      '31',
      '39',
      '42',
      '49',
      '95',
      '38;5;77',
      '48;2;9;9;9',
    )
    const line = fc
      .array(
        fc.oneof(
          code.map((codes) => `\x1b[${codes}m`),
          fc.constantFrom('x', ' text '),
        ),
        { maxLength: 8 },
      )
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
        const oneByOne = lines.reduce((state, text) => stateAfter(text, state), '')
        const whole = stateAfter(lines.join(''), '')
        expect(partOf('end', 'end', oneByOne)).toEqual(partOf('end', 'end', whole))
      }),
    )
  })
})
