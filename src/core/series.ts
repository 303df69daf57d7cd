/**
 * Values over time in a bounded number of steps. When they are full, neighbours become one and the step doubles: a long
 * life costs no more than a short one. A step keeps value × time and the time that is known of it, so that merging
 * changes no mean.
 */

/** Two numbers a channel: the sum of value × milliseconds, and the milliseconds. */
const width = 2
/** Of `encode`, raised when it changes. */
const version = 1
const headerBytes = 32
const firstSteps = 8

export class Series {
  readonly channels: number
  /** Most steps; may be lowered at any time, and holds from the next `add` on. */
  limit: number
  /** Of the first step; null: nothing was added yet. */
  startMs: number | null = null
  stepMs: number
  length = 0
  #data: Float32Array

  /** `channels`: values that share the steps. `limit`: at least 2. */
  constructor(channels: number, stepMs: number, limit: number) {
    this.channels = channels
    this.stepMs = stepMs
    this.limit = limit
    this.#data = new Float32Array(firstSteps * channels * width)
  }

  /** The value was this, in the mean, from one moment to the other. What lies before the first step is left out. */
  add(channel: number, fromMs: number, toMs: number, value: number): void {
    if (!(toMs > fromMs) || !Number.isFinite(toMs - fromMs) || !Number.isFinite(value)) return
    const start = this.startMs ?? fromMs
    if (toMs <= start) return
    this.startMs = start
    while (this.length > this.limit || toMs > start + this.limit * this.stepMs) this.#double()
    this.#grow(Math.ceil((toMs - start) / this.stepMs))
    let at = Math.max(start, fromMs)
    for (let step = Math.floor((at - start) / this.stepMs); step < this.length && at < toMs; step += 1) {
      const end = Math.min(toMs, start + (step + 1) * this.stepMs)
      if (end <= at) continue
      this.#book(step, channel, value * (end - at), end - at)
      at = end
    }
  }

  /** The mean of each step; null: nothing is known of it. */
  values(channel: number): (number | null)[] {
    return Array.from({ length: this.length }, (_, step) => {
      const { sum, ms } = this.at(step, channel)
      return ms > 0 ? sum / ms : null
    })
  }

  /** What a step is made of. */
  at(step: number, channel: number): { sum: number; ms: number } {
    const place = (step * this.channels + channel) * width
    return { sum: this.#data[place] ?? 0, ms: this.#data[place + 1] ?? 0 }
  }

  /** All of it as bytes, for `decode`. */
  encode(): Uint8Array {
    const data = this.#data.subarray(0, this.length * this.channels * width)
    const bytes = new Uint8Array(headerBytes + data.byteLength)
    new Float64Array(bytes.buffer, 0, 4).set([
      version,
      this.channels,
      this.startMs ?? Number.NaN,
      this.stepMs,
    ])
    new Float32Array(bytes.buffer, headerBytes).set(data)
    return bytes
  }

  /** null: these bytes are none of `encode`'s. */
  static decode(bytes: Uint8Array, limit: number): Series | null {
    if (bytes.byteLength < headerBytes) return null
    const own = bytes.slice() // aligned
    const [found, channels = 0, startMs = 0, stepMs = 0] = new Float64Array(own.buffer, 0, 4)
    const stepBytes = channels * width * Float32Array.BYTES_PER_ELEMENT
    const length = (own.byteLength - headerBytes) / stepBytes
    if (found !== version || !(channels >= 1) || !(stepMs > 0) || !Number.isInteger(length)) return null
    const series = new Series(channels, stepMs, limit)
    series.startMs = Number.isNaN(startMs) ? null : startMs
    series.#grow(length)
    series.#data.set(new Float32Array(own.buffer, headerBytes))
    return series
  }

  #book(step: number, channel: number, sum: number, ms: number): void {
    const place = (step * this.channels + channel) * width
    this.#data[place] = (this.#data[place] ?? 0) + sum
    this.#data[place + 1] = (this.#data[place + 1] ?? 0) + ms
  }

  #grow(length: number): void {
    if (length <= this.length) return
    this.length = length
    const needed = length * this.channels * width
    if (needed <= this.#data.length) return
    const steps = Math.min(
      Math.max(length, 2 * (this.#data.length / this.channels / width)),
      Math.max(length, this.limit),
    )
    const larger = new Float32Array(steps * this.channels * width)
    larger.set(this.#data)
    this.#data = larger
  }

  /** Each two neighbours become one. */
  #double(): void {
    this.stepMs *= 2
    const row = this.channels * width
    const length = Math.ceil(this.length / 2)
    const merged = new Float32Array(Math.max(length, firstSteps) * row)
    for (let place = 0; place < this.length * row; place += 1) {
      const step = Math.floor(place / row)
      const target = (step >> 1) * row + (place % row)
      merged[target] = (merged[target] ?? 0) + (this.#data[place] ?? 0)
    }
    this.#data = merged
    this.length = length
  }
}
