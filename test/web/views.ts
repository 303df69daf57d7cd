/** The addresses of all views in the scenario, for pictures and for tests that look at each. */
import type { Scenario } from './scenario.ts'

export const views: Record<string, (scenario: Scenario) => string> = {
  overview: () => '/',
  nodes: () => '/nodes',
  node: () => '/nodes/haku',
  'node-unreachable': () => '/nodes/reed',
  tasks: () => '/tasks',
  'tasks-filtered': () => '/tasks?status=failed&q=sweep',
  task: ({ running }) => `/tasks/${running}`,
  'task-failed': ({ failed }) => `/tasks/${failed}`,
  'task-waiting': ({ waiting }) => `/tasks/${waiting}`,
  'task-unreachable': ({ unreachable }) => `/tasks/${unreachable}`,
  'task-usage': ({ running }) => `/tasks/${running}?tab=usage`,
  'task-events': ({ failed }) => `/tasks/${failed}?tab=events`,
  log: ({ running }) => `/tasks/${running}?tab=log`,
  'log-failed': ({ failed }) => `/tasks/${failed}?tab=log&stream=both`,
  batches: () => '/batches',
  batch: ({ batch }) => `/batches/${batch}`,
  'batch-log': ({ batch }) => `/batches/${batch}?tab=log`,
  activity: () => '/activity',
  submit: ({ failed }) => `/submit?clone=${failed}`,
  rerun: ({ batch }) => `/submit?rerun=${batch}`,
  help: () => '/help',
  login: () => '/login',
  'not-found': () => '/no/such/page',
}
