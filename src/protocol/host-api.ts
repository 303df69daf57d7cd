/** The native API's one contract: route, who may call it, and the schemas of what goes in and comes out. */
import { type Static, type TSchema, Type } from 'typebox'
import { historyRanges, taskSorts } from './choices.ts'
import { limits } from './limits.ts'
import { checkNamePattern, logStreams, routes } from './routes.ts'
import {
  AuditPage,
  AuthorityState,
  BatchTarget,
  BatchView,
  ClusterEvent,
  Counts,
  History,
  HostCheck,
  Id,
  Invitation,
  JoinInvitation,
  KillOutcome,
  Label,
  LoginLink,
  LogLines,
  LogSearch,
  Me,
  NodeCertificate,
  NodeHistories,
  NodeView,
  Overview,
  Page,
  PreviewResult,
  RerunOutcome,
  RoleSchema,
  SessionView,
  SharedFileCheck,
  StatusSchema,
  SubmitBody,
  SubmitResult,
  TaskDetail,
  TaskPage,
  TaskUsage,
  TokenView,
  UserName,
  UserView,
} from './schemas.ts'

/**
 * What a caller must be allowed to do (`core/roles.ts`). `public` needs no token; `node` needs the certificate of a node
 * and nothing else will do; `check` is also for nodes, by certificate or join token. Whose a task is counts beside it:
 * see `protocol/access-table.ts`.
 */
export type Access = 'public' | 'node' | 'check' | 'view' | 'submit' | 'operate' | 'admin'

interface Endpoint {
  method: 'GET' | 'POST'
  path: string
  summary: string
  access: Access
  status: number
  params?: TSchema
  query?: TSchema
  body?: TSchema
  /** Bytes of the body; left out: `limits.bodyBytes`. */
  bodyBytes?: number
  result: TSchema
}

const closed = { additionalProperties: false } as const
const IdParams = Type.Object({ id: Id }, closed)
const UserParams = Type.Object({ name: UserName }, closed)
const NameParams = Type.Object({ name: Type.String({ maxLength: 255 }) }, closed)
const PageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  cursor: Type.Optional(Type.String({ maxLength: 100 })),
}
const TaskFilterQuery = {
  status: Type.Optional(Type.Array(StatusSchema)),
  node: Type.Optional(Type.String({ maxLength: 255 })),
  batchId: Type.Optional(Id),
  owner: Type.Optional(UserName),
  q: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: limits.searchChars,
      description: 'a part of the name, the command line or the id, in any case',
    }),
  ),
}
const RangeQuery = { range: Type.Optional(Type.Enum([...historyRanges])) }
const LogParams = Type.Object({ id: Id, stream: Type.Enum([...logStreams]) }, closed)
const CertificateRequest = Type.String({
  minLength: 1,
  maxLength: 8_000,
  description: 'PEM of PKCS #10; its key is of ECDSA on P-256. Nothing else in it is believed',
})
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
    query: Type.Object({ ...PageQuery, owner: TaskFilterQuery.owner }, closed),
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
  previewBatch: {
    ...routes.previewBatch,
    summary:
      'What a submit would do now: what starts where, what waits and why, what is refused. Nothing is made',
    access: 'submit',
    status: 200,
    body: SubmitBody,
    result: PreviewResult,
  },
  listBatchTargets: {
    ...routes.listBatchTargets,
    summary: 'Tasks of a batch by target and status',
    access: 'view',
    status: 200,
    params: IdParams,
    result: Type.Object({ items: Type.Array(BatchTarget) }, closed),
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
        ...TaskFilterQuery,
        sort: Type.Optional(
          Type.Enum([...taskSorts], {
            description: 'by when it was submitted or ended; the tasks of one batch also by all others',
          }),
        ),
        order: Type.Optional(Type.Enum(['asc', 'desc'])),
      },
      closed,
    ),
    result: TaskPage,
  },
  countTasks: {
    ...routes.countTasks,
    summary: 'Number of tasks in each status',
    access: 'view',
    status: 200,
    query: Type.Object(
      { node: TaskFilterQuery.node, batchId: TaskFilterQuery.batchId, owner: TaskFilterQuery.owner },
      closed,
    ),
    result: Type.Object({ counts: Counts, total: Type.Integer() }, closed),
  },
  listTaskIds: {
    ...routes.listTaskIds,
    summary: `Ids of the tasks that a filter matches, newest first, at most ${limits.bulkTasks}`,
    access: 'view',
    status: 200,
    query: Type.Object(TaskFilterQuery, closed),
    result: Type.Object({ ids: Type.Array(Id), hasMore: Type.Boolean() }, closed),
  },
  killTasks: {
    ...routes.killTasks,
    summary: 'Ask for the end of many tasks; each is answered for by itself',
    access: 'submit',
    status: 202,
    body: Type.Object(
      {
        ids: Type.Array(Id, { minItems: 1, maxItems: limits.bulkTasks }),
        reason: Type.Optional(Type.String({ maxLength: 500 })),
      },
      closed,
    ),
    result: Type.Object({ items: Type.Array(KillOutcome) }, closed),
  },
  rerunTasks: {
    ...routes.rerunTasks,
    summary: 'Run tasks again: one new batch of the same specs on the same targets',
    access: 'submit',
    status: 201,
    body: Type.Object(
      {
        ids: Type.Array(Id, { minItems: 1, maxItems: limits.bulkTasks }),
        submissionId: SubmitBody.properties.submissionId,
        name: SubmitBody.properties.name,
      },
      closed,
    ),
    result: Type.Object({ batchId: Type.Union([Id, Type.Null()]), items: Type.Array(RerunOutcome) }, closed),
  },
  overview: {
    ...routes.overview,
    summary: 'The cluster in a few numbers',
    access: 'view',
    status: 200,
    result: Overview,
  },
  getTaskUsage: {
    ...routes.getTaskUsage,
    summary: 'CPU and memory of a task over time',
    access: 'view',
    status: 200,
    params: IdParams,
    result: TaskUsage,
  },
  listUsage: {
    ...routes.listUsage,
    summary: 'CPU and memory of several tasks over time; of what has no figures nothing is said',
    access: 'view',
    status: 200,
    query: Type.Object({ ids: Type.Array(Id, { minItems: 1, maxItems: limits.usageTasks }) }, closed),
    result: Type.Object({ items: Type.Array(TaskUsage) }, closed),
  },
  readLogLines: {
    ...routes.readLogLines,
    summary:
      'Lines of a log: from a line on, from a byte on, or the last. Without any of these: from the first line on',
    access: 'submit',
    status: 200,
    params: LogParams,
    query: Type.Object(
      {
        from: Type.Optional(
          Type.Integer({
            minimum: 1,
            description:
              'number of the first line. Lines are counted for some two seconds at a time: where that has not come so far, `items` is empty and `countedBytes` less than `size`; ask again',
          }),
        ),
        offset: Type.Optional(
          Type.Integer({
            minimum: 0,
            description: 'byte at which the first line begins, in place of its number',
          }),
        ),
        tail: Type.Optional(Type.Boolean({ description: 'the last lines, whether or not they are counted' })),
        count: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.logLines, default: 200 })),
        waitMs: Type.Optional(
          Type.Integer({
            minimum: 0,
            maximum: 25_000,
            description: 'how long to wait where nothing is there yet',
          }),
        ),
        seen: Type.Optional(
          Type.Integer({
            minimum: 0,
            description:
              'the `size` of the answer before: waits until it is another one, or the task has ended',
          }),
        ),
      },
      closed,
    ),
    result: LogLines,
  },
  searchLog: {
    ...routes.searchLog,
    summary: 'Search through a whole log, a bounded time at a time',
    access: 'submit',
    status: 200,
    params: LogParams,
    query: Type.Object(
      {
        q: Type.String({
          minLength: 1,
          maxLength: limits.searchChars,
          description:
            'literal text within one line. In any case: each letter stands for its capital and its small form, where these are one letter each',
        }),
        matchCase: Type.Optional(Type.Boolean()),
        offset: Type.Optional(Type.Integer({ minimum: 0, description: 'byte to go on from' })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.logMatches, default: 100 })),
      },
      closed,
    ),
    result: LogSearch,
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
  getNodeHistory: {
    ...routes.getNodeHistory,
    summary: 'Load of a node over time',
    access: 'view',
    status: 200,
    params: NameParams,
    query: Type.Object(RangeQuery, closed),
    result: History,
  },
  getHistory: {
    ...routes.getHistory,
    summary: 'Load of the whole cluster over time',
    access: 'view',
    status: 200,
    query: Type.Object(RangeQuery, closed),
    result: History,
  },
  listNodeHistories: {
    ...routes.listNodeHistories,
    summary: 'How busy each node was, in a few steps',
    access: 'view',
    status: 200,
    query: Type.Object(
      {
        ...RangeQuery,
        points: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: 200,
            default: 48,
            description: 'most steps; of thousands of nodes there are fewer',
          }),
        ),
      },
      closed,
    ),
    result: NodeHistories,
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
  getSession: {
    ...routes.getSession,
    summary: 'Who is logged in',
    access: 'public',
    status: 200,
    result: SessionView,
  },
  beginSession: {
    ...routes.beginSession,
    summary: 'Log a browser in, by a token or the code of a login link; the answer sets a cookie',
    access: 'public',
    status: 200,
    body: Type.Union([
      Type.Object({ token: Type.String({ minLength: 1, maxLength: 200 }) }, closed),
      Type.Object({ code: Type.String({ minLength: 1, maxLength: 200 }) }, closed),
    ]),
    result: SessionView,
  },
  endSession: {
    ...routes.endSession,
    summary: 'Log this browser out',
    access: 'public',
    status: 200,
    body: Type.Object({}, closed),
    result: SessionView,
  },
  makeLoginLink: {
    ...routes.makeLoginLink,
    summary: 'A link that logs a browser of the caller in, once',
    access: 'view',
    status: 201,
    body: Type.Object({}, closed),
    result: LoginLink,
  },
  whoAmI: {
    ...routes.whoAmI,
    summary: 'Who calls',
    access: 'view',
    status: 200,
    result: Me,
  },
  listUsers: {
    ...routes.listUsers,
    summary: 'All users by name',
    access: 'admin',
    status: 200,
    result: Type.Object({ items: Type.Array(UserView) }, closed),
  },
  createUser: {
    ...routes.createUser,
    summary: 'A new user, who has no token yet: invite it',
    access: 'admin',
    status: 201,
    body: Type.Object({ name: UserName, role: RoleSchema }, closed),
    result: UserView,
  },
  updateUser: {
    ...routes.updateUser,
    summary: 'Give a user another role, or disable it: what it may not do any more ends within a second',
    access: 'admin',
    status: 200,
    params: UserParams,
    body: Type.Object({ role: Type.Optional(RoleSchema), isDisabled: Type.Optional(Type.Boolean()) }, closed),
    result: UserView,
  },
  inviteUser: {
    ...routes.inviteUser,
    summary: 'A login for a user, good once',
    access: 'admin',
    status: 201,
    params: UserParams,
    body: Type.Object(
      {
        ttlSeconds: Type.Optional(
          Type.Integer({ minimum: 60, maximum: limits.invitationSeconds, default: 3_600 }),
        ),
      },
      closed,
    ),
    result: Invitation,
  },
  claimLogin: {
    ...routes.claimLogin,
    summary: 'Take an API token for the secret of an invitation, once',
    access: 'public',
    status: 200,
    body: Type.Object(
      { secret: Type.String({ minLength: 1, maxLength: 200 }), label: Type.Optional(Label) },
      closed,
    ),
    result: Type.Object(
      {
        token: Type.String(),
        user: Type.String(),
        role: RoleSchema,
        expiresAt: TokenView.properties.expiresAt,
      },
      closed,
    ),
  },
  listTokens: {
    ...routes.listTokens,
    summary: "The caller's tokens and browsers, newest first; an admin asks also for those of others",
    access: 'view',
    status: 200,
    query: Type.Object(
      {
        user: Type.Optional(UserName),
        all: Type.Optional(Type.Boolean({ description: 'of all users' })),
      },
      closed,
    ),
    result: Type.Object({ items: Type.Array(TokenView) }, closed),
  },
  createToken: {
    ...routes.createToken,
    summary: 'A new token, not stronger than the one that makes it; it is shown this once',
    access: 'view',
    status: 201,
    body: Type.Object(
      {
        label: Label,
        role: Type.Optional(RoleSchema),
        expiresInSeconds: Type.Optional(
          Type.Union([Type.Integer({ minimum: 60, maximum: limits.tokenSeconds }), Type.Null()], {
            description: 'null: for ever; left out: 90 days',
          }),
        ),
        user: Type.Optional(UserName),
      },
      closed,
    ),
    result: Type.Object({ token: Type.String(), ...TokenView.properties }, closed),
  },
  revokeToken: {
    ...routes.revokeToken,
    summary: 'End a token or the login of a browser; what goes on by it ends within a second',
    access: 'view',
    status: 200,
    params: IdParams,
    body: Type.Object({}, closed),
    result: TokenView,
  },
  makeJoinTokens: {
    ...routes.makeJoinTokens,
    summary: 'Invitations by which machines may join, one each, once each',
    access: 'admin',
    status: 201,
    body: Type.Object(
      {
        count: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.joinTokens, default: 1 })),
        node: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 255,
            description: 'the only name that it is good for, also where there is such a node already',
          }),
        ),
        ttlSeconds: Type.Optional(
          Type.Integer({ minimum: 1, maximum: limits.joinTokenSeconds, default: 3_600 }),
        ),
      },
      closed,
    ),
    result: Type.Object({ items: Type.Array(JoinInvitation) }, closed),
  },
  joinCluster: {
    ...routes.joinCluster,
    summary: 'Join as a node, by the secret of an invitation: a certificate for the key of the request',
    access: 'public',
    status: 201,
    bodyBytes: limits.joinBytes,
    body: Type.Object(
      {
        secret: Type.String({ minLength: 1, maxLength: 200 }),
        csr: CertificateRequest,
        node: Type.String({ minLength: 1, maxLength: 255 }),
        runnerId: Type.String({ minLength: 1, maxLength: 64 }),
      },
      closed,
    ),
    result: NodeCertificate,
  },
  renewCertificate: {
    ...routes.renewCertificate,
    summary:
      'The certificate of a node anew, for another key; the node is the one whose certificate is shown',
    access: 'node',
    status: 201,
    bodyBytes: limits.joinBytes,
    body: Type.Object({ csr: CertificateRequest }, closed),
    result: NodeCertificate,
  },
  revokeNode: {
    ...routes.revokeNode,
    summary: 'Take the credential of a node back: its link ends at once, and is refused from then on',
    access: 'admin',
    status: 200,
    params: NameParams,
    body: Type.Object({}, closed),
    result: Type.Object({ revoked: Type.String(), wasLinked: Type.Boolean() }, closed),
  },
  getAuthority: {
    ...routes.getAuthority,
    summary: 'The authority for certificates of this cluster, and which nodes have one of it',
    access: 'admin',
    status: 200,
    result: AuthorityState,
  },
  rotateAuthority: {
    ...routes.rotateAuthority,
    summary: 'Begin to change the authority: a second one is trusted too, and nodes get certificates of it',
    access: 'admin',
    status: 200,
    body: Type.Object({}, closed),
    result: AuthorityState,
  },
  finishAuthority: {
    ...routes.finishAuthority,
    summary:
      'End the change: the old authority is trusted no more; with `force` also where that cuts nodes off',
    access: 'admin',
    status: 200,
    body: Type.Object({ force: Type.Optional(Type.Boolean()) }, closed),
    result: AuthorityState,
  },
  listAudit: {
    ...routes.listAudit,
    summary: 'Who did what, newest first',
    access: 'admin',
    status: 200,
    query: Type.Object(
      {
        ...PageQuery,
        user: Type.Optional(Type.String({ maxLength: 200 })),
        action: Type.Optional(Type.String({ maxLength: 200, description: 'name of an endpoint' })),
        target: Type.Optional(
          Type.String({ minLength: 1, maxLength: 200, description: 'an id or a name that it was about' }),
        ),
        since: Type.Optional(Type.String({ maxLength: 40, description: 'ISO 8601' })),
        until: Type.Optional(Type.String({ maxLength: 40, description: 'ISO 8601: up to before it' })),
      },
      closed,
    ),
    result: AuditPage,
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
