/** What would be, tried on the real queue and ledger and taken back before anybody can see it. */
import type { Ledger } from './capacity.ts'
import type { PendingQueue } from './pending.ts'
import { UndoLog } from './undo.ts'

/**
 * Runs `work`, which may add tasks to the queue and make passes, and takes back all that it has done, also where it
 * throws. It must not wait for anything: until it returns, the trial is what there is.
 */
export function trial<T>(queue: PendingQueue, ledger: Ledger, work: () => T): T {
  const undo = new UndoLog()
  queue.noteIn(undo)
  ledger.noteIn(undo)
  try {
    return work()
  } finally {
    queue.noteIn(null)
    ledger.noteIn(null)
    undo.undo()
  }
}
