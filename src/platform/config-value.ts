/** What a setting may be, and the sentence where something else stands. */
import { AppError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { parseSize } from '../core/units.ts'
import type { Setting, Value } from './settings.ts'

/**
 * The value as the setting's type, within its bounds. Flags and variables are texts; a file has types of its own.
 * @throws AppError `invalid_request`; `place` says where it stands
 */
export function checkedValue(
  raw: unknown,
  setting: Setting,
  from: 'file' | 'text',
  place: () => string,
): Exclude<Value, null> {
  const value = converted(raw, setting.type, from)
  if (value !== null && isAllowed(value, setting)) return value
  const near = setting.choices === undefined ? null : nearest(String(raw), setting.choices)
  const quotes = from === 'file' && typeof raw === 'string' && !isText(setting.type) ? ' without quotes' : ''
  const guess = near === null ? '' : `; did you mean ${near}?`
  throw new AppError(
    'invalid_request',
    `${place()} is ${shown(raw)}: write ${wantedOf(setting)}${quotes}${guess}`,
  )
}

/** "a whole number from 0 to 65535", "auto, process or fake". */
export function wantedOf({ type, choices, min, max, isWhole }: Setting): string {
  if (choices !== undefined) return `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`
  if (type === 'switch') return 'true or false'
  if (type === 'text') return 'a text in quotes'
  if (type === 'path') return 'a path in quotes'
  if (type === 'table') return 'names with a text in quotes for each'
  if (type === 'size') return 'a size in quotes such as "512M", or "0" for none'
  const range = min === undefined || max === undefined ? '' : ` from ${min} to ${max}`
  return `${isWhole === true ? 'a whole number' : 'a number'}${range}`
}

/** One line of a table. @throws AppError `invalid_request` */
export function checkedEntry(name: string, raw: unknown, setting: Setting, place: () => string): string {
  const { entries, key } = setting
  if (entries === undefined || !entries.name.test(name))
    throw new AppError('invalid_request', `${place()}: ${shown(name)} cannot be a name in [${key}]`)
  if (typeof raw === 'string' && entries.value.test(raw)) return raw
  throw new AppError(
    'invalid_request',
    `${place()}: ${name} in [${key}] is ${shown(raw)}: write ${entries.wanted}`,
  )
}

function isText(type: Setting['type']): boolean {
  return type === 'text' || type === 'path' || type === 'size'
}

function isAllowed(value: Value, { choices, min, max, isWhole }: Setting): boolean {
  if (typeof value !== 'number') return choices === undefined || choices.includes(String(value))
  const isInRange = value >= (min ?? -Infinity) && value <= (max ?? Infinity)
  return isInRange && (isWhole !== true || Number.isInteger(value))
}

/** null: it is of another type. */
function converted(raw: unknown, type: Setting['type'], from: 'file' | 'text'): Value {
  switch (type) {
    case 'text':
    case 'path':
      return typeof raw === 'string' ? raw : null
    case 'size':
      return typeof raw === 'string' && isSize(raw) ? raw : null
    case 'number': {
      const isDigits = from === 'text' && typeof raw === 'string' && raw.trim() !== ''
      const number = isDigits ? Number(raw) : raw
      return typeof number === 'number' && Number.isFinite(number) ? number : null
    }
    case 'table':
      return null // its entries are checked one by one
    case 'switch':
      if (typeof raw === 'boolean') return raw
      if (from === 'text' && (raw === 'true' || raw === '1')) return true
      return from === 'text' && (raw === 'false' || raw === '0') ? false : null
  }
}

function isSize(text: string): boolean {
  try {
    return text === '0' || parseSize(text) > 0
  } catch {
    return false
  }
}

function shown(raw: unknown): string {
  return (JSON.stringify(raw) ?? String(raw)).slice(0, 60)
}
