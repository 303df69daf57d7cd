/** `docs/faults.md`: what happens when something fails, and the tests that show it, found by the number in their names. */
import { findNumberedTests, listTests } from './numbered-tests.ts'

interface Row {
  fault: string
  outcome: string
  /** Why a part of it has no test. */
  untested?: string
}

const rows: readonly Row[] = [
  { fault: 'The host is killed right after its answer, or in the middle of saving', outcome: 'The task is there after the restart; or it is not, and the client that asks again makes one' },
  { fault: 'The host is away for hours, and tasks end meanwhile', outcome: 'Their results come from the runners, with true times and exit codes' },
  { fault: 'A runner is killed: idle, while it starts a task, between an end and its report', outcome: 'Tasks go on and are found again; each starts once; the exit code is kept' },
  { fault: 'A node loses power or reboots', outcome: '`lost`, because the node rebooted; started again only where that was asked for' },
  { fault: 'The link is cut, both ways or one way, or flaps', outcome: '`unreachable` with its age; no second start; the truth when it is back' },
  { fault: 'Messages are lost, doubled, late or out of order', outcome: 'The effect of one delivery' },
  { fault: 'A kill while a task is being assigned, is unreachable, or has ended', outcome: 'It never starts; it stays `killing` until the node is back; 409 with the true status' },
  { fault: 'A task ignores SIGTERM, forks twice, starts a session', outcome: 'All of its processes are ended' },
  { fault: 'A process that cannot be killed, a shared directory that hangs', outcome: '`killing`, told as stuck, and its node drained; heartbeats and other tasks go on' },
  { fault: 'A full disk: of the host, of a node, of the shared directory', outcome: 'Submits are refused with 507, reads and kills work; a task that cannot be started says so; all recovers by itself' },
  { fault: 'A damaged database, a torn or deleted WAL, wrong permissions', outcome: 'The host does not start, and says in one sentence what helps; nothing runs twice', untested: 'a runner that was started anew since it told the end of a task does not remember it: where the host lost that end with its disk, the task is started again' },
  { fault: 'An old backup of the database is restored', outcome: 'What runs on nodes and is not known is shown, and left alone; no id is used again' },
  { fault: 'Clocks that are wrong or set, machines that stand still', outcome: 'No false loss, no negative durations, the right order' },
  { fault: 'Two nodes with one name, a cloned disk, two runners on one machine', outcome: 'The second one is refused, with the reason' },
  { fault: 'A runner that is older or newer than its host', outcome: 'It is refused, both say which versions they speak, and its tasks go on', untested: 'there is one version of the link so far: that one apart works together cannot be shown yet' },
  { fault: 'Two hundred nodes come back at once', outcome: 'All are back within two heartbeats, and the API answers meanwhile' },
  { fault: 'A hundred thousand waiting tasks; a task that writes without end', outcome: 'Bounded memory; logs are cut at their limit and say so' },
  { fault: 'Out of memory: a task, a runner, the host', outcome: '`killed_oom` for the task alone; the others come back and find their tasks again' },
  { fault: '`daemon-reload`, `daemon-reexec`, a unit stopped by hand', outcome: 'No effect; or told as stopped from outside' },
  { fault: 'The database connection breaks in the middle of a commit', outcome: 'The submission id tells whether it was saved', untested: 'only SQLite is there yet, which has no connection; the doubtful commit itself is shown' },
  { fault: 'A disk that takes seconds to save, a host that stands still', outcome: 'No node is called silent for that; readiness tells' },
  { fault: 'A database of a newer or older version', outcome: 'Forward only, in whole steps; a newer one is refused' },
  { fault: 'SIGTERM of host and runner, an upgrade', outcome: 'A clean stop; tasks go on' },
] // biome-ignore format: a table

/** The page. @throws Error for a row that has neither a test nor a reason */
export function describeFaults(): string {
  const tests = findNumberedTests()
  const lines = rows.map(({ fault, outcome, untested }, at) => {
    const shown = listTests(tests.get(at + 1) ?? [])
    if (shown.length === 0 && untested === undefined)
      throw new Error(`row ${at + 1} of the faults has no test`)
    const rest = untested === undefined ? [] : [`_${untested}_`]
    return `| ${at + 1} | ${fault} | ${outcome} | ${[...shown, ...rest].join('<br>')} |`
  })
  return `# What happens when something fails

Each row is shown by the tests that carry its number; this page is made from their names by \`npm run docs\`. Beside them, the [simulation](../test/sim/README.md) lets all of it fail at once.

| | what fails | what happens | shown by |
| --- | --- | --- | --- |
${lines.join('\n')}
`
}
