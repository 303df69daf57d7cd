/** One thing that is given what nobody means well. */
import fc from 'fast-check'

export interface OpenTarget {
  property: fc.IRawProperty<unknown>
  close(): Promise<void>
}

export interface FuzzTarget {
  name: string
  /** Runs that a test does; the long run goes by time. */
  runs: number
  open(): Promise<OpenTarget>
}

/** How many times as much a test does (`HAKURIVER_FUZZ`). */
export function fuzzFactor(): number {
  const given = Number(process.env.HAKURIVER_FUZZ ?? 1)
  return given > 0 ? given : 1
}

/** Runs a property so often with a seed. @returns what it found; null: nothing */
export async function runOnce(
  { property }: OpenTarget,
  numRuns: number,
  seed: number,
): Promise<{ runs: number; finding: string | null }> {
  const found = await fc.check(property, { numRuns, seed, endOnFailure: false })
  if (!found.failed) return { runs: found.numRuns, finding: null }
  return { runs: found.numRuns, finding: (await fc.asyncDefaultReportMessage(found)) ?? 'it failed' }
}
