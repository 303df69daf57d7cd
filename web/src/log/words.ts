/** Sentences about a log. Pure. */
import { isFinal } from '../../../src/core/task.ts'
import { cut } from '../../../src/core/text.ts'
import { limits } from '../../../src/protocol/limits.ts'
import type { LogStream } from '../../../src/protocol/routes.ts'
import type { LogMatch, TaskDetail } from '../../../src/protocol/schemas.ts'
import { countOf, formatAge, formatBytes, formatCount, printable } from '../ui/format.ts'
import { outcomeWords } from '../ui/outcome.ts'
import type { LogFeed } from './feed.ts'
import type { LogDoc } from './log-doc.ts'

export const streamNames: Record<LogStream, string> = { stdout: 'Standard output', stderr: 'Standard error' }

/** More of a match says nothing more. */
const farChars = 200

export type FollowState = 'opening' | 'waiting' | 'following' | 'paused' | 'ended' | 'cut'

export function followStateOf(
  { doc, isOpening, isFollowing, cut }: Pick<LogFeed, 'doc' | 'isOpening' | 'isFollowing' | 'cut'>,
  hasStarted: boolean,
): FollowState {
  if (cut !== null) return 'cut'
  if (isOpening) return 'opening'
  if (doc.isEnded) return 'ended'
  if (!hasStarted && doc.size === 0) return 'waiting'
  return isFollowing ? 'following' : 'paused'
}

/** As it is announced and shown. */
export const followWords: Record<FollowState, string> = {
  opening: 'Opening …',
  waiting: 'Waiting for the task to start',
  following: 'Following: new lines appear as they are written',
  paused: 'Paused: new lines are counted, not shown',
  ended: 'Ended: all that it wrote is here',
  cut: 'Cut off: trying again',
}

export const followShort: Record<FollowState, string> = {
  opening: 'Opening …',
  waiting: 'Waiting',
  following: 'Following',
  paused: 'Paused',
  ended: 'Ended',
  cut: 'Cut off',
}

/** "10,000,000 lines, 954 MiB"; about how many, as long as they are not counted. */
export function sizeWords(
  doc: Pick<LogDoc, 'isCounted' | 'total' | 'size' | 'countedBytes' | 'needsCount'>,
): string {
  const { size, total } = doc
  if (doc.isCounted || !doc.needsCount) return `${countOf(total, 'line')}, ${formatBytes(size)}`
  const percent = Math.floor((100 * doc.countedBytes) / Math.max(1, size))
  return `about ${roundCount(total)} lines, counted ${percent} %, ${formatBytes(size)}`
}

/** To two digits: more would change all the time and say nothing. */
function roundCount(count: number): string {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, count))) - 1)
  return formatCount(Math.round(count / unit) * unit)
}

/** Why nothing new comes although the task goes on; null: nothing is in the way. */
export function silenceWords(
  task: Pick<TaskDetail, 'status' | 'node' | 'unreachableSince'>,
  nowMs: number,
): string | null {
  if (task.status !== 'unreachable' || task.unreachableSince === null) return null
  const age = formatAge(nowMs - Date.parse(task.unreachableSince))
  return `Node ${printable(task.node ?? '?')} has been unreachable for ${age}; what it wrote since is not here yet.`
}

/** At the place where a log was cut. */
export function missingWords(bytes: number): string {
  return `Cut here at its limit: at least ${formatBytes(bytes)} that it wrote behind this is missing.`
}

/** At the end of a log. */
export function endWords(task: TaskDetail): string {
  return isFinal(task.status)
    ? `The task has ended: ${outcomeWords(task)}.`
    : 'That is all that it has written so far.'
}

/** "3 of 27", "27 so far, still looking … 43 %"; empty: nothing is sought. */
export function searchWords(
  search: { hits: { length: number }; isLooking: boolean; isFull: boolean; progress: number } | null,
  rank: number | null,
): string {
  if (search === null) return ''
  const { hits, isLooking, isFull, progress } = search
  const looking = isLooking ? `, still looking … ${Math.floor(100 * progress)} %` : ''
  if (hits.length === 0) return isLooking ? `Looking … ${Math.floor(100 * progress)} %` : 'Not found'
  const of = `${formatCount(hits.length)}${isFull ? '+' : ''}`
  if (rank !== null) return `${formatCount(rank)} of ${of}${looking}`
  return isLooking ? `${of} so far${looking}` : `${of} ${hits.length === 1 ? 'line' : 'lines'}`
}

/** Of a match in the part of its line that is not told: what stands around it. null: it can be seen. */
export function farMatchWords(
  match: Pick<LogMatch, 'offset' | 'matchOffset' | 'text'> | null,
): string | null {
  if (match === null || match.matchOffset - match.offset < limits.logLineBytes) return null
  return `Found further on in the line, in what is not shown: ${cut(printable(match.text), farChars)}`
}

/** Of a line that the address names and that is not there; null: it is, or may be. */
export function noSuchLineWords(
  wanted: number | null,
  { isCounted, total, isEnded }: Pick<LogDoc, 'isCounted' | 'total' | 'isEnded'>,
): string | null {
  if (wanted === null || !isCounted || wanted <= total) return null
  return `There is no line ${formatCount(wanted)}${isEnded ? '' : ' yet'}: the log has ${countOf(total, 'line')}.`
}

/** What is to be said of a task that was started more than once. */
export function attemptWords({ attempt }: Pick<TaskDetail, 'attempt'>): string | null {
  if (attempt < 2) return null
  return `This is attempt ${attempt}. What earlier attempts wrote stands before it, where they wrote to the same place.`
}
