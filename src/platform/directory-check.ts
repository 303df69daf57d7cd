/** Looks at a directory as a task would: writes a file there, as the user who will, in a process that may hang. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { checkFilePrefix } from '../protocol/routes.ts'
import { type Mount, mountOf } from './mounts.ts'
import { runBriefly } from './run-briefly.ts'
import { noAnswer } from './wait.ts'

export interface DirectoryFacts {
  path: string
  /** `hung`: its file system did not answer in time. `unknown`: it could not be tried at all. */
  state: 'ok' | 'absent' | 'not_a_directory' | 'no_entry' | 'not_writable' | 'hung' | 'unknown'
  /** What the system said where it is not `ok`. */
  why: string | null
  /** The user as whom it was tried. */
  user: string
  /** Could it be made? Only told where it is absent. */
  canBeMade: boolean
  freeBytes: number | null
  totalBytes: number | null
  mount: Mount | null
}

/** Whoever does the writing. */
export interface As {
  user: string
  /** Words before a command that make it run as that user; none: the user is this process's own. */
  words: readonly string[]
}

export interface DirectoryCheckOptions {
  as: As
  deadlineMs: number
  /** Leaves a file of this name and content there, for somebody else to look at: see `removeCheckFile`. */
  leave?: { name: string; content: string }
}

/** Exit codes of the script, beside 0. */
const states = { 10: 'absent', 11: 'not_a_directory', 12: 'no_entry', 13: 'not_writable' } as const

/**
 * $1 directory, $2 file, $3 its content, $4 `leave` or not. Told: where the directory really is, and its room as
 * df(1) has it in POSIX. A missing directory: can it be made in the nearest that is there? `set -C`: nobody's file
 * is written over, no link followed.
 */
const script = `umask 022
set -C
if [ ! -e "$1" ] && [ ! -L "$1" ]; then
  up=$1
  while [ ! -e "$up" ] && [ "$up" != / ]; do up=$(dirname "$up"); done
  [ -d "$up" ] && [ -w "$up" ] && [ -x "$up" ] && echo free
  exit 10
fi
[ -d "$1" ] || exit 11
cd "$1" || exit 12
pwd -P
df -Pk . 2>/dev/null | tail -n 1
printf %s "$3" > "$2" || { rm -f "$2"; exit 13; }
[ "$4" = leave ] || rm -f "$2" || exit 13`

/** Tries a directory. Never rejects, and never takes longer than the deadline. */
export async function checkDirectory(given: string, options: DirectoryCheckOptions): Promise<DirectoryFacts> {
  const { as, deadlineMs, leave } = options
  const path = resolve(given)
  const name = leave?.name ?? randomUUID()
  const words = [path, checkFilePrefix + name, leave?.content ?? 'check', leave === undefined ? '' : 'leave']
  const ran = await runBriefly([...as.words, '/bin/sh', '-c', script, 'sh', ...words], deadlineMs)
  const lines = ran.stdout.split('\n')
  const realPath = lines[0]?.startsWith('/') ? lines[0] : path
  const facts = {
    path,
    user: as.user,
    why: null,
    canBeMade: lines[0] === 'free',
    mount: mountOf(realPath, mountTable()),
    ...roomOf(lines[1] ?? ''),
  }
  if (ran.isLate) return { ...facts, state: 'hung', why: noAnswer(deadlineMs) }
  if (ran.code === 0) return { ...facts, state: 'ok' }
  const said = ran.startError ?? lastWords(ran.stderr)
  return { ...facts, state: stateOf(ran.code), why: said === '' ? null : said }
}

/** Takes away what `leave` left. */
export async function removeCheckFile(path: string, name: string, as: As, deadlineMs: number): Promise<void> {
  await runBriefly([...as.words, '/bin/rm', '-f', resolve(path, checkFilePrefix + name)], deadlineMs)
}

function stateOf(code: number | null): DirectoryFacts['state'] {
  const known: Record<number, DirectoryFacts['state']> = states
  return code === null ? 'unknown' : (known[code] ?? 'unknown')
}

/** What a shell said at last, without its own name and the place in the script. */
function lastWords(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? ''
  return line.split(': ').at(-1) ?? line
}

/** Room of a file system from a line of `df -Pk`: source, size, used, available, share, mount point. */
function roomOf(line: string): Pick<DirectoryFacts, 'freeBytes' | 'totalBytes'> {
  const match = /\s(\d+)\s+\d+\s+(\d+)\s+\d+%\s/.exec(line)
  if (match === null) return { freeBytes: null, totalBytes: null }
  return { totalBytes: Number(match[1]) * 1024, freeBytes: Number(match[2]) * 1024 }
}

function mountTable(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    // no Linux
    return ''
  }
}
