/**
 * Paths and methods of the native API, without their schemas: the CLI's client loads only this,
 * because building the schemas costs more than a whole CLI call may take.
 */
export const routes = {
  health: { method: 'GET', path: '/healthz' },
  ready: { method: 'GET', path: '/readyz' },
  submitBatch: { method: 'POST', path: '/api/v1/batches' },
  listBatches: { method: 'GET', path: '/api/v1/batches' },
  getBatch: { method: 'GET', path: '/api/v1/batches/:id' },
  previewBatch: { method: 'POST', path: '/api/v1/batches/preview' },
  listBatchTargets: { method: 'GET', path: '/api/v1/batches/:id/targets' },
  killBatch: { method: 'POST', path: '/api/v1/batches/:id/kill' },
  overview: { method: 'GET', path: '/api/v1/overview' },
  listTasks: { method: 'GET', path: '/api/v1/tasks' },
  countTasks: { method: 'GET', path: '/api/v1/tasks/counts' },
  listTaskIds: { method: 'GET', path: '/api/v1/tasks/ids' },
  killTasks: { method: 'POST', path: '/api/v1/tasks/kill' },
  rerunTasks: { method: 'POST', path: '/api/v1/tasks/rerun' },
  getTask: { method: 'GET', path: '/api/v1/tasks/:id' },
  listTaskEvents: { method: 'GET', path: '/api/v1/tasks/:id/events' },
  getTaskUsage: { method: 'GET', path: '/api/v1/tasks/:id/usage' },
  readLogLines: { method: 'GET', path: '/api/v1/tasks/:id/logs/:stream/lines' },
  searchLog: { method: 'GET', path: '/api/v1/tasks/:id/logs/:stream/search' },
  listUsage: { method: 'GET', path: '/api/v1/usage' },
  killTask: { method: 'POST', path: '/api/v1/tasks/:id/kill' },
  listNodes: { method: 'GET', path: '/api/v1/nodes' },
  getNode: { method: 'GET', path: '/api/v1/nodes/:name' },
  listNodeEvents: { method: 'GET', path: '/api/v1/nodes/:name/events' },
  getNodeHistory: { method: 'GET', path: '/api/v1/nodes/:name/history' },
  getHistory: { method: 'GET', path: '/api/v1/history' },
  listNodeHistories: { method: 'GET', path: '/api/v1/history/nodes' },
  drainNode: { method: 'POST', path: '/api/v1/nodes/:name/drain' },
  resumeNode: { method: 'POST', path: '/api/v1/nodes/:name/resume' },
  removeNode: { method: 'POST', path: '/api/v1/nodes/:name/remove' },
  endUnknownTasks: { method: 'POST', path: '/api/v1/nodes/:name/end-unknown' },
  forgetTask: { method: 'POST', path: '/api/v1/tasks/:id/forget' },
  getSession: { method: 'GET', path: '/api/v1/session' },
  beginSession: { method: 'POST', path: '/api/v1/session' },
  endSession: { method: 'POST', path: '/api/v1/session/end' },
  makeLoginLink: { method: 'POST', path: '/api/v1/login-links' },
  whoAmI: { method: 'GET', path: '/api/v1/me' },
  listUsers: { method: 'GET', path: '/api/v1/users' },
  createUser: { method: 'POST', path: '/api/v1/users' },
  updateUser: { method: 'POST', path: '/api/v1/users/:name' },
  inviteUser: { method: 'POST', path: '/api/v1/users/:name/invitations' },
  claimLogin: { method: 'POST', path: '/api/v1/login' },
  listTokens: { method: 'GET', path: '/api/v1/tokens' },
  createToken: { method: 'POST', path: '/api/v1/tokens' },
  revokeToken: { method: 'POST', path: '/api/v1/tokens/:id/revoke' },
  makeJoinTokens: { method: 'POST', path: '/api/v1/join-tokens' },
  joinCluster: { method: 'POST', path: '/api/v1/join' },
  renewCertificate: { method: 'POST', path: '/api/v1/nodes/self/certificate' },
  revokeNode: { method: 'POST', path: '/api/v1/nodes/:name/revoke' },
  getAuthority: { method: 'GET', path: '/api/v1/ca' },
  rotateAuthority: { method: 'POST', path: '/api/v1/ca/rotate' },
  finishAuthority: { method: 'POST', path: '/api/v1/ca/finish' },
  checkHost: { method: 'GET', path: '/api/v1/checks/host' },
  listAudit: { method: 'GET', path: '/api/v1/audit' },
  checkSharedFile: { method: 'POST', path: '/api/v1/checks/shared-file' },
} as const satisfies Record<string, { method: 'GET' | 'POST'; path: string }>

/** Routes that answer with bytes or a stream instead of one JSON value. */
export const streamRoutes = {
  /**
   * Log bytes: `?offset=&limit=`; with `follow=true` the answer goes on until the task has ended; with `download=true`
   * it is all that there is now, as a file to keep.
   */
  taskLog: { method: 'GET', path: '/api/v1/tasks/:id/logs/:stream' },
  /** Server-sent events, resumed by `Last-Event-ID` or `?after=`. */
  events: { method: 'GET', path: '/api/v1/events' },
  /** What a screen needs to stay true: bounded digests of events, and load; see `protocol/live.ts`. */
  live: { method: 'GET', path: '/api/v1/live' },
  /** The host's database as of one moment. */
  backup: { method: 'GET', path: '/api/v1/backup' },
  /** All of the log of who did what: `AuditRow`s of `core/audit.ts`, oldest first, one a line. */
  auditExport: { method: 'GET', path: '/api/v1/audit/export' },
  openapi: { method: 'GET', path: '/openapi.json' },
} as const satisfies Record<string, { method: 'GET'; path: string }>

/** Where runners link: a WebSocket upgrade. */
export const linkPath = '/link/v1'

/** A file that proves that host and node share a directory is called `.hakuriver-check-` and a name like this. */
export const checkFilePrefix = '.hakuriver-check-'
export const checkNamePattern = '^[a-z0-9-]{8,64}$'

/** The two output streams of a task. */
export const logStreams = ['stdout', 'stderr'] as const
export type LogStream = (typeof logStreams)[number]

/**
 * Headers of a log answer: `x-log-offset` (of the first byte sent), `x-log-size` (bytes on offer now),
 * `x-log-ended` (`true`: no more will come), and `x-log-truncated` (only of a log that was cut at its limit: at least so
 * many bytes are missing behind the last). A follow that closes cleanly has sent everything.
 */
export const logHeaders = {
  offset: 'x-log-offset',
  size: 'x-log-size',
  ended: 'x-log-ended',
  truncated: 'x-log-truncated',
} as const
