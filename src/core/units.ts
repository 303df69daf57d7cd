/** Sizes and durations as people write and read them. One parser for CLI, API, configuration and web. */
import { AppError } from './errors.ts'

const kibi = 1024
const kilo = 1000
const prefixes = ['', 'k', 'm', 'g', 't']

/**
 * Reads a size in bytes: `512`, `1.5G`, `4GiB`, `500 MB`. `K M G T`, with or without `iB`, are powers of 1024
 * as in systemd, Slurm and Docker; `KB MB GB TB` are powers of 1000 (IEC 80000-13). Letter case does not
 * matter, one space before the unit may stand. A fraction is rounded to the nearest whole byte.
 * @throws AppError `invalid_request` with what was wrong and what to write instead.
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(?:([kmgt]?)(ib|b)?)$/.exec(text.trim().toLowerCase())
  const [, digits = '', prefix = '', suffix = ''] = match ?? []
  if (match === null || (prefix === '' && suffix === 'ib')) {
    throw badSize(text, /^-/.test(text.trim()) ? 'a size is not negative' : 'it is not a number with a unit')
  }
  const factor = (suffix === 'b' ? kilo : kibi) ** prefixes.indexOf(prefix)
  if (factor === 1 && digits.includes('.')) throw badSize(text, 'a part of a byte cannot be had')
  const bytes = Math.round(Number(digits) * factor)
  if (bytes < 1) throw badSize(text, 'it is less than one byte')
  if (!Number.isSafeInteger(bytes)) throw badSize(text, 'it is more than any machine has')
  return bytes
}

/** A size for people, in powers of 1024: "512 B", "1.5 GiB". Three digits at most; `parseSize` reads it. */
export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes)
  let step = 0
  // Not `kibi`: 1,023.9 KiB would be shown as "1024 KiB".
  while (value >= 999.5 && step < prefixes.length - 1) {
    value /= kibi
    step += 1
  }
  const digits = step === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  const shown = Number(value.toFixed(digits))
  const unit = step === 0 ? 'B' : `${prefixes[step]?.toUpperCase()}iB`
  return `${bytes < 0 ? '-' : ''}${shown} ${unit}`
}

/** The shortest text that `parseSize` reads as exactly so many bytes: "4G", "1.5G", "500MB", "1001". */
export function formatExactSize(bytes: number): string {
  const units = prefixes.slice(1).flatMap((prefix, step) => {
    const unit = prefix.toUpperCase()
    return [
      { unit, factor: kibi ** (step + 1) },
      { unit: `${unit}B`, factor: kilo ** (step + 1) },
    ]
  })
  const texts = units.flatMap(({ unit, factor }) => {
    const text = String(bytes / factor)
    return bytes >= factor && /^\d+(?:\.\d{1,3})?$/.test(text) && parseSize(text + unit) === bytes
      ? [text + unit]
      : []
  })
  return shortest([...texts.reverse(), String(bytes)])
}

/** Of equally short ones, the first. */
function shortest(texts: readonly string[]): string {
  return texts.reduce((best, text) => (text.length < best.length ? text : best))
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const durationUnits: Record<string, number> = { d: day, h: hour, m: minute, s: second, ms: 1 }
/** A hundred years: longer is a slip of the pen. */
const longestMs = 100 * 365 * day

/**
 * Reads a duration in milliseconds: `90` (seconds), `90s`, `5m`, `2h`, `1d`, `500ms`, `1h30m`, `1.5h`, and what
 * `formatDuration` writes. Units go from large to small, each once. `m` is minutes; there are no months.
 * @throws AppError `invalid_request` with what was wrong and what to write instead.
 */
export function parseDuration(text: string): number {
  const plain = text.trim().toLowerCase()
  if (/^\d+(?:\.\d+)?$/.test(plain)) return checkedDuration(text, Number(plain) * second)
  if (!/^(?:\d+(?:\.\d+)? ?(?:ms|[dhms]) ?)+$/.test(plain)) {
    throw badDuration(
      text,
      /^-/.test(plain) ? 'a duration is not negative' : 'it is not a number with a unit',
    )
  }
  let total = 0
  let last = Number.POSITIVE_INFINITY
  for (const [, digits, unit = ''] of plain.matchAll(/(\d+(?:\.\d+)?) ?(ms|[dhms])/g)) {
    const unitMs = durationUnits[unit] ?? 0
    if (unitMs >= last) throw badDuration(text, 'units go from large to small, each once')
    last = unitMs
    total += Number(digits) * unitMs
  }
  return checkedDuration(text, total)
}

/** A duration for people, its two largest units: "850 ms", "3.2 s", "42 s", "4 m 10 s", "2 d 3 h". */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.round(ms))
  if (whole < second) return `${whole} ms`
  // Rounded first, so that 9.96 s does not become "10.0 s" nor 59.9 s "60 s".
  const tenths = Math.round(whole / 100)
  if (tenths < 100) return `${tenths / 10} s`
  const seconds = Math.round(whole / second)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return pair(Math.floor(seconds / 60), 'm', seconds % 60, 's')
  const minutes = Math.round(whole / minute)
  if (minutes < 24 * 60) return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'm')
  const hours = Math.round(whole / hour)
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

/** A short text that `parseDuration` reads as exactly so many milliseconds: "90s", "1h1m1s", "250ms". */
export function formatExactDuration(ms: number): string {
  const units = Object.entries(durationUnits)
  // more than three digits of one unit say little
  const single = units.flatMap(([unit, size]) =>
    ms % size === 0 && ms < 1000 * size ? [`${ms / size}${unit}`] : [],
  )
  let rest = ms
  const parts = units.flatMap(([unit, size]) => {
    const number = Math.floor(rest / size)
    rest -= number * size
    return number === 0 ? [] : [`${number}${unit}`]
  })
  return shortest(parts.length === 0 ? single : [...single, parts.join('')])
}

/** How old something is, in its largest unit, rounded down: "0 s", "42 s", "5 m", "3 h", "2 d". */
export function formatAge(ms: number): string {
  const age = Math.max(0, ms)
  if (age < minute) return `${Math.floor(age / second)} s`
  if (age < hour) return `${Math.floor(age / minute)} m`
  if (age < day) return `${Math.floor(age / hour)} h`
  return `${Math.floor(age / day)} d`
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`
}

function checkedDuration(text: string, ms: number): number {
  if (ms > longestMs) throw badDuration(text, 'it is longer than a hundred years')
  return Math.round(ms)
}

function badSize(text: string, why: string): AppError {
  return new AppError(
    'invalid_request',
    `cannot read the size "${shorten(text)}": ${why}; write bytes ("1000000"), K, M, G, T for powers of 1024 ("1.5G") or KB, MB, GB, TB for powers of 1000 ("500MB")`,
  )
}

function badDuration(text: string, why: string): AppError {
  return new AppError(
    'invalid_request',
    `cannot read the duration "${shorten(text)}": ${why}; write seconds ("90") or numbers with ms, s, m, h, d ("1h30m")`,
  )
}

/** So that a caller cannot make a message of any length. */
function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`
}
