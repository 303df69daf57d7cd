/** The picture of node × time: one ramp of colour, and the same in words. */
import type { NodeHistories } from '../../../../src/protocol/schemas.ts'
import { formatPercent } from '../../ui/format.ts'

export const heatModes = ['busy', 'allocated'] as const
export type HeatMode = (typeof heatModes)[number]
type Item = NodeHistories['items'][number]

/** Shares of the node's cores in percent; null: nothing was heard. */
export function sharesOf(item: Item, mode: HeatMode): (number | null)[] {
  if (mode === 'busy') return item.cpuPercent
  return item.coresAllocated.map((cores) =>
    cores === null || item.cores <= 0 ? null : (100 * cores) / item.cores,
  )
}

/** A step of the ramp for a share in percent. Nothing is not quite the ground: it was heard. */
export function inkOf(share: number): string {
  const part = Math.round(7 + 0.93 * Math.min(100, Math.max(0, share)))
  return `color-mix(in srgb, var(--river) ${part}%, var(--paper))`
}

/** One strip as a background: a step of equal width for each value, and nothing where nothing was heard. */
export function stripOf(shares: readonly (number | null)[]): string {
  const inks = shares.map((share) => (share === null ? 'transparent' : inkOf(share)))
  const stops = inks.flatMap((ink, at) => {
    // neighbours alike are one step
    if (at > 0 && inks[at - 1] === ink) return []
    const end = inks.findIndex((other, later) => later > at && other !== ink)
    const to = end < 0 ? inks.length : end
    return [`${ink} ${place(at, inks.length)} ${place(to, inks.length)}`]
  })
  return stops.length === 0 ? 'none' : `linear-gradient(90deg, ${stops.join(', ')})`
}

function place(at: number, of: number): string {
  return `${Number(((100 * at) / of).toFixed(2))}%`
}

/** "34 % busy on average, 98 % at most, 40 % now". */
export function heatWords(shares: readonly (number | null)[], mode: HeatMode): string {
  const known = shares.filter((share) => share !== null)
  if (known.length === 0) return 'nothing was heard'
  const mean = known.reduce((a, b) => a + b, 0) / known.length
  const now = shares.at(-1) ?? null
  const last = now === null ? 'not heard now' : `${formatPercent(now)} now`
  return `${formatPercent(mean)} ${mode} on average, ${formatPercent(Math.max(...known))} at most, ${last}`
}
