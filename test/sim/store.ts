/** The host's store in a simulation: the real one on SQLite, with a disk that is slow, full, or lost in mid-air. */
import { AppError } from '../../src/core/errors.ts'
import type { OpenDatabase } from '../../src/host/store/open.ts'
import { SqliteStore } from '../../src/host/store/sqlite.ts'
import type { Changes } from '../../src/host/store/store.ts'
import type { Chance, Life } from './timeline.ts'

/** The disk under the host's database. */
export interface HostDisk {
  isFull: boolean
  /** Longest time of a commit. */
  latencyMs: number
}

export class SimStore extends SqliteStore {
  private readonly life: Life
  private readonly chance: Chance
  private readonly disk: HostDisk
  private readonly onCommit: (changes: Changes) => void

  constructor(
    database: OpenDatabase,
    life: Life,
    chance: Chance,
    disk: HostDisk,
    onCommit: (changes: Changes) => void,
  ) {
    super(database)
    this.life = life
    this.chance = chance
    this.disk = disk
    this.onCommit = onCommit
  }

  /** A host that ends before the transaction leaves none of it; one that ends behind it leaves all, told to nobody. */
  override commit(changes: Changes): Promise<void> {
    const { life, disk } = this
    return new Promise((resolve, reject) => {
      if (!life.calls()) return
      life.after(this.chance.between(0.05, disk.latencyMs), () => {
        if (!life.calls()) return
        if (disk.isFull)
          return reject(new AppError('store_full', 'cannot save: the disk of the host is full'))
        super.commit(changes).then(() => {
          this.onCommit(changes)
          life.after(this.chance.between(0, 0.5), resolve)
        }, reject)
      })
    })
  }
}
