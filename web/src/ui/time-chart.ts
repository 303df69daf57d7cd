/** What a chart over time is made of, and what it says in words. Pure: drawing is `ChartCanvas.vue`. */
import { formatBytes, formatCount, formatPercent } from './format.ts'

export interface ChartSeries {
  label: string
  /** Value i is of the step that begins at `startAt` + i × `stepMs`; null: nothing is known of it. */
  values: readonly (number | null)[]
  /** `area`: what is taken; `line`: what is used; `limit`: dashed, what there is at most. */
  as: 'area' | 'line' | 'limit'
}

export type ChartUnit = 'cores' | 'bytes' | 'percent' | 'tasks'

/** "36 cores", "1.5 GiB", "42 %", "3 tasks"; a dash where nothing is known. `isBare`: without the noun, for an axis. */
export function formatValue(value: number | null, unit: ChartUnit, isBare = false): string {
  if (value === null) return '–'
  if (unit === 'bytes') return formatBytes(value)
  if (unit === 'percent') return formatPercent(value)
  const rounded = Number(value.toFixed(value < 10 ? 1 : 0))
  if (isBare) return formatCount(rounded)
  return `${formatCount(rounded)} ${rounded === 1 ? unit.slice(0, -1) : unit}`
}

/** Beginnings of the steps in seconds, as the drawing wants them. */
export function timesOf(startAt: string, stepMs: number, steps: number): number[] {
  const startMs = Date.parse(startAt)
  return Array.from({ length: steps }, (_, at) => (startMs + at * stepMs) / 1000)
}

/**
 * The step from which there is something to see: before it nothing is known of any series. At least the last `least`
 * steps are shown, so that a new cluster has more than a sliver.
 */
export function beginOf(series: readonly (readonly (number | null)[])[], least: number): number {
  const steps = Math.max(0, ...series.map((values) => values.length))
  const firsts = series.map((values) => values.findIndex((value) => value !== null))
  const first = Math.min(steps, ...firsts.filter((at) => at >= 0))
  return Math.max(0, Math.min(first, steps - least))
}

/** The top of the axis: a little above the largest value, and never nothing. */
export function topOf(series: readonly ChartSeries[], unit: ChartUnit): number {
  if (unit === 'percent') return 100
  let top = 0
  for (const { values } of series) for (const value of values) if (value !== null && value > top) top = value
  return top === 0 ? 1 : top * 1.06
}

/** Values with none beside them: no line goes through these, so they are drawn as points. */
export function lonely(values: readonly (number | null | undefined)[]): number[] {
  const isKnown = (at: number) => values[at] !== null && values[at] !== undefined
  return values.flatMap((_, at) => (isKnown(at) && !isKnown(at - 1) && !isKnown(at + 1) ? [at] : []))
}

/** Where an axis may be parted: bytes by powers of two, so that its labels are round. */
export function incrementsOf(unit: ChartUnit): number[] {
  if (unit === 'bytes') return Array.from({ length: 50 }, (_, at) => 2 ** at)
  return Array.from({ length: 10 }, (_, at) => [1, 2, 5].map((step) => step * 10 ** at)).flat()
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const clockToSecond = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })
const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const dayMs = 86_400_000

/** A label of the time axis: the hour, or the date where a day begins or the labels are days apart. */
export function tickLabel(timeMs: number, apartMs: number): string {
  const at = new Date(timeMs)
  const isMidnight = at.getHours() === 0 && at.getMinutes() === 0
  return apartMs >= dayMs || isMidnight ? date.format(at) : clock.format(at)
}

/** A moment of a chart, as exact as its steps are: "14:05:30", "14:05", "28 Nov 14:00". */
export function momentLabel(timeMs: number, stepMs: number): string {
  const at = new Date(timeMs)
  if (stepMs < 60_000) return clockToSecond.format(at)
  if (stepMs < 1_800_000) return clock.format(at)
  return `${date.format(at)} ${clock.format(at)}`
}

/** The newest step of which anything is known; null: none. */
export function newestKnown(series: readonly ChartSeries[]): number | null {
  const known = series
    .filter((one) => one.as !== 'limit')
    .map(({ values }) => values.findLastIndex((value) => value !== null))
  const newest = Math.max(-1, ...known)
  return newest < 0 ? null : newest
}

/** What there is to see, in one sentence for each series. */
export function summaryOf(series: readonly ChartSeries[], unit: ChartUnit): string {
  return series
    .map(({ label, values, as }) => {
      const known = values.filter((value) => value !== null)
      const newest = known.at(-1)
      if (newest === undefined) return `${label}: nothing is known.`
      if (as === 'limit') return `${label}: ${formatValue(newest, unit)}.`
      const lowest = formatValue(
        known.reduce((a, b) => Math.min(a, b)),
        unit,
        true,
      )
      const highest = formatValue(
        known.reduce((a, b) => Math.max(a, b)),
        unit,
      )
      const last = values.at(-1) === null ? 'last known' : 'now'
      return `${label}: ${lowest} to ${highest}, ${last} ${formatValue(newest, unit)}.`
    })
    .join(' ')
}

/** At most `most` means of equal parts of the values; null where nothing of a part is known. */
export function thinned(values: readonly (number | null)[], most: number): (number | null)[] {
  const each = Math.max(1, Math.ceil(values.length / most))
  return Array.from({ length: Math.ceil(values.length / each) }, (_, part) => {
    const known = values.slice(part * each, (part + 1) * each).filter((value) => value !== null)
    return known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length
  })
}
