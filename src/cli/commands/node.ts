/** `hakuriver node NAME`: one machine with its NUMA nodes and its tasks. */
import { exitCodes } from '../../core/errors.ts'
import { formatCpuList } from '../../core/numa.ts'
import { heldStatuses } from '../../core/task.ts'
import { printable } from '../../core/text.ts'
import { formatBytes } from '../../core/units.ts'
import { type Cell, type Column, renderTable } from '../../platform/table.ts'
import type { NodeView, TaskView } from '../../protocol/schemas.ts'
import type { Context } from '../context.ts'
import { ago, bytesOrDash } from '../output/text.ts'
import { nodeStatus } from './nodes.ts'
import { taskTable } from './ps.ts'

/** Prints one node; as JSON the node alone. */
export async function node(name: string, context: Context): Promise<number> {
  const host = await context.host()
  const view = await host.client.getNode({ params: { name } })
  if (context.json) {
    await context.printJson(view)
    return exitCodes.ok
  }
  const held = await host.client.listTasks({ query: { node: name, status: [...heldStatuses], limit: 100 } })
  const { stdout } = context.io
  const width = stdout.isTty ? stdout.size().columns : null
  await context.print(nodePage(view, held.items, host.now(), width, context))
  return exitCodes.ok
}

/** Prints every node; as JSON the list of them. */
export async function everyNode(context: Context): Promise<number> {
  const host = await context.host()
  const { items } = await host.client.listNodes({})
  if (context.json) {
    await context.printJson({ items })
    return exitCodes.ok
  }
  const held = await host.client.listTasks({ query: { status: [...heldStatuses], limit: 1000 } })
  const { stdout } = context.io
  const width = stdout.isTty ? stdout.size().columns : null
  const pages = items.map((view) => {
    const tasks = held.items.filter((task) => task.node === view.name)
    return nodePage(view, tasks, host.now(), width, context).join('\n')
  })
  if (pages.length === 0) await context.note('No node has joined yet.')
  else await context.print(pages.join('\n\n'))
  return exitCodes.ok
}

function nodePage(
  view: NodeView,
  tasks: TaskView[],
  nowMs: number,
  width: number | null,
  context: Context,
): string[] {
  const { colors } = context
  const paint = view.status === 'online' && view.problem === null ? colors.green : colors.yellow
  const row = (key: string, value: string) => `  ${colors.dim(key.padEnd(9))}  ${value}`
  const features = Object.entries(view.executor.features).flatMap(([name, works]) =>
    works ? (featureNames[name] ?? name) : [],
  )
  return [
    `${colors.bold(printable(view.name))}  ${paint(nodeStatus(view, nowMs))}`,
    ...(view.problem === null ? [] : [row('problem', colors.yellow(printable(view.problem)))]),
    row(
      'cores',
      `${view.coresAllocated} of ${view.cores} taken${view.cpuPercent === null ? '' : `; ${Math.round(view.cpuPercent)} % busy`}`,
    ),
    row('memory', memoryText(view)),
    row('executor', `${view.executor.name}: ${printable(view.executor.why)}`),
    ...(view.unknownTasks.length === 0 ? [] : [row('unknown', colors.yellow(strangersText(view)))]),
    row(
      'limits',
      view.executor.enforcesLimits
        ? 'enforced'
        : colors.yellow('not enforced: a task can take more than it asked for'),
    ),
    row('can', features.length === 0 ? 'no sandbox, no NUMA binding' : features.join(', ')),
    row('runner', `${printable(view.runnerVersion)}, last heard ${ago(view.lastSeenAt, nowMs)}`),
    ...numaTable(view, width, context),
    '',
    ...(tasks.length === 0 ? ['No task holds a part of it.'] : taskTable(tasks, nowMs, width, context)),
  ]
}

const featureNames: Record<string, string> = {
  privateNetwork: 'private network',
  privatePids: 'private PIDs',
  numa: 'NUMA binding',
  lease: 'tasks of --requeue',
}

function memoryText(view: NodeView): string {
  const used = view.memoryUsedBytes === null ? '' : `; ${formatBytes(view.memoryUsedBytes)} in use`
  return `${formatBytes(view.memoryAllocatedBytes)} of ${formatBytes(view.memoryBytes)} taken${used}`
}

const numaColumns: Column[] = [
  { title: 'NUMA NODE', shrinkTo: 9, keepEnd: true },
  { title: 'CORES', align: 'right' },
  { title: 'MEMORY', align: 'right', dropOrder: 2 },
  { title: 'FREE', align: 'right', dropOrder: 1 },
  { title: 'BUSY', align: 'right', dropOrder: 4 },
  { title: 'CPUS', shrinkTo: 4 },
  { title: 'DISTANCES', dropOrder: 3 },
]

function numaTable(view: NodeView, width: number | null, context: Context): string[] {
  if (view.numaNodes.length === 0) return []
  const columns = view.numaNodes.length === 1 ? numaColumns.slice(0, -1) : numaColumns
  const rows = view.numaNodes.map((numaNode): Cell[] => [
    { text: `${printable(view.name)}:${numaNode.id}` },
    { text: `${numaNode.coresAllocated}/${numaNode.cpus.length}` },
    { text: `${formatBytes(numaNode.memoryAllocatedBytes)}/${bytesOrDash(numaNode.memoryBytes)}` },
    { text: `${numaNode.coresFree}, ${bytesOrDash(numaNode.memoryFreeBytes)}` },
    { text: numaNode.cpuPercent === null ? '-' : `${Math.round(numaNode.cpuPercent)} %` },
    { text: numaNode.cpus.length === 0 ? '-' : formatCpuList(numaNode.cpus) },
    { text: distancesText(view, numaNode) },
  ])
  return ['', ...renderTable(columns, rows, { width, paintTitle: context.colors.dim })]
}

/** A row of the matrix of distances: to the NUMA nodes in the order of the table's rows. */
function distancesText({ numaNodes }: NodeView, from: NodeView['numaNodes'][number]): string {
  const figures = numaNodes.map(({ id }) => String(from.distances[id] ?? '-'))
  const all = numaNodes.flatMap(({ distances }) => Object.values(distances))
  const width = Math.max(1, ...all.map((distance) => String(distance).length))
  return figures.map((figure) => figure.padStart(width)).join(' ')
}

/** What runs there and the host does not know. */
function strangersText({ name, unknownTasks }: NodeView): string {
  const ids = unknownTasks.slice(0, 5).map(({ taskId }) => taskId)
  const more = unknownTasks.length - ids.length
  const names = more > 0 ? `${ids.join(', ')} and ${more} more` : ids.join(', ')
  return `holds ${unknownTasks.length === 1 ? 'task' : 'tasks'} ${names}, which this host does not know: left alone (end: hakuriver node end-unknown ${printable(name)})`
}
