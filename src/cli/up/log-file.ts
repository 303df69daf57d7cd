/** The files that the children of `up` write to. */
import { fstatSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { printable } from '../../core/text.ts'

const largestLogBytes = 10 * 1024 * 1024
const tailLines = 3
/** The parts of an uncaught error that say least: its stack, its fields, the version of Node. */
const stackLine = /^(\s|[{}]$|node:|Node\.js v)/

export interface LogFile {
  path: string
  fd: number
  /** Where this run begins in it. */
  from: number
}

/** Opens a log to be appended to. A large one is put aside first, as `<name>.1`, in the place of an older one. */
export function openLog(path: string): LogFile {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > largestLogBytes) renameSync(path, `${path}.1`)
  const fd = openSync(path, 'a', 0o600)
  return { path, fd, from: fstatSync(fd).size }
}

/** What was written to it since it was opened. */
export function writtenSince({ path, from }: Pick<LogFile, 'path' | 'from'>): string {
  return readFileSync(path).subarray(from).toString()
}

/** Its last lines as a person reads them: what the program said at its end, else of each entry its sentence. */
export function lastLines(log: LogFile): string[] {
  const lines = writtenSince(log)
    .split('\n')
    .filter((line) => line !== '' && !stackLine.test(line))
  const last = lines.filter((line) => line.startsWith('hakuriver ')).slice(-1)
  return (last.length > 0 ? last : lines.slice(-tailLines)).map((line) => printable(sentenceOf(line)))
}

function sentenceOf(line: string): string {
  try {
    const entry: unknown = JSON.parse(line)
    if (typeof entry !== 'object' || entry === null || !('msg' in entry)) return line
    return 'error' in entry ? `${entry.msg}: ${entry.error}` : String(entry.msg)
  } catch {
    return line
  }
}
