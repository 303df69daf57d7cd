/** Sizes and durations, read from and written for people. One parser for command line, API and web. */
import { AppError } from './errors.ts'

/** Powers of 1024 as systemd, Slurm and Docker have them; only `KB MB GB TB` are powers of 1000. */
const binary: Record<string, number> = { K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 }
const decimal: Record<string, number> = { KB: 1000, MB: 1000 ** 2, GB: 1000 ** 3, TB: 1000 ** 4 }

/**
 * Reads a size: digits (bytes), or a number with `K M G T` (also `Ki…`, `KiB…`; powers of 1024) or
 * `KB MB GB TB` (powers of 1000). Upper and lower case are the same. A fraction is rounded to whole bytes.
 * @throws AppError `invalid_request`
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const bytes = match === null ? Number.NaN : Math.round(Number(match[1]) * sizeUnit(match[2] ?? ''))
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new AppError(
      'invalid_request',
      `cannot read the size "${text}": write a number with K, M, G or T (powers of 1024) or KB, MB, GB, TB (powers of 1000), like 512M or 1.5G`,
    )
  }
  return bytes
}

function sizeUnit(unit: string): number {
  const upper = unit.toUpperCase()
  if (upper === '' || upper === 'B') return 1
  return decimal[upper] ?? binary[upper.replace(/IB?$/, '')] ?? Number.NaN
}

/** Bytes for people in powers of 1024: `512 B`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = unit === 0 || value >= 100 || Number.isInteger(value) ? 0 : 1
  return `${value.toFixed(digits)} ${units[unit]}`
}

const durationUnits: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Reads a duration into milliseconds: `90` (seconds), `500ms`, `90s`, `5m`, `1h30m`, `2d`.
 * @throws AppError `invalid_request`
 */
export function parseDuration(text: string): number {
  const trimmed = text.trim()
  const ms = /^\d+(\.\d+)?$/.test(trimmed) ? Math.round(Number(trimmed) * 1000) : sumOfParts(trimmed)
  if (!Number.isSafeInteger(ms) || ms < 1) {
    throw new AppError(
      'invalid_request',
      `cannot read the duration "${text}": write seconds (90) or a number with ms, s, m, h or d (500ms, 5m, 1h30m)`,
    )
  }
  return ms
}

function sumOfParts(text: string): number {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return Number.NaN
  let sum = 0
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    sum += Number(number) * (durationUnits[unit ?? ''] ?? Number.NaN)
  }
  return Math.round(sum)
}

/** A duration for people, two units at the most: `12 ms`, `3.2 s`, `4 m 10 s`, `2 d 3 h`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return twoUnits(seconds, 60, 'm', 1, 's')
  if (seconds < 86_400) return twoUnits(seconds, 3600, 'h', 60, 'm')
  return twoUnits(seconds, 86_400, 'd', 3600, 'h')
}

function twoUnits(seconds: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % big) / small)
  const head = `${Math.floor(seconds / big)} ${bigName}`
  return rest === 0 ? head : `${head} ${rest} ${smallName}`
}
