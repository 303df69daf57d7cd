/**
 * The note that a log was cut at its limit, in a small file beside the log: who reads the log offers no more than the
 * bytes up to the cut, and says how many are missing.
 */
import { constants } from 'node:fs'
import { AppError } from '../core/errors.ts'
import type { LogFolder } from './log-file.ts'

export interface LogCut {
  /** Bytes of the log that are kept: its first ones. */
  kept: number
  /** At least so many came after them. */
  missing: number
}

export function cutPath(logPath: string): string {
  return `${logPath}.cut`
}

/** Two numbers and a line break; null: it says nothing. */
function parseCut(text: string): LogCut | null {
  const match = /^(\d{1,15}) (\d{1,15})\n$/.exec(text)
  return match === null ? null : { kept: Number(match[1]), missing: Number(match[2]) }
}

/** The longest note. */
const noteBytes = 40

/** null: the log was not cut. What is no ordinary file is no note: we write none such. */
export async function readCut(folder: LogFolder, logName: string): Promise<LogCut | null> {
  const opened = await folder.file(cutPath(logName), constants.O_RDONLY).catch((error: unknown) => {
    if (error instanceof AppError) return null
    throw error
  })
  if (opened === null) return null
  const { file } = opened
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(noteBytes), 0, noteBytes, 0)
    return parseCut(buffer.toString('latin1', 0, bytesRead))
  } finally {
    await file.close()
  }
}
