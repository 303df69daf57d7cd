/** How long a token holds, and whether it does. */
import type { TokenView } from '../../../../src/protocol/schemas.ts'
import { formatAge } from '../../ui/format.ts'

const daySeconds = 86_400

/** Choices for a new one. */
export const lives: readonly { words: string; seconds: number | null }[] = [
  { words: '1 day', seconds: daySeconds },
  { words: '30 days', seconds: 30 * daySeconds },
  { words: '90 days', seconds: 90 * daySeconds },
  { words: '1 year', seconds: 365 * daySeconds },
  { words: 'until it is revoked', seconds: null },
]
export const usualLife = 2

export function isLive({ revokedAt, expiresAt }: TokenView, nowMs: number): boolean {
  return revokedAt === null && (expiresAt === null || Date.parse(expiresAt) > nowMs)
}

/** "ends in 89 d", "has no end", "was revoked 3 min ago". */
export function lifeWords({ revokedAt, expiresAt }: TokenView, nowMs: number): string {
  if (revokedAt !== null) return `was revoked ${formatAge(nowMs - Date.parse(revokedAt))} ago`
  if (expiresAt === null) return 'has no end'
  const leftMs = Date.parse(expiresAt) - nowMs
  return leftMs > 0 ? `ends in ${formatAge(leftMs)}` : `ended ${formatAge(-leftMs)} ago`
}
