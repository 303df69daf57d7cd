/** How tokens and users look in words. */
import { formatDuration } from '../../core/units.ts'
import type { Column } from '../../platform/table.ts'
import type { TokenView } from '../../protocol/schemas.ts'
import { ago, localTime } from './text.ts'

/** `until 2027-02-26 10:31:59 (90 d 0 h from now)`, or "never ends". */
export function untilText(expiresAt: string | null, nowMs: number): string {
  if (expiresAt === null) return 'never ends'
  const leftMs = Date.parse(expiresAt) - nowMs
  return leftMs <= 0 ? 'over' : `until ${localTime(expiresAt)} (${formatDuration(leftMs)} from now)`
}

/** When a token ends, or that it has: for a column. */
export function lifeText({ revokedAt, expiresAt }: TokenView, nowMs: number): string {
  if (revokedAt !== null) return `revoked ${ago(revokedAt, nowMs)}`
  if (expiresAt === null) return 'never'
  const leftMs = Date.parse(expiresAt) - nowMs
  return leftMs <= 0 ? `over ${ago(expiresAt, nowMs)}` : `in ${formatDuration(leftMs)}`
}

/** Whose each is, in lists of tasks and batches in which that differs. */
export const ownerColumn: Column = { title: 'OWNER', shrinkTo: 6, dropOrder: 2 }

export function hasSeveralOwners(items: readonly { owner: string }[]): boolean {
  return items.some(({ owner }) => owner !== items[0]?.owner)
}
