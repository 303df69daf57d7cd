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
  { id: 1, stepMs: 10_000, blockSteps: 60, keepMs: hour },
  { id: 2, stepMs: minute, blockSteps: 60, keepMs: day },
  { id: 3, stepMs: 30 * minute, blockSteps: 48, keepMs: 30 * day },
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
const width = 1 + fieldCount

/** Samples of one step: the sum of each field, then how many knew it. */
export type LoadSums = number[]

export function noSums(): LoadSums {
  return new Array<number>(2 * fieldCount).fill(0)
}

export function addSample(sums: LoadSums, sample: LoadSample): void {
  for (const [field, name] of loadFields.entries()) {
    const value = sample[name]
    if (value !== null) addValue(sums, field, value, 1)
  }
}

/** Adds samples to a step of a block. */
export function mergeStep(block: Float32Array, at: number, sums: LoadSums): void {
  const place = at * width
  const before = block[place] ?? 0
  const came = Math.max(...sums.slice(fieldCount))
  if (came === 0) return
  block[place] = before + came
  for (let field = 0; field < fieldCount; field += 1) {
    const mean = before === 0 ? Number.NaN : (block[place + 1 + field] ?? Number.NaN)
    const count = sums[fieldCount + field] ?? 0
    const known = Number.isNaN(mean) ? 0 : before
    const sum = (sums[field] ?? 0) + (known === 0 ? 0 : mean * known)
    block[place + 1 + field] = known + count === 0 ? Number.NaN : sum / (known + count)
  }
}

/** Adds what a step of a block holds. */
export function addStep(sums: LoadSums, block: Float32Array, at: number): void {
  const place = at * width
  const count = block[place] ?? 0
  if (!(count > 0)) return
  for (let field = 0; field < fieldCount; field += 1) {
    const mean = block[place + 1 + field] ?? Number.NaN
    if (!Number.isNaN(mean)) addValue(sums, field, mean * count, count)
  }
}

export function addSums(sums: LoadSums, more: LoadSums): void {
  for (const [place, value] of more.entries()) sums[place] = (sums[place] ?? 0) + value
}

export function meanOf(sums: LoadSums | undefined, name: LoadField): number | null {
  const field = loadFields.indexOf(name)
  const count = sums?.[fieldCount + field] ?? 0
  return count === 0 ? null : rounded(name, (sums?.[field] ?? 0) / count)
}

export function newBlock({ blockSteps }: Level): Float32Array {
  return new Float32Array(blockSteps * width)
}

/** The block of these bytes; null: they are none of this level. */
export function blockOf({ blockSteps }: Level, bytes: Uint8Array): Float32Array | null {
  if (bytes.byteLength !== blockSteps * width * Float32Array.BYTES_PER_ELEMENT) return null
  const isAligned = bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0
  const own = isAligned ? bytes : bytes.slice()
  return new Float32Array(own.buffer, own.byteOffset, blockSteps * width)
}

/** A stretch of steps of one level. */
export interface Window {
  level: Level
  /** Number of the first step. */
  from: number
  /** Steps. */
  count: number
}

/** What a range shows at a moment: the step of that moment is the last. */
export function windowOf(range: Range, nowMs: number): Window {
  const { level, lengthMs } = ranges[range]
  const count = lengthMs / level.stepMs
  return { level, from: Math.floor(nowMs / level.stepMs) + 1 - count, count }
}

/** A window whose steps are put together by so many. */
export interface ThinWindow extends Window {
  /** Steps of the level in one of the answer. */
  every: number
}

/**
 * A range in at most so many steps, from the coarsest level that gives nearly as many (the last may be still to come):
 * what is read is little then.
 */
export function thinWindowOf(range: Range, points: number, nowMs: number): ThinWindow {
  const { lengthMs, level: finest } = ranges[range]
  const ways = levels
    .filter(({ stepMs }) => stepMs >= finest.stepMs && stepMs <= lengthMs)
    .map((level) => {
      const every = Math.max(1, Math.ceil(lengthMs / points / level.stepMs))
      return { level, every, gives: Math.ceil(lengthMs / (every * level.stepMs)) }
    })
  const most = Math.max(...ways.map(({ gives }) => gives))
  const { level, every, gives } = ways.findLast((way) => way.gives >= 0.9 * most) ?? ways[0]!
  // the answer's steps begin at whole multiples of themselves: they do not change from call to call
  const last = Math.floor(nowMs / level.stepMs / every)
  return { level, every, from: (last + 1 - gives) * every, count: gives * every }
}

/** The means of a window, step by step. */
export function valuesOf(sums: readonly (LoadSums | undefined)[]): LoadValues {
  const values = (name: LoadField) => sums.map((each) => meanOf(each, name))
  return Object.fromEntries(loadFields.map((name) => [name, values(name)])) as LoadValues // each of them
}

/** Is nothing of this block to be shown any more, or not yet for long? */
export function isBlockOver({ stepMs, blockSteps, keepMs }: Level, block: number, nowMs: number): boolean {
  const blockMs = stepMs * blockSteps
  return (block + 1) * blockMs < nowMs - keepMs || block * blockMs > nowMs + blockMs
}

function addValue(sums: LoadSums, field: number, sum: number, count: number): void {
  sums[field] = (sums[field] ?? 0) + sum
  sums[fieldCount + field] = (sums[fieldCount + field] ?? 0) + count
}

function rounded(name: LoadField, value: number): number {
  if (name === 'cpuPercent') return Math.round(value * 10) / 10
  return name === 'memoryUsedBytes' || name === 'memoryAllocatedBytes' || name === 'memoryBytes'
    ? Math.round(value)
    : Math.round(value * 100) / 100
}
