/** docs/access.md: who may do what, from the table that a test holds the server against. */
import {
  type Asker,
  accessTable,
  askers,
  nativeRules,
  type Outcome,
  pageRules,
  rules,
  seedCells,
  seedRules,
} from '../../src/protocol/access-table.ts'

const columns = Object.keys(askers) as Asker[]
const words: Record<Outcome, string> = {
  yes: 'yes',
  item: 'per item',
  hidden: 'no env',
  401: '401',
  403: '403',
  404: '404',
}

type Cells = Readonly<Record<Asker, Outcome>>

export function describeAccess(): string {
  const native = Object.entries(nativeRules).map(([key, rule]) => [key, rules[rule]] as const)
  const pages = Object.entries(pageRules).map(([key, rule]) => [key, rules[rule]] as const)
  const seed = Object.entries(seedRules).map(([key, rule]) => [key, seedCells(rule)] as const)
  return `# Who may do what

Made by \`npm run docs\` from \`src/protocol/access-table.ts\`; do not edit. \`src/host/access-table.test.ts\` calls every
cell on real hosts, with and without TLS (${accessTable().length} rows × ${columns.length}), and fails for a route that has no row.
[Users and tokens](guides/users.md) says the same in plain words.

${columns.map((asker) => `- **${asker}**: ${askers[asker]}`).join('\n')}

**yes**: it is done. **per item**: answered, and refused for each task that belongs to somebody else. **no env**:
answered, without the task's environment. **401**: nobody who is known. **403**: known, and may not. **404**: he is not
told that there is one.

On a host with \`--insecure-loopback\` everybody of the machine is an admin, and users and tokens cannot be changed.

## The API

${tableOf(native)}

\`GET /link/v1\` is where runners link. On a host without TLS what is about certificates answers that there are none. What is asked for behind a path (\`?user=NAME\`, “for another user”) has a row of its own
where it makes a difference.

## Pages and files

${tableOf(pages)}

What is not there is a 404 for everybody.

## The original's API

Each also below \`/api\`. A path with a slash at its end is redirected to the one without, and other methods are refused
(405), for everybody: nothing is told or done there. The login of a browser does not count here.

${tableOf(seed)}
`
}

function tableOf(rows: readonly (readonly [string, Cells])[]): string {
  const head = `| | ${columns.join(' | ')} |\n| --- |${' --- |'.repeat(columns.length)}`
  const lines = rows.map(
    ([key, cells]) => `| \`${key}\` | ${columns.map((asker) => words[cells[asker]]).join(' | ')} |`,
  )
  return [head, ...lines].join('\n')
}
