/** Addresses of pages, made in one place. */
export const paths = {
  overview: () => '/',
  nodes: () => '/nodes',
  node: (name: string) => `/nodes/${encodeURIComponent(name)}`,
  tasks: (query: { status?: string[]; node?: string; q?: string; owner?: string } = {}) => ({
    path: '/tasks',
    query,
  }),
  task: (id: string) => `/tasks/${id}`,
  taskLog: (id: string, stream: 'stdout' | 'stderr' = 'stdout') => ({
    path: `/tasks/${id}`,
    query: { tab: 'log', stream },
  }),
  batches: () => '/batches',
  batch: (id: string) => `/batches/${id}`,
  activity: () => '/activity',
  submit: () => '/submit',
  clone: (taskId: string) => ({ path: '/submit', query: { clone: taskId } }),
  rerun: (batchId: string) => ({ path: '/submit', query: { rerun: batchId } }),
  tokens: (user?: string) => ({ path: '/tokens', query: user === undefined ? {} : { user } }),
  users: () => '/users',
  /** `why`: a word of `loginReasons`. */
  login: (next?: string, why?: 'ended') => ({
    path: '/login',
    query: { ...(next !== undefined && { next }), ...(why !== undefined && { why }) },
  }),
  help: () => '/help',
}
