/** `hakuriver nodes`: the machines, what they have, what is taken, and whether they can be heard. */
import { exitCodes } from '../../core/errors.ts'
import { formatCpuList } from '../../core/numa.ts'
import { printable } from '../../core/text.ts'
import { formatBytes, formatDuration } from '../../core/units.ts'
import { type Cell, type Column, renderTable } from '../../platform/table.ts'
import type { NodeView } from '../../protocol/schemas.ts'
import type { Colors, Context } from '../context.ts'

/** Lists all nodes by name. */
export async function nodes(options: { quiet: boolean }, context: Context): Promise<number> {
  const host = await context.host()
  const { items } = await host.client.listNodes({})
  if (context.json) await context.printJson({ items })
  else if (options.quiet) await context.print(items.map((node) => node.name))
  else if (items.length === 0) {
    await context.note(
      `No node has joined yet. ${host.address.url.startsWith('https:') ? 'To invite machines: hakuriver join-token' : 'On a machine that shall run tasks: hakuriver runner --help'}`,
    )
  } else {
    const { stdout } = context.io
    await context.print(
      nodeTable(items, host.now(), stdout.isTty ? stdout.size().columns : null, context.colors),
    )
    await context.print(
      [...problemNotes(items), ...weakNotes(items)].map((line) => context.colors.yellow(line)),
    )
  }
  return exitCodes.ok
}

const columns: Column[] = [
  { title: 'NODE', shrinkTo: 12 },
  { title: 'STATUS', shrinkTo: 11 },
  { title: 'CORES', align: 'right' },
  { title: 'MEMORY', align: 'right', dropOrder: 1 },
  { title: 'LOAD', align: 'right', dropOrder: 2 },
  { title: 'TASKS', align: 'right', dropOrder: 3 },
  { title: 'NUMA', align: 'right', dropOrder: 5 },
  { title: 'EXECUTOR', dropOrder: 4 },
]

/** The table of nodes; `width` null: nothing is cut. */
export function nodeTable(items: NodeView[], nowMs: number, width: number | null, colors: Colors): string[] {
  const rows = items.map((node): Cell[] => [
    { text: printable(node.name) },
    {
      text: nodeStatus(node, nowMs),
      paint: node.status === 'online' && node.problem === null ? colors.green : colors.yellow,
    },
    { text: `${node.coresAllocated}/${node.cores}` },
    { text: `${formatBytes(node.memoryAllocatedBytes)}/${formatBytes(node.memoryBytes)}` },
    { text: node.status === 'online' ? loadText(node) : '-' },
    { text: String(node.tasksRunning) },
    { text: numaText(node) },
    { text: `${node.executor.name}${node.executor.enforcesLimits ? '' : ' (no limits)'}` },
  ])
  return renderTable(columns, rows, { width, paintTitle: colors.dim })
}

/** "online", that it takes no new tasks, or how long it has been silent. */
export function nodeStatus(node: NodeView, nowMs: number): string {
  if (node.status === 'online') return node.problem === null ? 'online' : 'no new tasks'
  return `unreachable ${formatDuration(Math.max(0, nowMs - Date.parse(node.lastSeenAt)))}`
}

/** Which NUMA nodes, of how many cores: "0-1 × 8", or "0,2,8: 8+8+0" where they are not alike. */
function numaText({ numaNodes }: NodeView): string {
  if (numaNodes.length === 0) return '-'
  const ids = formatCpuList(numaNodes.map(({ id }) => id))
  const cores = numaNodes.map(({ cpus }) => cpus.length)
  if (cores.length === 1) return ids
  return cores.every((count) => count === cores[0]) ? `${ids} × ${cores[0]}` : `${ids}: ${cores.join('+')}`
}

function loadText(node: NodeView): string {
  return node.cpuPercent === null ? '-' : `${Math.round(node.cpuPercent)} %`
}

function problemNotes(items: NodeView[]): string[] {
  return items.flatMap(({ name, problem }) =>
    problem === null ? [] : [`${printable(name)} takes no new tasks: ${printable(problem)}.`],
  )
}

function weakNotes(items: NodeView[]): string[] {
  const weak = items.filter((node) => !node.executor.enforcesLimits).map((node) => printable(node.name))
  if (weak.length === 0) return []
  const which = weak.length <= 3 ? weak.join(', ') : `${weak.length} nodes`
  return [
    `Limits are not enforced on ${which}: cores and memory are counted there, but a task can take more.`,
  ]
}
