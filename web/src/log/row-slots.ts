/** Rows on the screen that are used again: a line that comes takes the row of one that has gone. Pure. */
export class RowSlots {
  private readonly slots = new Map<number, number>()
  private free: number[] = []
  private made = 0

  /**
   * Only these lines are drawn from now on; the end is not one of them. `mayReuse`: rows of lines that have gone may be
   * those of others.
   */
  keep(first: number, end: number, mayReuse: boolean): void {
    for (const [line, slot] of this.slots) {
      if (line >= first && line < end) continue
      this.slots.delete(line)
      this.free.push(slot)
    }
    if (!mayReuse) this.free = []
  }

  /** The row of a line that is drawn: the same as long as it is. */
  of(line: number): number {
    const known = this.slots.get(line)
    if (known !== undefined) return known
    const slot = this.free.pop() ?? this.made++
    this.slots.set(line, slot)
    return slot
  }
}
