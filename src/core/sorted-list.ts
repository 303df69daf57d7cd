/** A list that stays in order: adding and removing cost about the square root of its length, not its length. */

/** Past this a chunk is halved. Around 256 keeps both the search and the shifting of a chunk short. */
const chunkLimit = 256

/** Items in the order of `compare`; two items that compare as 0 count as the same one. */
export class SortedList<T> {
  readonly #compare: (a: T, b: T) => number
  /** Never holds an empty chunk. */
  readonly #chunks: T[][] = []
  #size = 0

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#size
  }

  first(): T | undefined {
    return this.#chunks[0]?.[0]
  }

  /** The first item for which `reached` holds. `reached` must be false for a stretch and then true to the end. */
  firstWhere(reached: (item: T) => boolean): T | undefined {
    const chunk = this.#chunks[lowest(this.#chunks, (items) => reached(items[items.length - 1]!))]
    return chunk === undefined ? undefined : chunk[lowest(chunk, reached)]
  }

  /** Adds the item; false where it was there already. */
  add(item: T): boolean {
    const at = this.#chunkOf(item)
    const chunk = this.#chunks[at] ?? this.#chunks[at - 1]
    if (chunk === undefined) {
      this.#chunks.push([item])
      this.#size = 1
      return true
    }
    const place = lowest(chunk, (other) => this.#compare(other, item) >= 0)
    const found = chunk[place]
    if (found !== undefined && this.#compare(found, item) === 0) return false
    chunk.splice(place, 0, item)
    this.#size += 1
    if (chunk.length > chunkLimit) {
      this.#chunks.splice(Math.min(at, this.#chunks.length - 1) + 1, 0, chunk.splice(chunkLimit >> 1))
    }
    return true
  }

  /** Removes the item; false where it was not there. */
  delete(item: T): boolean {
    const at = this.#chunkOf(item)
    const chunk = this.#chunks[at]
    if (chunk === undefined) return false
    const place = lowest(chunk, (other) => this.#compare(other, item) >= 0)
    const found = chunk[place]
    if (found === undefined || this.#compare(found, item) !== 0) return false
    if (chunk.length === 1) this.#chunks.splice(at, 1)
    else chunk.splice(place, 1)
    this.#size -= 1
    return true
  }

  /** In order. The list must not change meanwhile. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const chunk of this.#chunks) yield* chunk
  }

  /** In reverse order. The list must not change meanwhile. */
  *backwards(): IterableIterator<T> {
    for (let at = this.#chunks.length - 1; at >= 0; at -= 1) {
      const chunk = this.#chunks[at]!
      for (let place = chunk.length - 1; place >= 0; place -= 1) yield chunk[place]!
    }
  }

  /** The chunk that the item belongs to; the number of chunks where it lies beyond the last. */
  #chunkOf(item: T): number {
    return lowest(this.#chunks, (items) => this.#compare(items[items.length - 1]!, item) >= 0)
  }
}

/** The lowest index whose item satisfies a condition that is false and then true; the length where none does. */
function lowest<T>(items: readonly T[], reached: (item: T) => boolean): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >> 1
    // Inside [low, high) of the array.
    if (reached(items[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}
