/**
 * Load over time in fixed steps, and how it is kept: for each step the mean of its samples and their number, so that
 * what comes later is added to it. A step is named by its number since the epoch; steps are kept in blocks.
 */

/** What is known of a node, or of the whole cluster, at one moment. null: that is not known. */
export const loadFields = [
  'cpuPercent',
  'memoryUsedBytes',
  'coresAllocated',
  'memoryAllocatedBytes',
  'cores',
  'memoryBytes',
  'tasksRunning',
] as const
export type LoadField = (typeof loadFields)[number]
export type LoadSample = { readonly [field in LoadField]: number | null }
export type LoadValues = { [field in LoadField]: (number | null)[] }

/** One resolution. */
export interface Level {
  /** As it is kept: never changed. */
  id: number
  stepMs: number
  /** Steps of a block. */
  blockSteps: number
  /** How long blocks are kept. */
  keepMs: number
}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** From the finest on; each step is a whole number of those before. */
export const levels = [
  { id: 1, stepMs: 10_000, blockSteps: 30, keepMs: hour },
  { id: 2, stepMs: minute, blockSteps: 30, keepMs: day },
  { id: 3, stepMs: 30 * minute, blockSteps: 24, keepMs: 30 * day },
] as const satisfies readonly Level[]
const [fine, middle, coarse] = levels

/** Of what samples are added to. */
export const fineStepMs = fine.stepMs

/** How long a range is, and what tells it. */
export const ranges = {
  hour: { lengthMs: hour, level: fine },
  day: { lengthMs: day, level: middle },
  month: { lengthMs: 30 * day, level: coarse },
} as const satisfies Record<string, { lengthMs: number; level: Level }>
export type Range = keyof typeof ranges

const fieldCount = loadFields.length
/** In a block: the number of samples, and the mean of each field. */
const blockWidth = 1 + fieldCount
/** In sums: of each field the sum, then of each how many samples knew it. */
const sumsWidth = 2 * fieldCount

/** Sums of samples, step by step. */
export type LoadSums = Float64Array

export function newSums(steps: number): LoadSums {
  return new Float64Array(steps * sumsWidth)
}

export function addSample(sums: LoadSums, step: number, sample: LoadSample): void {
  for (let field = 0; field < fieldCount; field += 1) {
    const value = sample[loadFields[field]!] // one of them
    if (value !== null) addValue(sums, step, field, value, 1)
  }
}

/** Adds the step of other sums. */
export function addSums(sums: LoadSums, step: number, more: LoadSums, moreStep: number): void {
  for (let place = 0; place < sumsWidth; place += 1)
    sums[step * sumsWidth + place]! += more[moreStep * sumsWidth + place]!
}

/** Forgets the first so many steps. */
export function clearSums(sums: LoadSums, steps: number): void {
  sums.fill(0, 0, steps * sumsWidth)
}

/** The mean of a field, as it is told; null: nothing is known. */
export function meanOf(sums: LoadSums, step: number, name: LoadField): number | null {
  const place = step * sumsWidth + loadFields.indexOf(name)
  const count = sums[place + fieldCount]!
  return count === 0 ? null : rounded(name, sums[place]! / count)
}

/** The means of all fields, step by step. */
export function valuesOf(sums: LoadSums): LoadValues {
  const values = (name: LoadField) =>
    Array.from({ length: sums.length / sumsWidth }, (_, step) => meanOf(sums, step, name))
  return Object.fromEntries(loadFields.map((name) => [name, values(name)])) as LoadValues // each of them
}

export function newBlock({ blockSteps }: Level): Float32Array {
  return new Float32Array(blockSteps * blockWidth)
}

/** Adds a step of sums to a step of a block. */
export function mergeStep(block: Float32Array, at: number, sums: LoadSums, step: number): void {
  const from = step * sumsWidth
  const to = at * blockWidth
  let came = 0
  for (let field = 0; field < fieldCount; field += 1) came = Math.max(came, sums[from + fieldCount + field]!)
  if (came === 0) return
  const before = block[to]!
  block[to] = before + came
  for (let field = 0; field < fieldCount; field += 1) {
    const mean = block[to + 1 + field]!
    const known = before === 0 || Number.isNaN(mean) ? 0 : before
    const count = known + sums[from + fieldCount + field]!
    block[to + 1 + field] = ((known === 0 ? 0 : mean * known) + sums[from + field]!) / count // NaN: nothing is known
  }
}

/** Adds a step of a block to a step of sums. */
export function addStep(sums: LoadSums, step: number, block: Float32Array, at: number): void {
  const count = block[at * blockWidth]!
  if (!(count > 0)) return
  for (let field = 0; field < fieldCount; field += 1) {
    const mean = block[at * blockWidth + 1 + field]!
    if (!Number.isNaN(mean)) addValue(sums, step, field, mean * count, count)
  }
}

/** Bytes of a block as it is kept. */
export function blockBytes({ blockSteps }: Level): number {
  return blockSteps * blockWidth * Float32Array.BYTES_PER_ELEMENT
}

/** A stretch of steps of one level, put together to steps of an answer. */
export interface Window {
  level: Level
  /** Number of the first step. */
  from: number
  /** Steps of the answer. */
  count: number
  /** Steps of the level in one of the answer. */
  every: number
}

/** What a range shows at a moment: the step of that moment is the last. */
export function windowOf(range: Range, nowMs: number): Window {
  const { level, lengthMs } = ranges[range]
  return endingAt(level, 1, lengthMs / level.stepMs, nowMs)
}

/** A range in at most so many steps, from the coarsest level that gives nearly as many: little is read then. */
export function thinWindowOf(range: Range, points: number, nowMs: number): Window {
  const { lengthMs, level: finest } = ranges[range]
  const ways = levels
    .filter(({ stepMs }) => stepMs >= finest.stepMs && stepMs <= lengthMs)
    .map((level) => {
      const every = Math.max(1, Math.ceil(lengthMs / points / level.stepMs))
      return { level, every, count: Math.ceil(lengthMs / (every * level.stepMs)) }
    })
  const most = Math.max(...ways.map(({ count }) => count))
  const { level, every, count } = ways.findLast((way) => way.count >= 0.9 * most)! // the one with most is
  return endingAt(level, every, count, nowMs)
}

/** The block in which a step lies. */
export function blockOfStep({ blockSteps }: Level, step: number): number {
  return Math.floor(step / blockSteps)
}

/** The step of a level in which a fine step lies. */
export function stepOfFine({ stepMs }: Level, fineStep: number): number {
  return Math.floor((fineStep * fineStepMs) / stepMs)
}

/** Is nothing of this block to be shown any more, or not for long yet? */
export function isBlockOver({ stepMs, blockSteps, keepMs }: Level, block: number, nowMs: number): boolean {
  const blockMs = stepMs * blockSteps
  return (block + 1) * blockMs < nowMs - keepMs || block * blockMs > nowMs + blockMs
}

/** The answer's steps begin at whole multiples of their length: they stay the same from call to call. */
function endingAt(level: Level, every: number, count: number, nowMs: number): Window {
  const last = Math.floor(nowMs / level.stepMs / every)
  return { level, from: (last + 1 - count) * every, count, every }
}

function addValue(sums: LoadSums, step: number, field: number, sum: number, count: number): void {
  const place = step * sumsWidth + field
  sums[place]! += sum
  sums[place + fieldCount]! += count
}

function rounded(name: LoadField, value: number): number {
  if (name === 'cpuPercent') return Math.round(value * 10) / 10
  return name === 'memoryUsedBytes' || name === 'memoryAllocatedBytes' || name === 'memoryBytes'
    ? Math.round(value)
    : Math.round(value * 100) / 100
}
