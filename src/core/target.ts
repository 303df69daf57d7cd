/** What a user may aim at, and what the host chose. */
import { AppError } from './errors.ts'

/** What the user asked for: any node, a node, or one NUMA node of a node. */
export type Target =
  | { kind: 'any' }
  | { kind: 'node'; node: string }
  | { kind: 'numa'; node: string; numaId: number }

/** What the host chose. `numaId` null: the task may use the whole node. */
export interface Placement {
  node: string
  numaId: number | null
}

/** A host name (RFC 1123, section 2.1): labels of letters, digits and inner hyphens, between dots. */
const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?'
const nodeName = new RegExp(`^(?=.{1,253}$)${label}(?:\\.${label})*$`)

/** Is this a name that a node can have? `any` is none: nobody could aim at that node. */
export function isNodeName(text: string): boolean {
  return text !== 'any' && nodeName.test(text)
}

/**
 * Reads `any`, `node` or `node:numaId`.
 * @throws AppError `invalid_request` with what to write instead.
 */
export function parseTarget(text: string): Target {
  if (text === 'any') return { kind: 'any' }
  const colon = text.indexOf(':')
  const node = colon < 0 ? text : text.slice(0, colon)
  if (!isNodeName(node)) throw badTarget(text, `"${node}" is not a host name`)
  if (colon < 0) return { kind: 'node', node }
  const numa = text.slice(colon + 1)
  if (!/^\d{1,4}$/.test(numa)) throw badTarget(text, `"${numa}" is not the number of a NUMA node`)
  return { kind: 'numa', node, numaId: Number(numa) }
}

/** The NUMA node that was asked for; null: none. */
export function numaIdOf(target: Target): number | null {
  return target.kind === 'numa' ? target.numaId : null
}

/** The text that `parseTarget` reads. */
export function formatTarget(target: Target): string {
  switch (target.kind) {
    case 'any':
      return 'any'
    case 'node':
      return target.node
    case 'numa':
      return `${target.node}:${target.numaId}`
  }
}

/** `node` or `node:numaId`. */
export function formatPlacement(placement: Placement): string {
  return placement.numaId === null ? placement.node : `${placement.node}:${placement.numaId}`
}

function badTarget(text: string, why: string): AppError {
  return new AppError(
    'invalid_request',
    `cannot read the target "${text}": ${why}; write any, a node ("node1") or a node and its NUMA node ("node1:0")`,
  )
}
