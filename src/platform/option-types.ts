/** What an option's text may be, and what it becomes. */
import { InvalidArgumentError, Option } from 'commander'
import { AppError } from '../core/errors.ts'
import { parseDuration, parseSize } from '../core/units.ts'

/** An option that may be given several times. */
export function repeated(flags: string, description: string): Option {
  return new Option(flags, description)
    .default([], '')
    .argParser((value, before) => [...asList(before), value])
}

/** A size, in bytes; null where left out. */
export function size(flags: string, description: string): Option {
  return new Option(flags, description).default(null, '').argParser((value) => told(() => parseSize(value)))
}

/** A duration, in milliseconds; null where left out. */
export function duration(flags: string, description: string): Option {
  return new Option(flags, description)
    .default(null, '')
    .argParser((value) => told(() => parseDuration(value)))
}

/** A duration in milliseconds, or one word that stands for none; null where left out. */
export function durationOr(flags: string, description: string, word: string): Option {
  return new Option(flags, description)
    .default(null, '')
    .argParser((value) => (value === word ? value : told(() => parseDuration(value))))
}

/** A text; null where left out. */
export function text(flags: string, description: string): Option {
  return new Option(flags, description).default(null, '')
}

/** A whole number from `least` on. */
export function whole(flags: string, description: string, least: number, fallback: number | null): Option {
  return new Option(flags, description)
    .default(fallback, fallback === null ? '' : undefined)
    .argParser((value) => {
      if (!/^\d{1,15}$/.test(value) || Number(value) < least)
        throw new InvalidArgumentError(`Write a whole number from ${least} on.`)
      return Number(value)
    })
}

/** What an option that may be repeated was given so far. */
export function asList(before: unknown): unknown[] {
  return Array.isArray(before) ? before : []
}

/** The sentence of an expected failure, as commander wants it. */
function told<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw error instanceof AppError ? new InvalidArgumentError(`\n  ${error.message}`) : error
  }
}
