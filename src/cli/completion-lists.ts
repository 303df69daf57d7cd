/** What can be completed of what the cluster has: its nodes, tasks and batches, each with a word about it. */
import { lackingForTarget } from '../core/numa.ts'
import { finalStatuses, isFinal, statuses } from '../core/task.ts'
import { cut, printable } from '../core/text.ts'
import { type Candidate, matching, type Question } from '../platform/completion.ts'
import type { Io } from '../platform/io.ts'
import type { BatchView, NodeView, TaskView } from '../protocol/schemas.ts'
import { countsText } from './commands/batch.ts'
import { findHost } from './host-address.ts'
import { commandLine } from './output/text.ts'
import { createHost, type Host } from './transport.ts'

/** More than a person looks through. */
const listed = 50
const aboutLength = 60
/** What the cluster tells is put on a command line: nothing that a shell would read as more than a word. */
const harmless = /^[A-Za-z0-9._:-]+$/

/** All of the asked kind that begin with what has been typed. @throws what the host's absence throws */
export async function listCandidates(question: Question, io: Io): Promise<Candidate[]> {
  const { kind, typed } = question
  switch (kind) {
    case 'status':
      return statusesAfter(typed)
    case 'variable':
      return matching(Object.keys(io.env).map(bare), typed)
    case 'target':
      return fitting(
        [
          { value: 'any', about: 'wherever there is room' },
          ...(await nodes(question, io)).flatMap(targetsOf),
        ],
        typed,
      )
    case 'node':
      return fitting((await nodes(question, io)).map(aboutNode), typed)
    case 'task':
      return fitting(await tasks(await hostOf(question, io), {}), typed)
    case 'tasks':
      return openTasks(await hostOf(question, io), typed)
    case 'ended':
      return endedTasks(await hostOf(question, io), typed)
    case 'batch':
      return fitting(await batches(await hostOf(question, io)), typed)
    case 'user':
      return fitting(await users(await hostOf(question, io)), typed)
    case 'token':
      return fitting(await tokens(await hostOf(question, io)), typed)
    default:
      return []
  }
}

/** The last of a list with commas. */
function statusesAfter(typed: string): Candidate[] {
  const before = typed.slice(0, typed.lastIndexOf(',') + 1)
  const named = before.split(',')
  return matching(
    statuses.filter((status) => !named.includes(status)).map((status) => bare(before + status)),
    typed,
  )
}

/** The host that the command itself would talk to. */
async function hostOf({ given }: Question, io: Io): Promise<Host> {
  const options = {
    host: given.host,
    config: given.config,
    tokenFile: given['token-file'],
    caFile: given['ca-file'],
  }
  return createHost(await findHost(options, io), io.now)
}

async function nodes(question: Question, io: Io): Promise<NodeView[]> {
  return (await (await hostOf(question, io)).client.listNodes({})).items
}

function aboutNode(node: NodeView): Candidate {
  const about =
    node.status === 'online' ? `${node.cores - node.coresAllocated} of ${node.cores} cores free` : node.status
  return { value: node.name, about }
}

function targetsOf(node: NodeView): Candidate[] {
  const free = node.cores - node.coresAllocated
  const numaNodes = node.numaNodes
    .filter((numaNode) => lackingForTarget(numaNode) === null)
    .map(({ id, cpus, coresFree }) => ({
      value: `${node.name}:${id}`,
      about: `NUMA node, ${Math.min(coresFree, free)} of ${cpus.length} cores free`,
    }))
  return [aboutNode(node), ...numaNodes]
}

interface Filter {
  status?: TaskView['status'][]
}

/** The newest first, behind `last`. */
async function tasks(host: Host, filter: Filter): Promise<Candidate[]> {
  const { items } = await host.client.listTasks({ query: { ...filter, limit: listed } })
  const [newest] = items
  if (newest === undefined) return []
  return [
    { value: 'last', about: `the newest: ${aboutTask(newest)}` },
    ...items.map((task) => ({ value: task.id, about: aboutTask(task) })),
  ]
}

/** For what ends or awaits tasks: those that have not ended; others where what has been typed is none of those. */
async function openTasks(host: Host, typed: string): Promise<Candidate[]> {
  if (typed.startsWith('batch:')) return batchWords(host, typed)
  const open = fitting(await tasks(host, { status: statuses.filter((status) => !isFinal(status)) }), typed)
  const some = open.length > 0 ? open : fitting(await tasks(host, {}), typed)
  return [...some, ...fitting([{ value: 'batch:last', about: 'all tasks of the newest submit' }], typed)]
}

/** For what runs tasks again. */
async function endedTasks(host: Host, typed: string): Promise<Candidate[]> {
  if (typed.startsWith('batch:')) return batchWords(host, typed)
  const ended = fitting(await tasks(host, { status: [...finalStatuses] }), typed)
  return [
    ...ended,
    ...fitting([{ value: 'batch:last', about: 'what has ended of the newest submit' }], typed),
  ]
}

async function batchWords(host: Host, typed: string): Promise<Candidate[]> {
  const all = await batches(host)
  return fitting(
    all.map(({ value, about }) => ({ value: `batch:${value}`, about })),
    typed,
  )
}

async function batches(host: Host): Promise<Candidate[]> {
  const { items } = await host.client.listBatches({ query: { limit: listed } })
  const [newest] = items
  if (newest === undefined) return []
  return [
    { value: 'last', about: `the newest: ${aboutBatch(newest)}` },
    ...items.map((batch) => ({ value: batch.id, about: aboutBatch(batch) })),
  ]
}

/** For admins; others are told of none. */
async function users({ client }: Host): Promise<Candidate[]> {
  const { items } = await client.listUsers({})
  return items.map(({ name, role, isDisabled }) => ({
    value: name,
    about: isDisabled ? `${role}, disabled` : role,
  }))
}

async function tokens({ client }: Host): Promise<Candidate[]> {
  const { items } = await client.listTokens({ query: {} })
  return items
    .filter(({ revokedAt }) => revokedAt === null)
    .map(({ id, label, kind }) => ({
      value: id,
      about: cut(`${kind === 'browser' ? 'browser: ' : ''}${printable(label)}`, aboutLength),
    }))
}

function aboutTask(task: TaskView): string {
  return cut(`${task.status}  ${task.name === null ? commandLine(task) : printable(task.name)}`, aboutLength)
}

function aboutBatch(batch: BatchView): string {
  const name = batch.name === null ? '' : `${printable(batch.name)}: `
  return cut(`${name}${countsText(batch, null)}`, aboutLength)
}

function fitting(candidates: Candidate[], typed: string): Candidate[] {
  return matching(candidates, typed).filter(({ value }) => harmless.test(value))
}

function bare(value: string): Candidate {
  return { value, about: '' }
}
