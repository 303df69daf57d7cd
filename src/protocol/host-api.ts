/** The native API's one contract: route, who may call it, and the schemas of what goes in and comes out. */
import { type Static, type TSchema, Type } from 'typebox'
import { checkNamePattern, routes } from './routes.ts'
import {
  BatchView,
  ClusterEvent,
  HostCheck,
  Id,
  NodeView,
  Page,
  SharedFileCheck,
  StatusSchema,
  SubmitBody,
  SubmitResult,
  TaskDetail,
  TaskView,
} from './schemas.ts'

/**
 * What a caller must be allowed to do. `public` needs no token; `check` is also for who holds only a join token.
 * The roles that map to these come later.
 */
export type Access = 'public' | 'check' | 'view' | 'submit' | 'operate' | 'admin'

interface Endpoint {
  method: 'GET' | 'POST'
  path: string
  summary: string
  access: Access
  status: number
  params?: TSchema
  query?: TSchema
  body?: TSchema
  result: TSchema
}

const closed = { additionalProperties: false } as const
const IdParams = Type.Object({ id: Id }, closed)
const NameParams = Type.Object({ name: Type.String({ maxLength: 255 }) }, closed)
const PageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  cursor: Type.Optional(Type.String({ maxLength: 100 })),
}
const KillBody = Type.Object({ reason: Type.Optional(Type.String({ maxLength: 500 })) }, closed)

export const hostApi = {
  health: {
    ...routes.health,
    summary: 'Is the process alive?',
    access: 'public',
    status: 200,
    result: Type.Object({ ok: Type.Boolean() }, closed),
  },
  ready: {
    ...routes.ready,
    summary: 'Can it take work?',
    access: 'public',
    status: 200,
    result: Type.Object({ ok: Type.Boolean() }, closed),
  },
  submitBatch: {
    ...routes.submitBatch,
    summary: 'Submit every spec on every target; each is answered for by itself',
    access: 'submit',
    status: 201,
    body: SubmitBody,
    result: SubmitResult,
  },
  listBatches: {
    ...routes.listBatches,
    summary: 'Batches, newest first',
    access: 'view',
    status: 200,
    query: Type.Object(PageQuery, closed),
    result: Page(BatchView),
  },
  getBatch: {
    ...routes.getBatch,
    summary: 'One batch with its counts by status',
    access: 'view',
    status: 200,
    params: IdParams,
    result: BatchView,
  },
  killBatch: {
    ...routes.killBatch,
    summary: 'Ask for the end of every task of a batch that has not ended',
    access: 'submit',
    status: 202,
    params: IdParams,
    body: KillBody,
    result: Type.Object({ killed: Type.Array(Id), alreadyEnded: Type.Array(Id) }, closed),
  },
  listTasks: {
    ...routes.listTasks,
    summary: 'Tasks, newest first',
    access: 'view',
    status: 200,
    query: Type.Object(
      {
        ...PageQuery,
        status: Type.Optional(Type.Array(StatusSchema)),
        node: Type.Optional(Type.String({ maxLength: 255 })),
        batchId: Type.Optional(Id),
      },
      closed,
    ),
    result: Page(TaskView),
  },
  getTask: {
    ...routes.getTask,
    summary: 'One task, with the reason why it waits or failed',
    access: 'view',
    status: 200,
    params: IdParams,
    result: TaskDetail,
  },
  listTaskEvents: {
    ...routes.listTaskEvents,
    summary: 'The history of a task, oldest first',
    access: 'view',
    status: 200,
    params: IdParams,
    result: Type.Object({ items: Type.Array(ClusterEvent) }, closed),
  },
  killTask: {
    ...routes.killTask,
    summary: 'Ask for the end of a task; it is `killing` until nothing of it is left',
    access: 'submit',
    status: 202,
    params: IdParams,
    body: KillBody,
    result: TaskDetail,
  },
  listNodes: {
    ...routes.listNodes,
    summary: 'All nodes by name',
    access: 'view',
    status: 200,
    result: Type.Object({ items: Type.Array(NodeView) }, closed),
  },
  getNode: {
    ...routes.getNode,
    summary: 'One node with its NUMA nodes and load',
    access: 'view',
    status: 200,
    params: NameParams,
    result: NodeView,
  },
  listNodeEvents: {
    ...routes.listNodeEvents,
    summary: 'The last thousand events of a node, oldest first',
    access: 'view',
    status: 200,
    params: NameParams,
    result: Type.Object({ items: Type.Array(ClusterEvent) }, closed),
  },
  drainNode: {
    ...routes.drainNode,
    summary: 'Place nothing new on a node; what runs there goes on',
    access: 'operate',
    status: 200,
    params: NameParams,
    body: KillBody,
    result: NodeView,
  },
  resumeNode: {
    ...routes.resumeNode,
    summary: 'Take a drain back',
    access: 'operate',
    status: 200,
    params: NameParams,
    body: Type.Object({}, closed),
    result: NodeView,
  },
  endUnknownTasks: {
    ...routes.endUnknownTasks,
    summary: 'End what runs on a node and this host does not know, as after the restore of an old backup',
    access: 'operate',
    status: 200,
    params: NameParams,
    body: Type.Object({}, closed),
    result: Type.Object({ ended: Type.Array(Id) }, closed),
  },
  removeNode: {
    ...routes.removeNode,
    summary: 'Forget a node that does not come back; with `force` its tasks are lost',
    access: 'operate',
    status: 200,
    params: NameParams,
    body: Type.Object({ force: Type.Optional(Type.Boolean()) }, closed),
    result: Type.Object({ removed: Type.String(), lost: Type.Array(Id) }, closed),
  },
  forgetTask: {
    ...routes.forgetTask,
    summary: "The operator's word that a task of a silent node is lost",
    access: 'operate',
    status: 200,
    params: IdParams,
    body: KillBody,
    result: TaskDetail,
  },
  checkHost: {
    ...routes.checkHost,
    summary: 'For a machine that checks itself: version and time of the host, and what it knows of a node',
    access: 'check',
    status: 200,
    query: Type.Object({ node: Type.Optional(Type.String({ maxLength: 255 })) }, closed),
    result: HostCheck,
  },
  checkSharedFile: {
    ...routes.checkSharedFile,
    summary: 'Does the host see a file that was written to the shared directory elsewhere?',
    access: 'check',
    status: 200,
    body: Type.Object({ name: Type.String({ pattern: checkNamePattern }) }, closed),
    result: SharedFileCheck,
  },
} as const satisfies Record<string, Endpoint>

export type HostApi = typeof hostApi
export type EndpointName = keyof HostApi

type Part<E, K extends string> = E extends { [P in K]: infer S extends TSchema } ? Static<S> : undefined

/** What an endpoint takes: path parameters, query and body, `undefined` where it has none. */
export interface Input<N extends EndpointName> {
  params: Part<HostApi[N], 'params'>
  query: Part<HostApi[N], 'query'>
  body: Part<HostApi[N], 'body'>
}
export type Output<N extends EndpointName> = Static<HostApi[N]['result']>

/** One function per endpoint: a missing one does not compile. */
export type Handlers<Context> = {
  [N in EndpointName]: (input: Input<N>, context: Context) => Promise<Output<N>>
}
