/**
 * What must hold in a cluster at every step, whatever fails: judged by what the witness saw and what the store
 * committed, never by what a program says of itself. The numbers are those of the list in test/sim/README.md.
 */
import { formatTarget } from '../../src/core/target.ts'
import { isFinal, isHeld, type Status, type Task, type TaskExit } from '../../src/core/task.ts'
import type { EventRecord } from '../../src/host/store/rows.ts'
import type { Changes } from '../../src/host/store/store.ts'
import type { Witness } from './machine.ts'

/** A promise that was broken. */
export class Violation extends Error {
  readonly rule: string

  constructor(rule: string, message: string) {
    super(`${rule}: ${message}`)
    this.name = 'Violation'
    this.rule = rule
  }
}

/** What really became of an attempt. */
interface Life {
  taskId: number
  attempt: number
  node: string
  /** Which of the node's boots it began in. */
  boot: number
  isAlive: boolean
  /** null: it went with its machine. */
  exit: TaskExit | null
}

/** What is true in the world, whatever our programs believe. */
export interface Facts {
  /** Which of its boots a node is in. */
  bootOf: (node: string) => number
  /** For how long nothing has kept a node from being heard. */
  fitForMs: (node: string) => number
  /** Does the disk of the host take all at once, and has for a moment? */
  savesPromptly: () => boolean
}

/** A node with which nothing is wrong for so long was heard. */
const surelyHeardMs = 40_000

/** Where a status may lead: written down apart from the code that decides. */
const next: Record<Status, readonly Status[]> = {
  pending: ['assigning', 'running', 'unreachable', 'killing', 'killed', 'completed', 'failed', 'killed_oom', 'timed_out', 'lost'],
  assigning: ['pending', 'running', 'unreachable', 'killing', 'completed', 'failed', 'killed', 'killed_oom', 'timed_out', 'lost'],
  running: ['pending', 'unreachable', 'killing', 'completed', 'failed', 'killed', 'killed_oom', 'timed_out', 'lost'],
  unreachable: ['pending', 'assigning', 'running', 'killing', 'completed', 'failed', 'killed', 'killed_oom', 'timed_out', 'lost'],
  killing: ['completed', 'failed', 'killed', 'killed_oom', 'timed_out', 'lost'],
  completed: [],
  failed: [],
  killed: [],
  killed_oom: [],
  timed_out: [],
  lost: [],
} // biome-ignore format: a table

export class Checker implements Witness {
  /** As the last commit left them. */
  readonly tasks = new Map<number, Task>()
  readonly batches = new Map<string, number>()
  readonly lives = new Map<string, Life>()
  /** Tasks whose submit was answered. */
  readonly accepted = new Set<number>()
  private readonly unended = new Set<number>()
  private readonly aliveOf = new Map<number, number>()
  private readonly held = new Map<string, { cores: number; memoryBytes: number }>()
  private readonly capacities = new Map<string, { cores: number; memoryBytes: number }>()
  private readonly lastEvents = new Map<number, Status>()
  private lastEventId = 0
  private readonly onSeen: (what: string) => void
  private readonly onBroken: (violation: Violation) => void

  private readonly facts: Facts

  constructor(facts: Facts, onSeen: (what: string) => void, onBroken: (violation: Violation) => void) {
    this.facts = facts
    this.onSeen = onSeen
    this.onBroken = onBroken
  }

  began(taskId: number, attempt: number, node: string): void {
    this.onSeen(`begins ${taskId}/${attempt} on ${node}`)
    const key = `${taskId}/${attempt}`
    const task = this.tasks.get(taskId)
    this.expect('I2', !this.lives.has(key), `attempt ${key} was started a second time on ${node}`)
    this.expect('I2', !this.isAlive(taskId), `task ${taskId} has a second process, on ${node}`)
    this.expect('I8', task !== undefined, `a process of task ${taskId} begins, which was never saved`)
    if (task !== undefined) {
      this.expect('I10', !isFinal(task.status), `task ${taskId} begins, which has ended as ${task.status}`)
    }
    this.lives.set(key, { taskId, attempt, node, boot: this.facts.bootOf(node), isAlive: true, exit: null })
    this.aliveOf.set(taskId, (this.aliveOf.get(taskId) ?? 0) + 1)
  }

  ended(taskId: number, attempt: number, node: string, exit: TaskExit | null): void {
    this.onSeen(`ends ${taskId}/${attempt} on ${node} ${exit?.cause ?? 'with its machine'}`)
    const life = this.lives.get(`${taskId}/${attempt}`)
    if (life === undefined) throw new Error(`task ${taskId} ends without having begun`)
    life.isAlive = false
    life.exit = exit
    this.aliveOf.set(taskId, (this.aliveOf.get(taskId) ?? 1) - 1)
  }

  isAlive(taskId: number): boolean {
    return (this.aliveOf.get(taskId) ?? 0) > 0
  }

  /** After each commit. */
  committed(changes: Changes): void {
    for (const { id, submissionId } of changes.batches) {
      if (submissionId === null) continue
      this.expect('I3', !this.batches.has(submissionId), `the submit ${submissionId} was taken twice`)
      this.batches.set(submissionId, id)
    }
    for (const { name, capacity } of changes.nodes) {
      this.capacities.set(name, capacity)
      for (const { id, cpus, memoryBytes } of capacity.numaNodes)
        this.capacities.set(`${name}:${id}`, { cores: cpus.length, memoryBytes: memoryBytes ?? 0 })
    }
    for (const event of changes.events) this.event(event)
    for (const task of changes.newTasks) {
      this.expect('I3', !this.tasks.has(task.id), `the id ${task.id} was given twice`)
      this.change(null, task)
    }
    for (const task of changes.changedTasks) this.change(this.tasks.get(task.id) ?? null, task)
    for (const [node, held] of this.held) this.fits(node, held)
  }

  /** The client was told that this task is taken. */
  accept(id: number): void {
    const task = this.tasks.get(id)
    this.expect('I3', task !== undefined, `task ${id} was promised before it was saved`)
    this.accepted.add(id)
    if (task === undefined || !isFinal(task.status)) this.unended.add(id)
  }

  /** Has every accepted task ended? */
  isDone(): boolean {
    return this.unended.size === 0
  }

  /** When all has settled. */
  settled(): void {
    for (const id of this.accepted) {
      const task = this.tasks.get(id)
      this.expect('I3', task !== undefined, `task ${id} was accepted and is gone`)
      if (task !== undefined)
        this.expect('I1', isFinal(task.status), `task ${id} is still ${task.status} long after all faults`)
    }
    for (const life of this.lives.values())
      this.expect('I8', !life.isAlive, `a process of ${life.taskId}/${life.attempt} is left on ${life.node}`)
  }

  expect(rule: string, holds: boolean, message: string): void {
    if (!holds) this.onBroken(new Violation(rule, message))
  }

  private event(event: EventRecord): void {
    this.expect('I11', event.id > this.lastEventId, `event ${event.id} came after ${this.lastEventId}`)
    this.lastEventId = Math.max(this.lastEventId, event.id)
    if (event.kind === 'task') this.lastEvents.set(event.taskId, event.status)
    // what could not be saved for a while may speak of a time that is over
    else if (event.type === 'unreachable' && this.facts.savesPromptly())
      this.expect(
        'I4',
        this.facts.fitForMs(event.node) < surelyHeardMs,
        `${event.node} is called unreachable, and nothing is wrong with it`,
      )
  }

  private change(before: Task | null, task: Task): void {
    const { id, status } = task
    this.onSeen(`saved ${id} ${status} ${task.attempt}`)
    if (before !== null && before.status !== status)
      this.expect(
        'I11',
        next[before.status].includes(status) ||
          (isHeld(before.status) && next.pending.includes(status) && task.attempt > before.attempt),
        `task ${id} went from ${before.status} to ${status}`,
      )
    if (before !== null && isFinal(before.status)) this.sameEnd(before, task)
    this.expect(
      'I11',
      task.attempt >= (before?.attempt ?? 0),
      `task ${id} fell back to attempt ${task.attempt}`,
    )
    this.expect(
      'I11',
      this.lastEvents.get(id) === status,
      `task ${id} is ${status} without an event that says so`,
    )
    if (before !== null && isHeld(before.status) && (status === 'pending' || task.attempt > before.attempt))
      this.givenUp(before)
    this.account(before, task)
    this.tasks.set(id, task)
    if (isFinal(status)) {
      this.unended.delete(id)
      this.trueEnd(task)
    }
    if (status === 'running')
      this.expect('I4', this.lives.has(`${id}/${task.attempt}`), `task ${id} is said to run, and never began`)
  }

  /** It goes back to the queue: only with a lease, and with nothing of it alive. */
  private givenUp({ id, attempt, spec: { requeue = 0 } }: Task): void {
    this.expect('I2', !this.isAlive(id), `task ${id} is to start again, and attempt ${attempt} is alive`)
    this.expect('I11', attempt <= requeue, `task ${id} has had attempt ${attempt}, and no other is left`)
  }

  private sameEnd(before: Task, after: Task): void {
    this.expect(
      'I1',
      JSON.stringify(before) === JSON.stringify(after),
      `task ${before.id} had ended and was changed`,
    )
  }

  /** What is said of an end is what has happened. */
  private trueEnd(task: Task): void {
    const { id, status, attempt } = task
    const life = this.lives.get(`${id}/${attempt}`)
    const said = 'endedAtMs' in task ? task : null
    const say = (what: string) => `task ${id} is ${status}, and ${what}`
    this.expect('I6', status === 'lost' || !this.isAlive(id), say('a process of it is alive'))
    if (said !== null && said.startedAtMs !== null)
      this.expect('I5', said.endedAtMs >= said.startedAtMs, say('ended before it began'))
    switch (status) {
      case 'completed':
      case 'failed':
      case 'killed_oom':
      case 'timed_out': {
        const isUnstarted = status === 'failed' && life === undefined
        if (isUnstarted) return
        const cause = life?.exit?.cause
        this.expect(
          'I5',
          causesOf[status].includes(cause ?? ''),
          say(`really it was ${cause ?? 'never seen'}`),
        )
        this.expect(
          'I5',
          life?.exit?.exitCode === said?.exitCode,
          say(`its code was ${life?.exit?.exitCode}`),
        )
        return
      }
      case 'lost': {
        this.expect('I5', life === undefined || !life.isAlive, say('it is alive'))
        const isKnown = life !== undefined && life.exit !== null && this.facts.bootOf(life.node) === life.boot
        this.expect('I5', !isKnown, say('its node, which has not rebooted since, knew its end'))
        return
      }
      default:
        return
    }
  }

  private account(before: Task | null, after: Task): void {
    for (const [task, sign] of [
      [before, -1],
      [after, 1],
    ] as const) {
      if (task === null || !isHeld(task.status) || !('placement' in task) || task.placement === null) continue
      const names = [task.placement.node]
      if (task.placement.numaId !== null) names.push(`${task.placement.node}:${task.placement.numaId}`)
      for (const name of names) {
        const held = this.held.get(name) ?? { cores: 0, memoryBytes: 0 }
        held.cores += sign * task.spec.cores
        held.memoryBytes += sign * (task.spec.memoryBytes ?? 0)
        this.held.set(name, held)
      }
      if (sign === 1 && task.target.kind !== 'any')
        this.expect(
          'I9',
          [names[0], names[1]].includes(formatTarget(task.target)),
          `task ${task.id} for ${formatTarget(task.target)} was placed on ${names.join(', ')}`,
        )
    }
  }

  private fits(name: string, held: { cores: number; memoryBytes: number }): void {
    const has = this.capacities.get(name)
    if (has === undefined) return
    const isWithin = held.cores <= has.cores && held.memoryBytes <= has.memoryBytes
    this.expect('I9', isWithin, `${name} has ${has.cores} cores, and ${held.cores} are given away`)
  }
}

const causesOf: Record<'completed' | 'failed' | 'killed_oom' | 'timed_out', readonly string[]> = {
  completed: ['exited'],
  failed: ['exited', 'signaled'],
  killed_oom: ['oom'],
  timed_out: ['timeout'],
}
