/** Changes that can be taken back: who makes them notes how, and the last is taken back first. */
import type { SortedList } from './sorted-list.ts'

export class UndoLog {
  readonly #steps: (() => void)[] = []

  /** Notes what takes the change back that was made just now. */
  push(step: () => void): void {
    this.#steps.push(step)
  }

  /** Takes everything back. */
  undo(): void {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) step()
  }
}

/** Sets a key. @param undo null: for good */
export function setKey<K, V>(undo: UndoLog | null, map: Map<K, V>, key: K, value: V): void {
  const before = map.get(key)
  map.set(key, value)
  undo?.push(() => void (before === undefined ? map.delete(key) : map.set(key, before)))
}

/** Takes a key out. */
export function deleteKey<K, V>(undo: UndoLog | null, map: Map<K, V>, key: K): void {
  const before = map.get(key)
  if (before === undefined) return
  map.delete(key)
  undo?.push(() => void map.set(key, before))
}

/** Adds an item, where it is not there yet. */
export function addTo<T>(undo: UndoLog | null, list: Set<T> | SortedList<T>, item: T): void {
  const before = list.size
  list.add(item)
  if (list.size > before) undo?.push(() => void list.delete(item))
}

/** Takes an item out. */
export function deleteFrom<T>(undo: UndoLog | null, list: Set<T> | SortedList<T>, item: T): void {
  if (list.delete(item)) undo?.push(() => void list.add(item))
}
