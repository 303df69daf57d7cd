/**
 * How attempts ended whose end the host has acknowledged. A host whose disk has lost its last commits may order one of
 * them again: it is told the end again, and nothing runs twice.
 */
import type { TaskExit } from '../core/task.ts'

/** So many are remembered, the newest, and none of an earlier runner. */
export const mostTold = 10_000

export class ToldEnds {
  /** By attempt, the oldest first. */
  private readonly exits = new Map<string, TaskExit>()

  add(id: string, exit: TaskExit): void {
    this.exits.delete(id)
    this.exits.set(id, exit)
    const [oldest] = this.exits.keys()
    if (this.exits.size > mostTold && oldest !== undefined) this.exits.delete(oldest)
  }

  get(id: string): TaskExit | null {
    return this.exits.get(id) ?? null
  }
}
