/**
 * What a runner may ask of the launcher, one JSON text in a line: ids, an owner, what to run, and bounds. No path of
 * ours, no property of a unit, no local user and no id of one is in it: those the launcher knows by itself. Closed:
 * what is not named here is refused.
 */
import { AppError } from '../../core/errors.ts'
import { isUserName } from '../../core/roles.ts'
import type { TaskSpec } from '../../core/task.ts'
import { limits } from '../../protocol/limits.ts'
import { type LogStream, logStreams } from '../../protocol/routes.ts'

/** Why a runner that is not root has the systemd executor. */
export const throughLauncher = 'systemd is here, through the launcher'
/** Raised by one on a breaking change: launcher and runner are of one installation, but not always started anew at once. */
export const launcherVersion = 1
/** The longest line: a command, its arguments and environment, each byte of which JSON may write as six. */
export const requestBytes = 8 * 1024 * 1024
/** Requests that are being carried out at a time; behind them the launcher stops reading. */
export const pendingRequests = 256

export interface AttemptId {
  taskId: number
  attempt: number
}

export type Request =
  | { op: 'open'; version: number }
  | ({
      op: 'start'
      owner: string
      numaId: number | null
      spec: TaskSpec
      extraEnv: Record<string, string>
      /** Variables that only the task sees: they are kept nowhere but in its start script. */
      secrets?: Record<string, string>
    } & AttemptId)
  | ({ op: 'recover' | 'left' | 'collect' } & AttemptId)
  | ({ op: 'kill'; graceMs: number } & AttemptId)
  | { op: 'usage'; attempts: AttemptId[] }
  | { op: 'list' }
  | { op: 'arm'; deadlineMs: number }
  | { op: 'cut'; taskId: number; stream: LogStream; isLast: boolean }

/** A request with its number, which the answer bears. */
export type Numbered = { n: number; request: Request }

type Fields = Record<string, unknown>

const tenYearsMs = 10 * 365 * 86_400_000
const longestGraceMs = 600_000
const mostVariables = 10_000

/** @throws AppError `invalid_request` that names what is wrong */
export function readRequest(text: string): Numbered {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw wrong('the request', 'JSON')
  }
  const fields = record(value, 'the request')
  const n = integer(fields, 'n', 0, Number.MAX_SAFE_INTEGER)
  return { n, request: requestOf(fields) }
}

function requestOf(fields: Fields): Request {
  const { op } = fields
  switch (op) {
    case 'open':
      only(fields, 'version')
      return { op, version: integer(fields, 'version', 1, 1_000_000) }
    case 'start':
      only(fields, 'taskId', 'attempt', 'owner', 'numaId', 'spec', 'extraEnv', 'secrets')
      return {
        op,
        ...attemptOf(fields),
        owner: ownerOf(fields),
        numaId: orNull(fields, 'numaId', 0, 4_095),
        spec: specOf(record(fields.spec, 'spec')),
        extraEnv: variables(fields, 'extraEnv'),
        ...(fields.secrets !== undefined && { secrets: variables(fields, 'secrets') }),
      }
    case 'recover':
    case 'left':
    case 'collect':
      only(fields, 'taskId', 'attempt')
      return { op, ...attemptOf(fields) }
    case 'kill':
      only(fields, 'taskId', 'attempt', 'graceMs')
      return { op, ...attemptOf(fields), graceMs: integer(fields, 'graceMs', 0, longestGraceMs) }
    case 'usage':
      only(fields, 'attempts')
      return { op, attempts: attemptsOf(fields.attempts) }
    case 'list':
      only(fields)
      return { op }
    case 'arm':
      only(fields, 'deadlineMs')
      return { op, deadlineMs: integer(fields, 'deadlineMs', 0, tenYearsMs) }
    case 'cut':
      only(fields, 'taskId', 'stream', 'isLast')
      return {
        op,
        taskId: integer(fields, 'taskId', 0, Number.MAX_SAFE_INTEGER),
        stream: streamOf(fields),
        isLast: flag(fields, 'isLast'),
      }
    default:
      throw wrong('op', 'one of the known')
  }
}

/** The name of a unit holds so many digits (`core/unit-name.ts`). */
function attemptOf(fields: Fields): AttemptId {
  return {
    taskId: integer(fields, 'taskId', 0, Number.MAX_SAFE_INTEGER),
    attempt: integer(fields, 'attempt', 1, 999_999_999),
  }
}

function attemptsOf(value: unknown): AttemptId[] {
  if (!Array.isArray(value) || value.length > limits.usageItems)
    throw wrong('attempts', 'a list that is not too long')
  return value.map((each) => {
    const fields = record(each, 'attempts')
    if (Object.keys(fields).length !== 2) throw wrong('attempts', 'a list of ids')
    return attemptOf(fields)
  })
}

function ownerOf(fields: Fields): string {
  const owner = string(fields, 'owner')
  if (!isUserName(owner)) throw wrong('owner', 'the name of a user')
  return owner
}

/** The rest of a task's words is checked as at a submit (`core/carry.ts`). */
function specOf(fields: Fields): TaskSpec {
  const names = [
    'command',
    'arguments',
    'env',
    'cwd',
    'cores',
    'memoryBytes',
    'timeoutMs',
    'privateNetwork',
    'privatePids',
  ]
  const unknown = Object.keys(fields).find((name) => !names.includes(name) && name !== 'requeue')
  if (unknown !== undefined) throw wrong('spec', 'without what is not known')
  return {
    command: string(fields, 'command'),
    arguments: strings(fields, 'arguments'),
    env: variables(fields, 'env'),
    cwd: fields.cwd === null ? null : string(fields, 'cwd'),
    name: null,
    cores: integer(fields, 'cores', 1, 100_000),
    memoryBytes: orNull(fields, 'memoryBytes', 1, Number.MAX_SAFE_INTEGER),
    timeoutMs: orNull(fields, 'timeoutMs', 1, tenYearsMs),
    privateNetwork: flag(fields, 'privateNetwork'),
    privatePids: flag(fields, 'privatePids'),
    queue: false,
    ...(fields.requeue === undefined ? {} : { requeue: integer(fields, 'requeue', 0, 1_000_000) }),
  }
}

function streamOf(fields: Fields): LogStream {
  const stream = logStreams.find((each) => each === fields.stream)
  if (stream === undefined) throw wrong('stream', 'stdout or stderr')
  return stream
}

function variables(fields: Fields, name: string): Record<string, string> {
  const found = record(fields[name], name)
  const entries = Object.entries(found)
  if (entries.length > mostVariables)
    throw wrong(name, 'of so many variables that a program can be given them')
  for (const [, value] of entries) if (typeof value !== 'string') throw wrong(name, 'texts by their names')
  return found as Record<string, string> // as checked
}

function only(fields: Fields, ...names: string[]): void {
  const unknown = Object.keys(fields).find((name) => name !== 'n' && name !== 'op' && !names.includes(name))
  if (unknown !== undefined) throw wrong('the request', 'without what is not known')
}

function record(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(name, 'an object')
  return value as Fields
}

function string(fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string') throw wrong(name, 'a text')
  return value
}

function strings(fields: Fields, name: string): string[] {
  const value = fields[name]
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
    throw wrong(name, 'a list of texts')
  return value
}

function integer(fields: Fields, name: string, min: number, max: number): number {
  const value = fields[name]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
    throw wrong(name, `a whole number from ${min} to ${max}`)
  return value
}

function orNull(fields: Fields, name: string, min: number, max: number): number | null {
  return fields[name] === null ? null : integer(fields, name, min, max)
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name]
  if (typeof value !== 'boolean') throw wrong(name, 'true or false')
  return value
}

/** What was sent stands in no message: it may be long, and secret. */
function wrong(name: string, wanted: string): AppError {
  return new AppError(
    'invalid_request',
    `the launcher was asked for something whose "${name}" is not ${wanted}`,
  )
}
