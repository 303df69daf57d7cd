/** Colours of a log: the 16 that have names are the theme's, all others are kept readable on their ground. Pure. */
import type { Color } from 'ansi-sequence-parser'
import { indexOf, type Segment, type Style } from './ansi.ts'

/** Red, green, blue from 0 to 255. */
export type Rgb = readonly [number, number, number]

/** What the theme has of a log (`styles/tokens.css`). */
export interface Palette {
  ground: Rgb
  ink: Rgb
  /** The 16 as ink on the ground, and as grounds. */
  inks: readonly Rgb[]
  grounds: readonly Rgb[]
}

/** A class per decoration and named ink; colours of their own where there is no class for them. */
export interface Look {
  classes: string[]
  colours: { color?: string; backgroundColor?: string } | null
}

/** WCAG 2.2, 1.4.3. */
const leastContrast = 4.5

const decorationClasses = { bold: 'b', italic: 'i', underline: 'u', strikethrough: 's' } as const

export function lookOf({ style, isControl }: Segment, palette: Palette): Look {
  const { decorations } = style
  const classes = [...(isControl ? ['control'] : [])]
  for (const [decoration, name] of Object.entries(decorationClasses))
    if (decorations.has(decoration as keyof typeof decorationClasses)) classes.push(name)
  const { ink, ground } = style
  const isUsual = ground === null && !decorations.has('reverse') && !decorations.has('dim')
  if (isUsual && ink === null) return { classes, colours: null }
  const index = ink === null ? null : named(ink)
  if (isUsual && index !== null) return { classes: [...classes, `ink${index}`], colours: null }
  return { classes, colours: coloursOf(style, palette) }
}

function coloursOf({ ink, ground, decorations }: Style, palette: Palette): Look['colours'] {
  const isReversed = decorations.has('reverse')
  const wantedGround = ground === null ? palette.ground : rgbOf(ground, palette.grounds)
  const wantedInk = ink === null ? usualInk(wantedGround, palette) : rgbOf(ink, palette.inks)
  const [front, back] = isReversed ? [wantedGround, wantedInk] : [wantedInk, wantedGround]
  const color = cssOf(readable(decorations.has('dim') ? mixed(front, back, 0.35) : front, back))
  return ground === null && !isReversed ? { color } : { color, backgroundColor: cssOf(back) }
}

/** The ink of the theme, or its opposite on a ground where that is read better. */
function usualInk(ground: Rgb, palette: Palette): Rgb {
  return contrast(palette.ink, ground) >= contrast(palette.ground, ground) ? palette.ink : palette.ground
}

/** Number of one of the 16; null: it is another colour. */
function named(colour: Color): number | null {
  if (colour.type === 'named') return indexOf(colour)
  return colour.type === 'table' && colour.index < 16 ? colour.index : null
}

function rgbOf(colour: Color, sixteen: readonly Rgb[]): Rgb {
  if (colour.type === 'rgb') return colour.rgb
  const index = named(colour) ?? (colour.type === 'table' ? colour.index : 0)
  if (index < 16) return sixteen[index] ?? [128, 128, 128]
  return cubeColour(Math.min(255, index))
}

const levels = [0, 95, 135, 175, 215, 255]

/** Of the 256 colours, those behind the 16: a cube of 6 × 6 × 6, and 24 greys. */
function cubeColour(index: number): Rgb {
  if (index >= 232) {
    const grey = 8 + 10 * (index - 232)
    return [grey, grey, grey]
  }
  const at = index - 16
  const level = (step: number) => levels[step % 6] ?? 0
  return [level(Math.floor(at / 36)), level(Math.floor(at / 6)), level(at)]
}

/** The colour, or the nearest to it on the way to black or white that can be read there. */
export function readable(ink: Rgb, ground: Rgb): Rgb {
  if (contrast(ink, ground) >= leastContrast) return ink
  const black: Rgb = [0, 0, 0]
  const white: Rgb = [255, 255, 255]
  const target = contrast(white, ground) > contrast(black, ground) ? white : black
  let [near, far] = [0, 1]
  for (let round = 0; round < 8; round += 1) {
    const middle = (near + far) / 2
    if (contrast(mixed(ink, target, middle), ground) >= leastContrast) far = middle
    else near = middle
  }
  return mixed(ink, target, far)
}

/** WCAG 2.2, "contrast ratio": 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number]
  return (high + 0.05) / (low + 0.05)
}

function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((value) => {
    const share = value / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function mixed(from: Rgb, to: Rgb, share: number): Rgb {
  return from.map((value, at) => Math.round(value + ((to[at] ?? 0) - value) * share)) as unknown as Rgb
}

function cssOf([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`
}

/** Reads `#rgb` or `#rrggbb`. */
export function rgbOfHex(hex: string): Rgb {
  const digits = hex.trim().replace('#', '')
  const full = digits.length === 3 ? [...digits].map((digit) => digit + digit).join('') : digits
  return [0, 2, 4].map((at) => Number.parseInt(full.slice(at, at + 2), 16)) as unknown as Rgb
}
