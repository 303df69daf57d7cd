/** Cuts a log at its limit, and notes beside it what is missing. */
import { cutPath } from '../platform/log-cut.ts'
import { runBriefly } from '../platform/run-briefly.ts'

export interface LogCutOrder {
  keptBytes: number
  /** Of the file as it was seen. */
  size: number
  /** The task has ended: the log itself is to say it too. */
  isLast: boolean
}

const deadlineMs = 5_000

/**
 * `sh -c <this> sh LOG NOTE KEPT SIZE LAST`: notes what is missing, then cuts. Where the disk takes no note, what is
 * cut makes the room for it. With LAST, the log's own last line says it too. Prints how many bytes are missing.
 */
const cutScript = `
old=0
[ -f "$2" ] && read -r kept old < "$2"
missing=$((old + $4 - $3))
note() { printf '%s %s\\n' "$3" "$missing" > "$2.new" && mv -f "$2.new" "$2"; }
note "$@" 2>/dev/null || { truncate -s "$3" "$1"; note "$@"; } || exit
truncate -s "$3" "$1" || exit
[ -z "$5" ] || printf '\\n[hakuriver] cut at the limit: at least %s bytes are missing here\\n' "$missing" >> "$1"
echo "$missing"
`

/** By a program, as none of our own threads may wait for a shared directory. @returns how many bytes are missing */
export async function cutLog(path: string, { keptBytes, size, isLast }: LogCutOrder): Promise<number> {
  const kept = String(keptBytes)
  const over = String(Math.max(size, keptBytes))
  const words = ['sh', '-c', cutScript, 'sh', path, cutPath(path), kept, over, isLast ? 'last' : '']
  const { code, stdout, stderr, isLate } = await runBriefly(words, deadlineMs)
  if (code !== 0) throw new Error(`cannot cut ${path}: ${isLate ? 'no answer' : stderr.trim()}`)
  return Number(stdout)
}
