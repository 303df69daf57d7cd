/** Secrets that the host hands out: made here, and kept as hashes alone. */
import { createHash, randomBytes } from 'node:crypto'

/**
 * 192 random bits behind a word on what it is for, by which programs that look for lost secrets know it.
 * @param kind small letters
 */
export function newSecret(kind: string): string {
  return `hakuriver_${kind}_${newCode()}`
}

/** 192 random bits (RFC 4648, section 5). */
export function newCode(): string {
  return randomBytes(24).toString('base64url')
}

/** What is kept of a secret. It is so random that a plain hash cannot be turned back by guessing. */
export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
