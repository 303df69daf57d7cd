/** What can go wrong in a simulated cluster: the words that a fault script is written in. */
import fc from 'fast-check'

/** `node` is a number from 0 that is taken modulo the number of nodes. Times are virtual milliseconds. */
export type Fault =
  /** kill -9 of the host; `calls`: in the middle of what it does, at so many further calls of store, clock or network. */
  | { kind: 'host_crash'; atMs: number; downMs: number; calls: number }
  /** SIGTERM of the host, and another one after that: also an upgrade. */
  | { kind: 'host_restart'; atMs: number; downMs: number }
  | { kind: 'host_stall'; atMs: number; forMs: number }
  | { kind: 'host_disk_full'; atMs: number; forMs: number }
  | { kind: 'host_disk_slow'; atMs: number; forMs: number; latencyMs: number }
  | { kind: 'host_clock'; atMs: number; byMs: number }
  | { kind: 'runner_crash'; atMs: number; node: number; downMs: number; calls: number }
  | { kind: 'runner_restart'; atMs: number; node: number; downMs: number }
  | { kind: 'runner_stall'; atMs: number; node: number; forMs: number }
  | { kind: 'node_disk_full'; atMs: number; node: number; forMs: number }
  | { kind: 'node_clock'; atMs: number; node: number; byMs: number }
  /** Power off, and on again; `isWiped`: with an empty disk. */
  | { kind: 'node_power'; atMs: number; node: number; downMs: number; isWiped: boolean }
  | { kind: 'cut'; atMs: number; node: number; forMs: number; way: 'both' | 'to_host' | 'to_node' }
  | { kind: 'flap'; atMs: number; node: number; times: number; everyMs: number }
  | { kind: 'reset'; atMs: number; node: number }
  | { kind: 'clog'; atMs: number; node: number; forMs: number; latencyMs: number }

/** One run of a cluster, wholly described: the same scenario takes the same course. */
export interface Scenario {
  /** Of the work and of all delays. */
  seed: number
  nodes: number
  tasks: number
  faults: Fault[]
}

/** Time in which faults begin. */
export const faultyMs = 120_000

const atMs = fc.integer({ min: 0, max: faultyMs })
const node = fc.nat({ max: 3 })
const shortMs = fc.integer({ min: 1, max: 3_000 })
/** About the time in which a node becomes unreachable, and beyond. */
const longMs = fc.integer({ min: 10, max: 40_000 })
const downMs = fc.oneof(shortMs, longMs)
const calls = fc.oneof(fc.constant(0), fc.nat({ max: 60 }))
const byMs = fc.oneof(
  fc.integer({ min: -3_600_000, max: 3_600_000 }),
  fc.integer({ min: -10_000, max: 10_000 }),
)

const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ kind: fc.constant('host_crash' as const), atMs, downMs, calls }),
  fc.record({ kind: fc.constant('host_restart' as const), atMs, downMs: shortMs }),
  fc.record({ kind: fc.constant('host_stall' as const), atMs, forMs: downMs }),
  fc.record({ kind: fc.constant('host_disk_full' as const), atMs, forMs: longMs }),
  fc.record({
    kind: fc.constant('host_disk_slow' as const),
    atMs,
    forMs: longMs,
    latencyMs: fc.integer({ min: 50, max: 6_000 }),
  }),
  fc.record({ kind: fc.constant('host_clock' as const), atMs, byMs }),
  fc.record({ kind: fc.constant('runner_crash' as const), atMs, node, downMs, calls }),
  fc.record({ kind: fc.constant('runner_crash' as const), atMs, node, downMs: shortMs, calls }),
  fc.record({ kind: fc.constant('runner_restart' as const), atMs, node, downMs: shortMs }),
  fc.record({ kind: fc.constant('runner_stall' as const), atMs, node, forMs: downMs }),
  fc.record({ kind: fc.constant('node_disk_full' as const), atMs, node, forMs: longMs }),
  fc.record({ kind: fc.constant('node_clock' as const), atMs, node, byMs }),
  fc.record({ kind: fc.constant('node_power' as const), atMs, node, downMs, isWiped: fc.constant(false) }),
  fc.record({ kind: fc.constant('node_power' as const), atMs, node, downMs, isWiped: fc.boolean() }),
  fc.record({
    kind: fc.constant('cut' as const),
    atMs,
    node,
    forMs: downMs,
    way: fc.constantFrom('both' as const, 'to_host' as const, 'to_node' as const),
  }),
  fc.record({
    kind: fc.constant('flap' as const),
    atMs,
    node,
    times: fc.integer({ min: 2, max: 12 }),
    everyMs: fc.integer({ min: 50, max: 6_000 }),
  }),
  fc.record({ kind: fc.constant('reset' as const), atMs, node }),
  fc.record({
    kind: fc.constant('clog' as const),
    atMs,
    node,
    forMs: longMs,
    latencyMs: fc.integer({ min: 20, max: 15_000 }),
  }),
)

/** Scenarios with so many tasks each, and faults of these kinds only; none named: of all. */
export function scenarios(tasks: number, ...kinds: Fault['kind'][]): fc.Arbitrary<Scenario> {
  const wanted = kinds.length === 0 ? fault : fault.filter(({ kind }) => kinds.includes(kind))
  return fc.record({
    seed: fc.integer({ min: 0, max: 0x7fffffff }),
    nodes: fc.integer({ min: 1, max: 4 }),
    tasks: fc.constant(tasks),
    faults: fc.array(wanted, { maxLength: 24, size: 'max' }),
  })
}
