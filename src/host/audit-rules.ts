/**
 * What the log of who did what says of each endpoint: ids and a few figures, and never a value that a body brought but
 * roles and switches. An endpoint that is not a GET has to stand here, or this does not compile.
 */
import type { AuditEntry } from '../core/audit.ts'
import type { EndpointName, HostApi, Input, Output } from '../protocol/host-api.ts'
import { streamRoutes } from '../protocol/routes.ts'

type Mutating = { [N in EndpointName]: HostApi[N]['method'] extends 'GET' ? never : N }[EndpointName]
type Details = AuditEntry['details']

interface Rule<N extends EndpointName> {
  /** `answer`: null where it was refused. */
  target: (input: Input<N>, answer: Output<N> | null) => readonly string[]
  details?: (input: Input<N>, answer: Output<N> | null) => Details
  /** Who it turned out to be, where a call begins as nobody's. */
  who?: (answer: Output<N>) => { name: string | null; role: string | null }
}

const ofId = { target: ({ params }: { params: { id: string } }) => [params.id] }
const ofName = { target: ({ params }: { params: { name: string } }) => [params.name] }
const ofNothing = { target: () => [] }

/** null: it changes nothing. */
export const auditRules: { readonly [N in Mutating]: Rule<N> | null } = {
  submitBatch: {
    target: (_, answer) => (answer?.batchId ? [answer.batchId] : []),
    details: ({ body }, answer) => ({
      specs: body.specs.length,
      ...(answer && { tasks: answer.tasks.filter(({ taskId }) => taskId !== null).length }),
      ...(answer && { refused: answer.tasks.filter(({ taskId }) => taskId === null).length }),
    }),
  },
  previewBatch: null,
  killBatch: { ...ofId, details: (_, answer) => (answer === null ? {} : { killed: answer.killed.length }) },
  killTasks: {
    target: ({ body }) => body.ids,
    details: (_, answer) =>
      answer === null ? {} : { killed: answer.items.filter(({ isAsked }) => isAsked).length },
  },
  rerunTasks: {
    target: ({ body }, answer) => [...(answer?.batchId ? [answer.batchId] : []), ...body.ids],
    details: (_, answer) =>
      answer === null
        ? {}
        : { batch: answer.batchId, tasks: answer.items.filter(({ taskId }) => taskId !== null).length },
  },
  killTask: ofId,
  forgetTask: ofId,
  drainNode: ofName,
  resumeNode: ofName,
  removeNode: {
    ...ofName,
    details: ({ body }, answer) => ({
      force: body.force === true,
      ...(answer && { lost: answer.lost.length }),
    }),
  },
  endUnknownTasks: { ...ofName, details: (_, answer) => (answer ? { ended: answer.ended.length } : {}) },
  beginSession: {
    ...ofNothing,
    details: ({ body }) => ({ by: 'token' in body ? 'token' : 'link' }),
    who: ({ name, role }) => ({ name, role }),
  },
  endSession: ofNothing,
  makeLoginLink: ofNothing,
  createUser: { target: ({ body }) => [body.name], details: ({ body }) => ({ role: body.role }) },
  updateUser: {
    ...ofName,
    details: ({ body: { role, isDisabled } }) => ({
      ...(role !== undefined && { role }),
      ...(isDisabled !== undefined && { isDisabled }),
    }),
  },
  inviteUser: {
    ...ofName,
    details: ({ body }) => (body.ttlSeconds === undefined ? {} : { ttlSeconds: body.ttlSeconds }),
  },
  claimLogin: {
    target: (_, answer) => (answer === null ? [] : [answer.user]),
    who: ({ user, role }) => ({ name: user, role }),
  },
  createToken: {
    target: (_, answer) => (answer === null ? [] : [answer.id]),
    details: ({ body }, answer) =>
      answer === null
        ? { ...(body.role !== undefined && { role: body.role }) }
        : { user: answer.user, role: answer.role, expiresAt: answer.expiresAt },
  },
  revokeToken: ofId,
  makeJoinTokens: {
    target: ({ body }) => (body.node === undefined ? [] : [body.node]),
    details: ({ body: { count, ttlSeconds } }) => ({
      count: count ?? 1,
      ...(ttlSeconds !== undefined && { ttlSeconds }),
    }),
  },
  joinCluster: {
    target: ({ body }) => [body.node],
    details: (_, answer) => (answer === null ? {} : { nodeId: answer.nodeId }),
    who: ({ node }) => ({ name: `node ${node}`, role: null }),
  },
  renewCertificate: { target: (_, answer) => (answer === null ? [] : [answer.node]) },
  revokeNode: ofName,
  rotateAuthority: ofNothing,
  finishAuthority: { ...ofNothing, details: ({ body }) => ({ force: body.force === true }) },
  checkSharedFile: null,
}

/** How a route stands in that log. */
export interface AuditedAs {
  /** Each call is a row; null: it changes nothing. */
  audit?: string | null
  /** It shows what only a task's owner sees: somebody else's first look at it is a row. */
  auditRead?: string
}

export function auditOfEndpoint(name: EndpointName): AuditedAs {
  if (name === 'getTask') return { auditRead: 'readEnvironment' }
  if (name === 'readLogLines' || name === 'searchLog') return { auditRead: 'readLog' }
  if (!isMutating(name)) return {}
  return { audit: auditRules[name] === null ? null : name }
}

/** Of routes that answer with a stream. */
export function auditOfStream(path: string): AuditedAs {
  if (path === streamRoutes.backup.path) return { audit: 'readBackup' }
  return path === streamRoutes.taskLog.path ? { auditRead: 'readLog' } : {}
}

export function isMutating(name: EndpointName): name is Mutating {
  return Object.hasOwn(auditRules, name)
}
