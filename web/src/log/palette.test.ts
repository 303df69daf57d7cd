import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { segmentsOf } from './ansi.ts'
import { contrast, lookOf, type Palette, type Rgb, readable, rgbOfHex } from './palette.ts'

const [light, dark] = readFileSync(new URL('../styles/tokens.css', import.meta.url), 'utf8').split(
  '[data-theme="dark"]',
) as [string, string]

function paletteOf(theme: string): Palette {
  const token = (name: string) => {
    const [, hex] =
      new RegExp(`--${name}: (#[0-9a-f]+);`).exec(theme) ??
      new RegExp(`--${name}: (#\\w+);`).exec(light) ??
      []
    return rgbOfHex(hex ?? '')
  }
  const sixteen = (name: string) => Array.from({ length: 16 }, (_, at) => token(`${name}-${at}`))
  return {
    ground: token('sunken'),
    ink: token('ink'),
    inks: sixteen('ansi'),
    grounds: sixteen('ansi-ground'),
  }
}

const palettes = { light: paletteOf(light), dark: paletteOf(dark) }
const rgb = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)) as fc.Arbitrary<[number, number, number]>

/** The first part of a line that begins with these codes. */
function look(codes: string, theme: keyof typeof palettes = 'light') {
  const [segment] = segmentsOf(`\x1b[${codes}mtext`)
  if (segment === undefined) throw new Error('there is no text')
  return lookOf(segment, palettes[theme])
}

function rgbOfCss(css: string | undefined): Rgb {
  return (css?.match(/\d+/g) ?? []).map(Number) as unknown as Rgb
}

describe('colours of a log', () => {
  it.each(['light', 'dark'] as const)('can be read in the %s theme: the 16 that have names', (theme) => {
    const { inks, ground, grounds } = palettes[theme]
    for (const ink of inks) expect(contrast(ink, ground)).toBeGreaterThanOrEqual(4.5)
    expect(new Set(grounds.map(String)).size).toBe(16)
  })

  it('can be read, whatever was asked for', () => {
    fc.assert(
      fc.property(rgb, rgb, (ink, ground) => {
        expect(contrast(readable(ink, ground), ground)).toBeGreaterThanOrEqual(4.5)
      }),
    )
    const anyCodes = fc.array(
      fc.oneof(
        fc.constantFrom('1', '2', '3', '7', '30', '37', '41', '47', '97', '103'),
        fc.nat(255).map((index) => `38;5;${index}`),
        fc.nat(255).map((index) => `48;5;${index}`),
        rgb.map((values) => `38;2;${values.join(';')}`),
        rgb.map((values) => `48;2;${values.join(';')}`),
      ),
      { minLength: 1, maxLength: 5 },
    )
    fc.assert(
      fc.property(anyCodes, fc.constantFrom('light', 'dark'), (codes, theme) => {
        const { colours } = look(codes.join(';'), theme)
        if (colours?.color === undefined) return
        const ground =
          colours.backgroundColor === undefined ? palettes[theme].ground : rgbOfCss(colours.backgroundColor)
        expect(contrast(rgbOfCss(colours.color), ground)).toBeGreaterThanOrEqual(4.5)
      }),
    )
  })

  it('leaves alone what can be read', () => {
    expect(readable([0, 0, 0], [255, 255, 255])).toEqual([0, 0, 0])
    expect(look('38;2;10;20;90')).toEqual({ classes: [], colours: { color: 'rgb(10 20 90)' } })
  })

  it('names the 16 and decorations by classes, so that a change of the theme changes them', () => {
    expect(look('1;31')).toEqual({ classes: ['b', 'ink1'], colours: null })
    expect(look('38;5;12')).toEqual({ classes: ['ink12'], colours: null })
    expect(look('3;4;9')).toEqual({ classes: ['i', 'u', 's'], colours: null })
    expect(look('92').classes).toEqual(['ink10'])
  })

  it('writes on a ground of its own with the ink that is read best there', () => {
    const { ink, ground } = palettes.dark
    expect(look('44', 'dark').colours?.color).toBe(`rgb(${ink.join(' ')})`)
    expect(look('103', 'dark').colours?.color).toBe(`rgb(${ground.join(' ')})`)
  })

  it('turns ink and ground around', () => {
    const { ink, ground } = palettes.dark
    expect(look('7', 'dark').colours).toEqual({
      color: `rgb(${ground.join(' ')})`,
      backgroundColor: `rgb(${ink.join(' ')})`,
    })
  })

  it('has the cube and the greys', () => {
    expect(look('48;5;16').colours?.backgroundColor).toBe('rgb(0 0 0)')
    expect(look('48;5;231').colours?.backgroundColor).toBe('rgb(255 255 255)')
    expect(look('48;5;208').colours?.backgroundColor).toBe('rgb(255 135 0)')
    expect(look('48;5;255').colours?.backgroundColor).toBe('rgb(238 238 238)')
  })
})
