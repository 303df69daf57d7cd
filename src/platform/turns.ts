/** Who may do something that only so many may do at a time, in the order in which they asked. */
import { AppError } from '../core/errors.ts'

export class Turns {
  private readonly most: number
  private readonly mostWaiting: number
  private busy = 0
  private readonly waiting: (() => void)[] = []

  constructor(most: number, mostWaiting: number) {
    this.most = most
    this.mostWaiting = mostWaiting
  }

  /**
   * Resolves when it is this one's turn, with how to end it.
   * @throws AppError `too_many` where too many wait already or the signal aborts first
   */
  async take(what: string, signal: AbortSignal): Promise<() => void> {
    if (this.busy >= this.most) {
      if (this.waiting.length >= this.mostWaiting || signal.aborted)
        throw new AppError('too_many', `too many ${what} at once: try again in a moment`)
      await this.wait(what, signal)
    } else this.busy += 1
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      const next = this.waiting.shift()
      if (next === undefined) this.busy -= 1
      else next() // the turn goes on to the next
    }
  }

  private wait(what: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(begin), 1)
        reject(new AppError('too_many', `nobody waits any more for its turn among ${what}`))
      }
      this.waiting.push(begin)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}
