/** Ids of tasks and batches: whole numbers below 2^53 that grow with time, short enough to read aloud. */

/** 2026-01-01T00:00:00Z in seconds: ids count from here. */
const epochSeconds = 1_767_225_600
const idsPerSecond = 100_000

/** Larger ones are of no clock (the year 3453): who names one is mistaken, or wants the ids to run out. */
const lastPlausibleId = 2 ** 52

/** May a host have given out this id at some time, by whatever clock? */
export function isPlausibleId(id: number): boolean {
  return Number.isInteger(id) && id > 0 && id < lastPlausibleId
}

/**
 * The id after `lastId`. Seconds since 2026 times 100,000, or one more than the last where that is larger:
 * ids never repeat while the clock does not fall behind the store, even after an old backup was restored.
 */
export function nextId(lastId: number, nowMs: number): number {
  const fromClock = Math.max(1, Math.floor(nowMs / 1000) - epochSeconds) * idsPerSecond
  return Math.max(lastId + 1, fromClock)
}

/** Reads an id from its decimal text; null where it is none. */
export function parseId(text: string): number | null {
  if (!/^\d{1,16}$/.test(text)) return null
  const id = Number(text)
  return Number.isSafeInteger(id) && id > 0 ? id : null
}
