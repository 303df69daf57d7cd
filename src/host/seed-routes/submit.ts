/** The original's submit: its body as ours, and our answer as its. */

import type { Ledger } from '../../core/capacity.ts'
import type { AppError } from '../../core/errors.ts'
import { parseTarget } from '../../core/target.ts'
import type { SubmitBody, SubmitResult } from '../../protocol/schemas.ts'
import { LaxBody } from './lax-body.ts'

/** What a task may use where its submit says nothing of memory: clients of the original count on it. */
const defaultMemoryBytes = 1_000_000_000
const targetPattern = /^[a-zA-Z0-9.-]+(:[0-9]+)?$/

/** @throws LaxError */
export function readSubmit(text: string): SubmitBody {
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
  const targets = body.textsOrNull('targets') ?? []
  for (const target of targets) {
    if (targetPattern.test(target)) continue
    const msg = `Value error, Invalid target format: '${target}'. Use 'hostname' or 'hostname:numa_id'.`
    body.wrong('value_error', ['targets'], msg, targets, { error: {} })
    break
  }
  body.done()
  return { specs: [spec], ...(targets.length > 0 && { targets }) }
}

export interface SeedSubmitAnswer {
  message: string
  task_ids: string[]
  failed_targets?: FailedTarget[]
}

interface FailedTarget {
  target: string
  reason: string
}

/** The answer to a submit of which at least one task was made. */
export function submitAnswer({ tasks }: SubmitResult, ledger: Ledger): SeedSubmitAnswer {
  const ids = tasks.flatMap(({ taskId }) => taskId ?? [])
  const failed = failedTargets(tasks, ledger)
  if (failed.length === 0)
    return { message: `Task batch submitted successfully. ${ids.length} tasks created.`, task_ids: ids }
  const message = `Task batch submitted. ${ids.length} tasks created. Some targets failed.`
  return { message, task_ids: ids, failed_targets: failed }
}

/** The `detail` where no target could take it; null for an error of another kind. */
export function allFailedDetail(error: AppError, ledger: Ledger): string | null {
  // made by `Submits` in the shape of its result
  const outcomes = error.details?.tasks as SubmitResult['tasks'] | undefined
  if (error.code !== 'unsatisfiable' || outcomes === undefined) return null
  const failures = failedTargets(outcomes, ledger).map(
    ({ target, reason }) => `{'target': ${pythonText(target)}, 'reason': ${pythonText(reason)}}`,
  )
  return `Failed to schedule task for any target. Failures: [${failures.join(', ')}]`
}

function failedTargets(outcomes: SubmitResult['tasks'], ledger: Ledger): FailedTarget[] {
  return outcomes.flatMap(({ target, error }) =>
    error === null ? [] : [{ target, reason: seedReason(target, ledger) ?? error.message }],
  )
}

/** The original's words for the refusals that it knew; null for the others. */
function seedReason(text: string, ledger: Ledger): string | null {
  const target = parseTarget(text)
  if (target.kind === 'any') return null
  const node = ledger.nodeOf(target.node)
  if (node === null) return 'Node not registered'
  if (target.kind === 'node') return null
  const ids = node.capacity.numaNodes.map(({ id }) => id)
  if (ids.length === 0) return 'Node has no NUMA topology'
  return ids.includes(target.numaId) ? null : `Invalid NUMA ID for node (Valid: [${ids.join(', ')}])`
}

/** As Python writes a text in a list (its `repr`), so that what reads it there still can. */
function pythonText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escaped = text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote
}
