/**
 * Who may do what, route by route: written by hand, so that the server can be held against it. A test calls every cell
 * of it on a real host, and fails for a route that has no row; `docs/access.md` is made from it.
 */

/** Who asks. */
export const askers = {
  none: 'nobody: no token',
  viewer: 'a viewer',
  owner: 'the submitter whose task, batch or token it is',
  other: 'another submitter',
  operator: 'an operator',
  admin: 'an admin',
  browser: "the owner's browser, which is logged in",
  runner: 'a runner, by the join token of a host that speaks plain HTTP',
  node: 'a node, by its certificate, on a host that speaks TLS',
  ended: 'a token that was revoked or has expired, or whose user is disabled',
  endedNode: 'a node whose certificate was revoked, on a host that speaks TLS',
} as const
export type Asker = keyof typeof askers

/** Who can ask on one of both kinds of hosts alone. */
export const onlyOn: Partial<Record<Asker, 'plain' | 'tls'>> = {
  runner: 'plain',
  node: 'tls',
  endedNode: 'tls',
}

/**
 * `yes`: it is done. `item`: answered, and refused item by item. `hidden`: answered, without the environment. The
 * numbers are those of HTTP; 404: he is not told that there is one.
 */
export type Outcome = 'yes' | 'item' | 'hidden' | 401 | 403 | 404

type Cells = Record<Asker, Outcome>

const everybody: Cells = {
  none: 'yes',
  viewer: 'yes',
  owner: 'yes',
  other: 'yes',
  operator: 'yes',
  admin: 'yes',
  browser: 'yes',
  runner: 'yes',
  node: 'yes',
  ended: 'yes',
  endedNode: 'yes',
}
/** For the API a certificate proves nothing: a node is no user. */
const known: Cells = { ...everybody, none: 401, runner: 403, node: 401, ended: 401, endedNode: 401 }
const nobody: Cells = {
  none: 401,
  viewer: 401,
  owner: 401,
  other: 401,
  operator: 401,
  admin: 401,
  browser: 401,
  runner: 401,
  node: 401,
  ended: 401,
  endedNode: 401,
}
const submitters: Cells = { ...known, viewer: 403 }
const operators: Cells = { ...submitters, owner: 403, other: 403, browser: 403 }
const admins: Cells = { ...operators, operator: 403 }

/** The kinds of routes. */
export const rules = {
  /** No token is asked for. */
  public: everybody,
  /** For a machine that checks itself, too. */
  check: { ...known, runner: 'yes', node: 'yes', endedNode: 403 },
  view: known,
  submit: submitters,
  operate: operators,
  admin: admins,
  /** Of a task or a batch: for its owner, and from operator on. */
  own: { ...submitters, other: 403 },
  /** The same for many tasks at once. */
  ownItems: { ...submitters, other: 'item' },
  /** All see the task, and not all its environment. */
  ownEnv: { ...known, viewer: 'hidden', other: 'hidden' },
  /** A token of the owner. */
  ownToken: { ...known, viewer: 404, other: 404, operator: 404 },
  /** Tokens of the owner, asked for by name. */
  tokensOf: { ...known, viewer: 403, other: 403, operator: 403 },
  /** For nodes alone, by their certificate. */
  node: { ...nobody, node: 'yes', endedNode: 403 },
  /** Where runners link by the join token: a browser or a person has nothing to do there. */
  link: { ...submitters, owner: 403, other: 403, operator: 403, admin: 403, browser: 403, runner: 'yes' },
  /** Where they link by certificate, and tokens count for nothing. */
  linkByCertificate: { ...nobody, browser: 403, node: 'yes', endedNode: 403 },
} as const satisfies Record<string, Cells>
export type Rule = keyof typeof rules

/** The native API, its streams, and what lies beside them. */
export const nativeRules: Record<string, Rule> = {
  'GET /healthz': 'public',
  'GET /readyz': 'public',
  'GET /openapi.json': 'public',
  'POST /api/v1/csp-reports': 'public',

  'GET /api/v1/session': 'public',
  'POST /api/v1/session': 'public',
  'POST /api/v1/session/end': 'public',
  'POST /api/v1/login': 'public',
  'POST /api/v1/login-links': 'view',
  'GET /api/v1/me': 'view',

  'GET /api/v1/users': 'admin',
  'POST /api/v1/users': 'admin',
  'POST /api/v1/users/:name': 'admin',
  'POST /api/v1/users/:name/invitations': 'admin',
  'GET /api/v1/tokens': 'view',
  'GET /api/v1/tokens?user=NAME': 'tokensOf',
  'GET /api/v1/tokens?all=true': 'admin',
  'POST /api/v1/tokens': 'view',
  'POST /api/v1/tokens for another user': 'admin',
  'POST /api/v1/tokens/:id/revoke': 'ownToken',

  'GET /api/v1/overview': 'view',
  'GET /api/v1/history': 'view',
  'GET /api/v1/history/nodes': 'view',
  'GET /api/v1/usage': 'view',
  'GET /api/v1/events': 'view',
  'GET /api/v1/live': 'view',
  'GET /api/v1/backup': 'admin',

  'POST /api/v1/batches': 'submit',
  'POST /api/v1/batches/preview': 'submit',
  'GET /api/v1/batches': 'view',
  'GET /api/v1/batches/:id': 'view',
  'GET /api/v1/batches/:id/targets': 'view',
  'POST /api/v1/batches/:id/kill': 'own',

  'GET /api/v1/tasks': 'view',
  'GET /api/v1/tasks/counts': 'view',
  'GET /api/v1/tasks/ids': 'view',
  'POST /api/v1/tasks/kill': 'ownItems',
  'POST /api/v1/tasks/rerun': 'ownItems',
  'GET /api/v1/tasks/:id': 'ownEnv',
  'GET /api/v1/tasks/:id/events': 'view',
  'GET /api/v1/tasks/:id/usage': 'view',
  'GET /api/v1/tasks/:id/logs/:stream': 'own',
  'GET /api/v1/tasks/:id/logs/:stream?follow=true': 'own',
  'GET /api/v1/tasks/:id/logs/:stream?download=true': 'own',
  'GET /api/v1/tasks/:id/logs/:stream/lines': 'own',
  'GET /api/v1/tasks/:id/logs/:stream/search': 'own',
  'POST /api/v1/tasks/:id/kill': 'own',
  'POST /api/v1/tasks/:id/forget': 'operate',

  'GET /api/v1/nodes': 'view',
  'GET /api/v1/nodes/:name': 'view',
  'GET /api/v1/nodes/:name/events': 'view',
  'GET /api/v1/nodes/:name/history': 'view',
  'POST /api/v1/nodes/:name/drain': 'operate',
  'POST /api/v1/nodes/:name/resume': 'operate',
  'POST /api/v1/nodes/:name/end-unknown': 'operate',
  'POST /api/v1/nodes/:name/remove': 'operate',

  'GET /api/v1/checks/host': 'check',
  'POST /api/v1/checks/shared-file': 'check',

  'POST /api/v1/join-tokens': 'admin',
  'POST /api/v1/join': 'public',
  'POST /api/v1/nodes/self/certificate': 'node',
  'POST /api/v1/nodes/:name/revoke': 'admin',
  'GET /api/v1/ca': 'admin',
  'POST /api/v1/ca/rotate': 'admin',
  'POST /api/v1/ca/finish': 'admin',

  'GET /api/v1/audit': 'admin',
  'GET /api/v1/audit/export': 'admin',

  'GET /link/v1': 'link',
  'GET /link/v1 over TLS': 'linkByCertificate',
}

/** Pages and files: they hold nothing of the cluster. What is not there is `public` too: a 404 for everybody. */
export const pageRules: Record<string, Rule> = {
  'GET /': 'public',
  'GET /login': 'public',
  'GET /assets/:file': 'public',
  'GET /nowhere': 'public',
}

/** The original's API, each also below `/api`. */
export const seedRules: Record<string, Rule> = {
  'GET /nodes': 'view',
  'GET /health': 'view',
  'POST /submit': 'submit',
  'GET /status/:task_id': 'ownEnv',
  'GET /tasks': 'ownEnv',
  'GET /task/:task_id/stdout': 'own',
  'GET /task/:task_id/stderr': 'own',
  'POST /kill/:task_id': 'own',
}

export interface AccessRow {
  /** Method and path as the server knows them; behind the path, what is asked of it. */
  key: string
  cells: Cells
  /** Not one route of the server's own. */
  isBeside: boolean
  /** Of one kind of hosts; null: of both. */
  on: 'plain' | 'tls' | null
}

const links: Record<string, 'plain' | 'tls'> = { 'GET /link/v1': 'plain', 'GET /link/v1 over TLS': 'tls' }

/** The whole table. */
export function accessTable(): AccessRow[] {
  const rowsOf = (table: Record<string, Rule>, isBeside: boolean) =>
    Object.entries(table).map(
      ([key, rule]): AccessRow => ({
        key,
        cells: rules[rule],
        // what is asked for behind the path is no route of its own, and the link is none of the server's
        isBeside: isBeside || key in links || /[? ]/.test(key.replace(' ', '')),
        on: links[key] ?? null,
      }),
    )
  return [...rowsOf(nativeRules, false), ...rowsOf(pageRules, true), ...['', '/api'].flatMap(seedRows)]
}

/** Of a route of the original: browsers are not logged in there. */
export function seedCells(rule: Rule): Cells {
  return { ...rules[rule], browser: 401 }
}

/** What the original has at one place. */
function seedRows(prefix: string): AccessRow[] {
  return Object.entries(seedRules).flatMap(([key, rule]): AccessRow[] => {
    const [method = '', path = ''] = key.split(' ')
    const others = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].filter(
      (one) => one !== method,
    )
    return [
      { key: `${method} ${prefix}${path}`, cells: seedCells(rule), isBeside: false, on: null },
      // a redirect to the path without it, and the refusal of other methods
      { key: `${method} ${prefix}${path}/`, cells: everybody, isBeside: false, on: null },
      ...others.map((other) => ({
        key: `${other} ${prefix}${path}`,
        cells: everybody,
        isBeside: false,
        on: null,
      })),
    ]
  })
}
