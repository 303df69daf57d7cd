// biome-ignore-all lint/suspicious/noTemplateCurlyInString: pieces of our programs
/**
 * Faults that are put into our programs one at a time, to see that something notices. S1 to S14 are those of the
 * program that this one re-creates, M… are of our own making. `find` stands in the file exactly once.
 */

/** Where a mutant has to be caught. */
export type Catcher =
  /** In so many task-lives of the simulation. */
  | { by: 'simulation'; lives: number }
  /** By a test of these files. */
  | { by: 'unit' | 'system'; files: string[] }

export interface Mutant {
  name: string
  what: string
  file: string
  find: string
  put: string
  catcher: Catcher
}

const simulation = (lives = 20_000): Catcher => ({ by: 'simulation', lives })
const unit = (...files: string[]): Catcher => ({ by: 'unit', files })

export const corpus: readonly Mutant[] = [
  {
    name: 'S1',
    what: 'the task runs as root whatever user it is for',
    file: 'src/runner/executors/systemd/unit.ts',
    find: "if (plan.user !== null) properties.push(['User', 's', plan.user])",
    put: '',
    catcher: unit('src/runner/executors/systemd/unit.test.ts'),
  },
  {
    name: 'S2',
    what: 'a kill asks for a unit that does not exist, and the task is called killed',
    file: 'src/runner/attempts.ts',
    find: 'await this.executorOf(held)?.kill(taskId, attempt, killGraceMs)',
    put: "this.onExit(taskId, attempt, exitWithout('killed', 'killed', this.deps.clock.now()))",
    catcher: simulation(),
  },
  {
    name: 'S3',
    what: 'the sandbox is asked for and not made',
    file: 'src/runner/executors/systemd/unit.ts',
    find: "if (plan.privateNetwork) properties.push(['PrivateNetwork', 'b', true])",
    put: '',
    catcher: unit('src/runner/executors/systemd/unit.test.ts'),
  },
  {
    name: 'S4',
    what: 'the CPU quota is a share of the machine',
    file: 'src/runner/executors/systemd/unit.ts',
    find: 'BigInt(plan.cores) * 1_000_000n',
    put: 'BigInt(plan.cores) * 31_250n',
    catcher: unit('src/runner/executors/systemd/unit.test.ts'),
  },
  {
    name: 'S5',
    what: 'an end that nobody watched has no exit code',
    file: 'src/runner/attempts.ts',
    find: 'this.onExit(taskId, attempt, found.exit)',
    put: "this.onExit(taskId, attempt, exitWithout('lost', 'nobody watched', this.deps.clock.now()))",
    catcher: simulation(),
  },
  {
    name: 'S6a',
    what: 'a task is killed as soon as that is asked for',
    file: 'src/core/task.ts',
    find: "          status: 'killing',\n          startedAtMs: startOf(task),",
    put: "          status: 'killed' as 'killing',\n          endedAtMs: nowMs,\n          startedAtMs: startOf(task),",
    catcher: simulation(),
  },
  {
    name: 'S6b',
    what: 'no kill is sent to a task whose start is on its way',
    file: 'src/core/task.ts',
    find: "[{ type: 'signal', taskId: task.id, attempt: task.attempt }],",
    put: "task.status === 'assigning' ? [] : [{ type: 'signal', taskId: task.id, attempt: task.attempt }],",
    catcher: unit('src/core/task.test.ts'),
  },
  {
    name: 'S7',
    what: 'a report is sent once',
    file: 'src/runner/link.ts',
    find: 'for (const report of this.deps.pendingReports()) this.send(reportMessage(report))',
    put: '',
    catcher: simulation(),
  },
  {
    name: 'S8a',
    what: 'the tasks of a silent node are lost for good',
    file: 'src/host/cluster.ts',
    find: "this.apply(taskId, { type: 'node_silent' })",
    put: "{ const task = this.tasks.get(taskId); if (task) this.apply(taskId, { type: 'declared_lost', attempt: task.attempt, reason: 'silent' }) }",
    catcher: simulation(),
  },
  {
    name: 'S8b',
    what: 'the cores of an unreachable node are free',
    file: 'src/host/cluster.ts',
    find: "this.ledger.setNodeStatus(name, 'unreachable')\n    this.nodeEvent(",
    put: "this.ledger.setNodeStatus(name, 'unreachable')\n    for (const { taskId } of this.attemptsOn(name)) this.ledger.release(taskId)\n    this.nodeEvent(",
    catcher: simulation(),
  },
  {
    name: 'S9',
    what: 'a runner that starts knows nothing of what runs',
    file: 'src/runner/agent.ts',
    find: 'await held.recover()',
    put: '',
    catcher: simulation(),
  },
  {
    name: 'S10',
    what: 'an end can be overwritten by another',
    file: 'src/core/task.ts',
    find: "return event.type === 'kill_requested' ? illegal(`it has ended (${task.status})`) : ignored",
    put: "if (event.type === 'exited' && 'dispatchedTo' in task) return changed(ended({ ...task, status: 'running', startedAtMs: 0 } as never, event.exit))\n    return event.type === 'kill_requested' ? illegal(`it has ended (${task.status})`) : ignored",
    catcher: unit('src/core/task.test.ts'),
  },
  {
    name: 'S11',
    what: 'cores of tasks whose start is on its way are free',
    file: 'src/core/placement.ts',
    find: 'ledger.hold(',
    put: 'if (task.id < 0) ledger.hold(',
    catcher: simulation(),
  },
  {
    name: 'S12',
    what: 'a submit that is sent again makes new tasks',
    file: 'src/host/submit.ts',
    find: 'if (submissionId === undefined) return this.take(body)',
    put: 'if (submissionId !== null) return this.take({ ...body, submissionId: `${submissionId}-${this.cluster.newId()}` })\n    if (submissionId === undefined) return this.take(body)',
    catcher: simulation(),
  },
  {
    name: 'S13',
    what: 'a runner gives up after five dials',
    file: 'src/runner/link.ts',
    find: 'if (this.isClosed) return\n    const { hostUrl }',
    put: 'if (this.isClosed || this.failures > 5) return\n    const { hostUrl }',
    catcher: simulation(),
  },
  {
    name: 'S14',
    what: 'the wall clock decides who is silent',
    file: 'src/host/links.ts',
    find: 'constructor(deps: LinksDeps) {',
    put: 'constructor(deps: LinksDeps) {\n    deps = { ...deps, clock: { ...deps.clock, monotonic: deps.clock.now } }',
    catcher: simulation(),
  },
  {
    name: 'M1',
    what: 'a report is acknowledged before it is saved',
    file: 'src/host/links.ts',
    find: 'cluster.afterCommit(() => session.ack(seq), session)',
    put: 'session.ack(seq)',
    catcher: simulation(),
  },
  {
    name: 'M2',
    what: 'a submit is answered before it is saved',
    file: 'src/host/journal.ts',
    find: 'this.group.submits.push({ batch, taskIds, revert, resolve, reject })',
    put: 'this.group.submits.push({ batch, taskIds, revert, resolve, reject })\n      resolve()',
    catcher: simulation(),
  },
  {
    name: 'M3',
    what: 'an order goes out before it is saved',
    file: 'src/host/cluster.ts',
    find: 'this.journal.after(() => this.carryOut(effect))',
    put: 'this.carryOut(effect)',
    catcher: simulation(),
  },
  {
    name: 'M4',
    what: 'a kill is answered before it is saved',
    file: 'src/host/handlers.ts',
    find: 'await cluster.settled() // also an end is told only when it is on disk',
    put: '',
    catcher: simulation(),
  },
  {
    name: 'M5',
    what: 'an attempt is let go of before its end was acknowledged',
    file: 'src/runner/attempts.ts',
    find: "this.report(taskId, attempt, { type: 'exited', exit })",
    put: "this.report(taskId, attempt, { type: 'exited', exit })\n    if (held.handle !== null) this.deps.executor.collect(held.handle).catch(() => {})",
    catcher: simulation(),
  },
  {
    name: 'M6',
    what: 'the start comes before the note that it was made',
    file: 'src/runner/attempts.ts',
    find: "disk.write(join(launch.taskDir, 'handle.json'), JSON.stringify(handle))",
    put: "this.deps.clock.after(30, () => disk.write(join(launch.taskDir, 'handle.json'), JSON.stringify(handle)))",
    catcher: simulation(60_000),
  },
  {
    name: 'M7',
    what: 'a start that got lost is not sent again',
    file: 'src/core/reconcile.ts',
    find: "case 'assigning':\n      return [{ do: 'start', taskId, attempt }]",
    put: "case 'assigning':\n      return []",
    catcher: simulation(),
  },
  {
    name: 'M8',
    what: 'a task that its rebooted node does not know runs on',
    file: 'src/core/reconcile.ts',
    find: 'if (rebooted) return [lost(task, `${node} rebooted`, true)]',
    put: 'if (rebooted) return []',
    catcher: simulation(),
  },
  {
    name: 'M9',
    what: 'a kill of an unreachable task is forgotten',
    file: 'src/core/reconcile.ts',
    find: "return [...started, { do: 'kill', taskId, attempt }]",
    put: 'return started',
    catcher: simulation(),
  },
  {
    name: 'M10',
    what: 'a start that comes twice is carried out twice',
    file: 'src/runner/attempts.ts',
    find: 'if (this.held.has(id)) return\n',
    put: '',
    catcher: unit('src/runner/attempts.test.ts'),
  },
  {
    name: 'M11',
    what: 'a change leaves no event',
    file: 'src/host/cluster.ts',
    find: 'this.record(task, event.type)',
    put: "if (event.type !== 'node_returned') this.record(task, event.type)",
    catcher: simulation(),
  },
  {
    name: 'M12',
    what: 'a pause of the host counts as the silence of its nodes',
    file: 'src/host/links.ts',
    find: 'if (pauseMs > Math.max(heartbeatMs, watchMs))',
    put: 'if (pauseMs < 0)',
    catcher: simulation(),
  },
  {
    name: 'M13',
    what: 'a node with a cut link still gets tasks',
    file: 'src/host/cluster.ts',
    find: "nodeUnlinked(name: string): void {\n    this.ledger.setNodeStatus(name, 'unreachable')",
    put: "nodeUnlinked(name: string): void {\n    this.ledger.setNodeStatus(name, 'online')",
    catcher: unit('src/host/links.test.ts', 'src/host/cluster.test.ts'),
  },
  {
    name: 'M14',
    what: 'ids follow the clock alone',
    file: 'src/core/id.ts',
    find: 'return Math.max(lastId + 1, fromClock)',
    put: 'return lastId >= fromClock && lastId < fromClock + idsPerSecond ? lastId + 1 : fromClock',
    catcher: simulation(),
  },
  {
    name: 'M15',
    what: 'what happened while nothing could be saved is forgotten',
    file: 'src/host/journal.ts',
    find: 'for (const [id, task] of next.changedTasks) group.changedTasks.set(id, task)',
    put: 'group.changedTasks = next.changedTasks',
    catcher: simulation(),
  },
  {
    name: 'M16',
    what: 'an attempt that is let go can still be started again',
    file: 'src/runner/attempts.ts',
    find: 'disk.remove(join(dir, launchFile))',
    put: '',
    catcher: simulation(100_000),
  },
  {
    name: 'M17',
    what: 'the outbox is not tried again when the disk was full',
    file: 'src/runner/outbox.ts',
    find: 'this.retry ??= this.deps.later(retryMs, () => {',
    put: 'this.retry ??= this.deps.later(1e9, () => {',
    catcher: simulation(),
  },
  {
    name: 'M18',
    what: 'a kill that comes before the start is forgotten',
    file: 'src/runner/attempts.ts',
    find: "this.held.set(id, { phase: 'starting', startedAtMs: null, handle: null, isKillRequested: true })",
    put: 'return',
    catcher: simulation(),
  },
  {
    name: 'M19',
    what: 'what is held on a node is forgotten when the host starts',
    file: 'src/host/cluster.ts',
    find: 'this.ledger.hold(task.id, task.placement, task.spec.cores, task.spec.memoryBytes)\n',
    put: '',
    catcher: simulation(),
  },
  {
    name: 'M20',
    what: 'an end that was told is told another way after a clock was set back',
    file: 'src/core/task.ts',
    find: 'endedAtMs: Math.max(exit.endedAtMs, startedAtMs ?? exit.endedAtMs),',
    put: 'endedAtMs: exit.endedAtMs,',
    catcher: simulation(),
  },
]
