/** The original's submit: its body as ours, and our answer as its. */

import type { Ledger } from '../../core/capacity.ts'
import { AppError } from '../../core/errors.ts'
import { shortageOf } from '../../core/fit.ts'
import type { Needs } from '../../core/free-index.ts'
import { isNodeName, numaIdOf, parseTarget } from '../../core/target.ts'
import { refuseReason } from '../../core/waiting.ts'
import { SubmitBody, type SubmitResult } from '../../protocol/schemas.ts'
import { checkerOf } from '../request-check.ts'
import { LaxBody } from './lax-body.ts'

/** What a task may use where its submit says nothing of memory: clients of the original count on it. */
const defaultMemoryBytes = 1_000_000_000
const targetPattern = /^[a-zA-Z0-9.-]+(:[0-9]+)?$/

/** A submit in our words. `spec` is what each target is asked for, `failed` the targets that no node can have. */
export interface SeedSubmit {
  /** null: no target is left. */
  body: SubmitBody | null
  spec: Needs
  failed: FailedTarget[]
}

export interface FailedTarget {
  target: string
  reason: string
}

/** @throws LaxError; AppError `invalid_request` where the native API takes less than the original */
export function readSubmit(text: string): SeedSubmit {
  const body = new LaxBody(text)
  const spec = {
    command: body.text('command'),
    arguments: body.texts('arguments'),
    env: body.variables('env_vars'),
    cores: body.count('required_cores', 1),
    memoryBytes: body.countOrNull('required_memory_bytes', defaultMemoryBytes),
    privateNetwork: body.flag('use_private_network', false),
    privatePids: body.flag('use_private_pid', false),
    queue: body.flag('queue', true),
  }
  if (body.has('command') && spec.command === '') {
    const msg = 'String should have at least 1 character'
    body.wrong('string_too_short', ['command'], msg, '', { min_length: 1 })
  }
  const given = body.textsOrNull('targets') ?? []
  const odd = given.find((target) => !targetPattern.test(target))
  if (odd !== undefined) {
    const msg = `Value error, Invalid target format: '${odd}'. Use 'hostname' or 'hostname:numa_id'.`
    body.wrong('value_error', ['targets'], msg, given, { error: {} })
  }
  body.done()
  const failed = given.flatMap((target) => unreadableTarget(target) ?? [])
  const targets = given.filter((target) => unreadableTarget(target) === null)
  if (given.length > 0 && targets.length === 0) return { body: null, spec, failed }
  const ours: SubmitBody = { specs: [spec], ...(targets.length > 0 && { targets }) }
  checkBody(ours)
  return { body: ours, spec, failed }
}

const checkBody = checkerOf('body', SubmitBody)

/** A target that the original's pattern lets through and that can name nothing of ours; null for all others. */
function unreadableTarget(target: string): FailedTarget | null {
  try {
    parseTarget(target)
    return null
  } catch {
    const isNode = isNodeName(target.split(':')[0] ?? '')
    return { target, reason: isNode ? 'Invalid NUMA ID format' : 'Node not registered' }
  }
}

/** What was answered for each target: also where nothing was made, which our submit tells as an error. */
export async function outcomesOf(answer: Promise<SubmitResult>): Promise<SubmitResult['tasks']> {
  try {
    return (await answer).tasks
  } catch (error) {
    // made by `Submits` in the shape of its result
    const tasks = error instanceof AppError && (error.details?.tasks as SubmitResult['tasks'] | undefined)
    if (!tasks) throw error
    return tasks
  }
}

/** The answer where at least one task was made. */
export function submitAnswer(ids: readonly string[], failed: readonly FailedTarget[]) {
  if (failed.length === 0)
    return { message: `Task batch submitted successfully. ${ids.length} tasks created.`, task_ids: ids }
  const message = `Task batch submitted. ${ids.length} tasks created. Some targets failed.`
  return { message, task_ids: ids, failed_targets: failed }
}

/** The `detail` where no target could take it. */
export function allFailedDetail(failed: readonly FailedTarget[]): string {
  const failures = failed.map(
    ({ target, reason }) => `{'target': ${pythonText(target)}, 'reason': ${pythonText(reason)}}`,
  )
  return `Failed to schedule task for any target. Failures: [${failures.join(', ')}]`
}

/** The targets that were refused, with the reason in the original's words where it had some. */
export function failedTargets(outcomes: SubmitResult['tasks'], spec: Needs, ledger: Ledger): FailedTarget[] {
  return outcomes.flatMap(({ target, error }) =>
    error === null ? [] : [{ target, reason: seedReason(target, spec, ledger) ?? error.message }],
  )
}

const tooFewCores = 'Insufficient available cores'

/** The original's words for the refusals that it knew; null for the others. */
function seedReason(text: string, spec: Needs, ledger: Ledger): string | null {
  const target = parseTarget(text)
  if (target.kind === 'any') return null
  const node = ledger.nodeOf(target.node)
  if (node === null) return 'Node not registered'
  const numaId = numaIdOf(target)
  const ids = node.capacity.numaNodes.map(({ id }) => id)
  if (numaId !== null && ids.length === 0) return 'Node has no NUMA topology'
  if (numaId !== null && !ids.includes(numaId)) return `Invalid NUMA ID for node (Valid: [${ids.join(', ')}])`
  if (refuseReason(spec, target, ledger) !== null)
    return refuseReason({ ...spec, cores: 1 }, target, ledger) === null ? tooFewCores : null
  // it may not wait
  if (node.status !== 'online') return 'Node status is offline'
  const account = ledger.freeOf(target.node)
  return account !== null && shortageOf(account, numaId, spec)?.what === 'cores' ? tooFewCores : null
}

/** As Python writes a text in a list (its `repr`), so that what reads it there still can. */
function pythonText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escaped = text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote
}
