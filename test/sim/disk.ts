/**
 * The disk of a simulated node. What a program has written is there for the next one; what was not synced may be gone
 * after a power loss, whole or in part (fsync(2)). It can be full.
 */
import type { AppendedFile, Disk } from '../../src/platform/disk.ts'
import type { Chance, Life } from './timeline.ts'

interface File {
  text: string
  /** What a power loss leaves for certain; null: not even the file. */
  synced: string | null
}

export class SimDisk {
  isFull = false
  private readonly files = new Map<string, File>()
  private readonly dirs = new Set<string>()
  /** Removed, and not known to be so after a power loss. */
  private readonly removed = new Map<string, string>()
  private readonly chance: Chance

  constructor(chance: Chance) {
    this.chance = chance
  }

  /** Names of files, for checks. */
  paths(): string[] {
    return [...this.files.keys()]
  }

  textOf(path: string): string | null {
    return this.files.get(path)?.text ?? null
  }

  /** Also what is in use: it is gone for good. */
  wipe(): void {
    this.files.clear()
    this.dirs.clear()
    this.removed.clear()
  }

  powerLoss(): void {
    for (const path of [...this.files.keys(), ...this.dirs])
      if (path.startsWith('/run/')) {
        this.files.delete(path)
        this.dirs.delete(path)
        this.removed.delete(path)
      }
    for (const [path, file] of this.files) {
      if (file.text === file.synced) continue
      // all of it had reached the disk, or only a part, or only what was there before
      const kept = this.chance.below(3)
      if (kept === 0) continue
      if (kept === 1 && file.synced !== null && !file.text.startsWith(file.synced)) file.text = file.synced
      else if (kept === 1) {
        const least = file.synced?.length ?? 0
        file.text = file.text.slice(0, least + this.chance.below(file.text.length - least + 1))
      } else if (file.synced === null) this.files.delete(path)
      else file.text = file.synced
    }
    for (const [path, text] of this.removed)
      if (this.chance.is(0.5) && !this.files.has(path)) this.files.set(path, { text, synced: text })
    this.removed.clear()
    for (const file of this.files.values()) file.synced = file.text
  }

  /** The disk as one program sees it. */
  for(life: Life): Disk {
    const { files, dirs } = this
    const isHeld = () => !life.calls()
    const mayWrite = () => {
      if (this.isFull) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    }
    /** Resolves in the program's time, or never. */
    const later = <T>(action: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        if (isHeld()) return
        life.after(this.chance.between(0.05, 8), () => {
          if (isHeld()) return
          try {
            resolve(action())
          } catch (error) {
            reject(error as Error)
          }
        })
      })
    return {
      makeDir: (path) => {
        if (isHeld()) return
        if (!dirs.has(path)) mayWrite()
        dirs.add(path)
      },
      list: (path) => {
        const names = new Set<string>()
        for (const name of [...files.keys(), ...dirs])
          if (name.startsWith(`${path}/`)) names.add(name.slice(path.length + 1).split('/')[0] ?? '')
        return [...names].sort()
      },
      remove: (path) => {
        if (isHeld()) return
        for (const [name, { synced }] of files) {
          if (name !== path && !name.startsWith(`${path}/`)) continue
          files.delete(name)
          if (synced !== null) this.removed.set(name, synced)
        }
        for (const name of dirs) if (name === path || name.startsWith(`${path}/`)) dirs.delete(name)
      },
      write: (path, text) => {
        if (isHeld()) return
        mayWrite()
        files.set(path, { text, synced: files.get(path)?.synced ?? null })
      },
      read: (path) => files.get(path)?.text ?? null,
      replace: (path, text) =>
        later(() => {
          mayWrite()
          files.set(path, { text, synced: this.chance.is(0.5) ? text : (files.get(path)?.synced ?? null) })
        }),
      append: (path) =>
        later((): AppendedFile => {
          const file = files.get(path) ?? { text: '', synced: null }
          files.set(path, file)
          return {
            append: (text) =>
              later(() => {
                if (this.isFull) {
                  file.text += text.slice(0, this.chance.below(text.length))
                  mayWrite()
                }
                file.text += text
              }),
            sync: () =>
              later(() => {
                mayWrite()
                file.synced = file.text
              }),
            close: () => later(() => {}),
          }
        }),
    }
  }
}
