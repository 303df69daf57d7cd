/** The host's endpoints of logs, with a signal that lets go of a request. */
import { fillPath } from '../../../src/protocol/client.ts'
import type { Input, Output } from '../../../src/protocol/host-api.ts'
import { limits } from '../../../src/protocol/limits.ts'
import { type LogStream, routes, streamRoutes } from '../../../src/protocol/routes.ts'
import { open } from '../api/client.ts'

export type LinesQuery = NonNullable<Input<'readLogLines'>['query']>
export type SearchQuery = NonNullable<Input<'searchLog'>['query']>

/** How long an answer may take beyond the wait that was asked for. */
const deadlineMs = 30_000

/** One output of one task. */
export interface LogName {
  id: string
  stream: LogStream
}

/** @throws AppError; the signal's reason */
export function readLines(
  name: LogName,
  query: LinesQuery,
  signal: AbortSignal,
): Promise<Output<'readLogLines'>> {
  const path = fillPath(routes.readLogLines.path, { params: { ...name }, query })
  return json(path, signal, query.waitMs)
}

/** @throws AppError; the signal's reason */
export function search(name: LogName, query: SearchQuery, signal: AbortSignal): Promise<Output<'searchLog'>> {
  return json(fillPath(routes.searchLog.path, { params: { ...name }, query }), signal)
}

/** Some bytes of a log as text. @throws AppError; the signal's reason */
export async function readText(
  name: LogName,
  offset: number,
  bytes: number,
  signal: AbortSignal,
): Promise<string> {
  const query = { offset, limit: Math.min(bytes, limits.logReadBytes) }
  const path = fillPath(streamRoutes.taskLog.path, { params: { ...name }, query })
  const answer = await open(path, { signal: AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]) })
  return answer.text()
}

/** Where all of a log is given as a file. */
export function downloadPath(name: LogName): string {
  return fillPath(streamRoutes.taskLog.path, { params: { ...name }, query: { download: true } })
}

async function json<T>(path: string, signal: AbortSignal, waitMs = 0): Promise<T> {
  const both = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs + waitMs)])
  return (await open(path, { signal: both })).json() as Promise<T> // our own host's words
}
