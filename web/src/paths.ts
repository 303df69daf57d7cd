/** Addresses of pages, made in one place. */
export const paths = {
  overview: () => '/',
  nodes: () => '/nodes',
  node: (name: string) => `/nodes/${encodeURIComponent(name)}`,
  tasks: (query: { status?: string[]; node?: string; q?: string } = {}) => ({ path: '/tasks', query }),
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
  login: (next?: string) => ({ path: '/login', query: next === undefined ? {} : { next } }),
  help: () => '/help',
}
