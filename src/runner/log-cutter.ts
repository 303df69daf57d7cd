/** Cuts a log at its limit, whatever the task may have put in its place, and notes that beside it. */
import { constants } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { AppError } from '../core/errors.ts'
import { isErrno } from '../platform/files.ts'
import { cutPath, type LogCut, readCut } from '../platform/log-cut.ts'
import { inFolderOf, type LogFolder } from '../platform/log-file.ts'

export interface CutJob {
  path: string
  /** Bytes that are kept. */
  kept: number
  /** The task has ended: the log's own last line says what is missing too. */
  isLast: boolean
}

/** How the program `cut-log` ends where the file is not one to cut. */
export const oddExit = 3

/**
 * Notes what is missing, then cuts. Where the disk takes no note, what is cut makes the room for it.
 * @returns how many bytes are missing by now
 * @throws AppError `not_found`; `not_permitted` where something else than an ordinary file is in its place
 */
export function cutLog({ path, kept, isLast }: CutJob): Promise<number> {
  return inFolderOf(path, async (folder, name) => {
    // what is written goes behind all that the task has written meanwhile
    const opened = (await folder?.file(name, constants.O_RDWR | constants.O_APPEND)) ?? null
    if (folder === null || opened === null) throw new AppError('not_found', `cannot cut ${path}: it is gone`)
    const { file, stats } = opened
    try {
      const before = (await readCut(folder, name))?.missing ?? 0
      const missing = before + Math.max(0, stats.size - kept)
      const isNoted = await writeNote(folder, name, { kept, missing }).then(
        () => true,
        () => false,
      )
      await file.truncate(kept)
      if (!isNoted)
        await writeNote(folder, name, { kept, missing }).catch((error: unknown) => {
          throw isInTheWay(error)
            ? new AppError('not_permitted', `cannot note beside ${path} that it was cut: something is there`)
            : error
        })
      if (isLast) await file.write(lastLine(missing))
      return missing
    } finally {
      await file.close()
    }
  })
}

/** Does something stand where the note is to be, or was what we wrote taken away? */
function isInTheWay(error: unknown): boolean {
  return ['EEXIST', 'EISDIR', 'ENOTDIR', 'ENOTEMPTY', 'ENOENT', 'ERR_FS_EISDIR'].some((code) =>
    isErrno(error, code),
  )
}

function lastLine(missing: number): string {
  return `\n[hakuriver] cut at the limit: at least ${missing} bytes are missing here\n`
}

/** Written aside and renamed, which takes the place of a link too and follows none (rename(2)). */
async function writeNote(folder: LogFolder, name: string, { kept, missing }: LogCut): Promise<void> {
  const aside = `${cutPath(name)}.new`
  await rm(folder.pathOf(aside), { force: true })
  const opened = await folder.file(aside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644)
  if (opened === null) throw new Error('its folder is gone')
  try {
    await opened.file.writeFile(`${kept} ${missing}\n`)
  } finally {
    await opened.file.close()
  }
  await rename(folder.pathOf(aside), folder.pathOf(cutPath(name)))
}
