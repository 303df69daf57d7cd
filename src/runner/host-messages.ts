/**
 * Reads what the host sends over the link. Written by hand against `protocol/link.ts` (its types are the
 * result's), because the schemas' validator alone would take twice the memory that a runner may.
 */
import { AppError } from '../core/errors.ts'
import type { FromHost } from '../protocol/link.ts'
import { type LogStream, logStreams } from '../protocol/routes.ts'

type Fields = Record<string, unknown>

/** @throws AppError `invalid_request` for what is no message of the host */
export function readFromHost(text: string): FromHost {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new AppError('invalid_request', 'the host sent something that is no JSON')
  }
  const message = record(value, 'message')
  switch (message.type) {
    case 'welcome':
      return {
        type: 'welcome',
        version: integer(message, 'version'),
        heartbeatMs: positive(message, 'heartbeatMs'),
        ...ifThere(message, 'leaseMs'),
        ...ifThere(message, 'usageMs'),
        ...flagIfThere(message, 'logViews'),
        ...flagIfThere(message, 'secrets'),
      }
    case 'heard':
      return { type: 'heard', beat: integer(message, 'beat') }
    case 'renew':
      return { type: 'renew' }
    case 'refused':
      return {
        type: 'refused',
        code: string(message, 'code'),
        message: string(message, 'message'),
        retry: flag(message, 'retry'),
      }
    case 'start':
      return {
        type: 'start',
        ...attemptOf(message),
        batchId: id(message, 'batchId'),
        spec: specOf(record(message.spec, 'spec')),
        numaId: orNull(message, 'numaId', natural),
        ...(message.owner === undefined ? {} : { owner: string(message, 'owner') }),
        ...(message.secrets === undefined ? {} : { secrets: variables(record(message.secrets, 'secrets')) }),
      }
    case 'kill':
      return { type: 'kill', ...attemptOf(message) }
    case 'ack':
      return { type: 'ack', seq: integer(message, 'seq') }
    case 'log_read':
      return {
        type: 'log_read',
        ...logOf(message),
        offset: natural(message, 'offset'),
        limit: positive(message, 'limit'),
        waitMs: natural(message, 'waitMs'),
      }
    case 'log_lines':
      return { type: 'log_lines', ...logOf(message), query: linesOf(record(message.query, 'query')) }
    case 'log_search':
      return { type: 'log_search', ...logOf(message), query: searchOf(record(message.query, 'query')) }
    case 'log_cancel':
      return { type: 'log_cancel', requestId: integer(message, 'requestId') }
    default:
      throw new AppError(
        'invalid_request',
        `the host sent an unknown message: ${JSON.stringify(message.type)}`,
      )
  }
}

function specOf(spec: Fields): Extract<FromHost, { type: 'start' }>['spec'] {
  return {
    command: string(spec, 'command'),
    arguments: strings(spec, 'arguments'),
    env: variables(record(spec.env, 'env')),
    cwd: orNull(spec, 'cwd', string),
    name: orNull(spec, 'name', string),
    cores: positive(spec, 'cores'),
    memoryBytes: orNull(spec, 'memoryBytes', positive),
    timeoutMs: orNull(spec, 'timeoutMs', positive),
    privateNetwork: flag(spec, 'privateNetwork'),
    privatePids: flag(spec, 'privatePids'),
    queue: flag(spec, 'queue'),
    ...ifThere(spec, 'requeue'),
  }
}

function attemptOf(message: Fields): { taskId: string; attempt: number } {
  return { taskId: id(message, 'taskId'), attempt: positive(message, 'attempt') }
}

function logOf(message: Fields) {
  return { requestId: integer(message, 'requestId'), ...attemptOf(message), stream: streamOf(message) }
}

function linesOf(query: Fields): Extract<FromHost, { type: 'log_lines' }>['query'] {
  return {
    ...ifThere(query, 'from'),
    ...ifThere(query, 'offset'),
    ...flagIfThere(query, 'tail'),
    ...ifThere(query, 'count'),
    ...ifThere(query, 'waitMs'),
    ...ifThere(query, 'seen'),
  }
}

function searchOf(query: Fields): Extract<FromHost, { type: 'log_search' }>['query'] {
  return {
    q: string(query, 'q'),
    ...flagIfThere(query, 'matchCase'),
    ...ifThere(query, 'offset'),
    ...ifThere(query, 'limit'),
  }
}

function streamOf(message: Fields): LogStream {
  const stream = logStreams.find((candidate) => candidate === message.stream)
  return stream ?? wrong('stream', 'stdout or stderr')
}

function record(value: unknown, name: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  return wrong(name, 'an object')
}

function string(fields: Fields, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : wrong(name, 'a text')
}

function strings(fields: Fields, name: string): string[] {
  const value = fields[name]
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
    ? value
    : wrong(name, 'a list of texts')
}

function variables(fields: Fields): Record<string, string> {
  return Object.fromEntries(Object.keys(fields).map((name) => [name, string(fields, name)]))
}

function id(fields: Fields, name: string): string {
  const value = string(fields, name)
  return /^\d{1,16}$/.test(value) ? value : wrong(name, 'an id')
}

function integer(fields: Fields, name: string): number {
  const value = fields[name]
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : wrong(name, 'a whole number')
}

function natural(fields: Fields, name: string): number {
  const value = integer(fields, name)
  return value >= 0 ? value : wrong(name, 'a whole number from 0 on')
}

function positive(fields: Fields, name: string): number {
  const value = integer(fields, name)
  return value >= 1 ? value : wrong(name, 'a whole number from 1 on')
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name]
  return typeof value === 'boolean' ? value : wrong(name, 'true or false')
}

function orNull<T>(fields: Fields, name: string, read: (fields: Fields, name: string) => T): T | null {
  return fields[name] === null ? null : read(fields, name)
}

/** A whole number that may be left out. */
function ifThere<N extends string>(fields: Fields, name: N): { [name in N]?: number } {
  return fields[name] === undefined ? {} : ({ [name]: natural(fields, name) } as { [name in N]?: number }) // that key alone
}

function flagIfThere<N extends string>(fields: Fields, name: N): { [name in N]?: boolean } {
  return fields[name] === undefined ? {} : ({ [name]: flag(fields, name) } as { [name in N]?: boolean }) // that key alone
}

function wrong(name: string, wanted: string): never {
  throw new AppError('invalid_request', `the host sent a message whose "${name}" is not ${wanted}`)
}
