/** What `hakuriver.client` does: one of its flags names a command of `hakuriver`; without any it submits. */
import { AppError } from '../../core/errors.ts'
import type { Context } from '../context.ts'

export interface ClientOptions {
  target: string[]
  /** null: not given, which is 1. */
  cores: number | null
  /** Bytes; null: no limit. */
  memory: number | null
  env: string[]
  privateNetwork: boolean
  privatePid: boolean
  allOrNothing: boolean
  wait: boolean
  listNodes: boolean
  /** true: all nodes. */
  health?: string | true
  status: string | null
  kill: string | null
}

/** Runs the one thing that is asked for. @throws AppError `invalid_request` where it is two things, or none */
export async function client(words: string[], options: ClientOptions, context: Context): Promise<number> {
  const asked = askedFor(options)
  const [flag, other] = asked
  if (flag === undefined) return submitAs(words, options, context)
  if (other !== undefined) throw new AppError('invalid_request', `${flag} and ${other} exclude each other`)
  if (words.length > 0) {
    throw new AppError('invalid_request', `${flag} and a command to submit exclude each other`, {
      details: { fix: 'Run hakuriver.client twice.' },
    })
  }
  const [idle] = ofSubmit(options)
  // --kill can wait as well
  if (idle !== undefined && !(idle === '--wait' && flag === '--kill')) throw noMeaning(idle, flag)
  return look(options, context)
}

function noMeaning(option: string, flag: string): AppError {
  const fix =
    option === '--wait' && flag === '--status'
      ? 'To wait for a task: hakuriver wait ID'
      : option === '--target' && flag === '--health'
        ? 'Name the node itself: hakuriver.client --health node1'
        : `Leave ${option} out.`
  return new AppError('invalid_request', `${option} is for a submit, and ${flag} submits nothing`, {
    details: { fix },
  })
}

/** The options that were given and mean something for a submit alone. */
function ofSubmit(options: ClientOptions): string[] {
  const { target, cores, memory, env, privateNetwork, privatePid, allOrNothing, wait } = options
  return [
    ...(target.length > 0 ? ['--target'] : []),
    ...(cores === null ? [] : ['--cores']),
    ...(memory === null ? [] : ['--memory']),
    ...(env.length > 0 ? ['--env'] : []),
    ...(privateNetwork ? ['--private-network'] : []),
    ...(privatePid ? ['--private-pid'] : []),
    ...(allOrNothing ? ['--all-or-nothing'] : []),
    ...(wait ? ['--wait'] : []),
  ]
}

function askedFor({ listNodes, health, status, kill }: ClientOptions): string[] {
  return [
    ...(listNodes ? ['--list-nodes'] : []),
    ...(health === undefined ? [] : ['--health']),
    ...(status === null ? [] : ['--status']),
    ...(kill === null ? [] : ['--kill']),
  ]
}

async function look({ health, status, kill, wait }: ClientOptions, context: Context): Promise<number> {
  if (status !== null) return (await import('./show.ts')).show(status, context)
  if (kill !== null) {
    const options = { batch: [], reason: null, wait, quiet: false }
    return (await import('./kill.ts')).kill([kill], options, context)
  }
  if (health === undefined) return (await import('./nodes.ts')).nodes({ quiet: false }, context)
  const { node, everyNode } = await import('./node.ts')
  return health === true ? everyNode(context) : node(health, context)
}

async function submitAs(words: string[], options: ClientOptions, context: Context): Promise<number> {
  if (words.length === 0) {
    throw new AppError('invalid_request', 'there is no command to submit', {
      details: { fix: 'Write it after --, like: hakuriver.client --target node1 -- echo hello' },
    })
  }
  const { submit } = await import('./submit.ts')
  const rest = {
    envFile: [],
    secret: [],
    secretFile: [],
    cwd: null,
    name: null,
    timeout: null,
    queue: true,
    requeue: null,
    follow: false,
    quiet: false,
  }
  return submit(words, { ...options, ...rest, cores: options.cores ?? 1, exitStatus: 'own' }, context)
}
