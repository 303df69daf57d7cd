/** One scenario from its begin to its end, and what came of it. */
import { Violation } from './checker.ts'
import { SimClient } from './client.ts'
import { faultyMs, type Scenario } from './faults.ts'
import { World } from './world.ts'

/** Virtual time after the last fault in which every accepted task has to end. */
const boundMs = 15 * 60_000
/** And then for the last acknowledgements. */
const settleMs = 60_000

export interface Outcome {
  violation: Violation | null
  /** Tasks that were accepted. */
  tasks: number
  steps: number
  virtualMs: number
  traceHash: number
}

export async function runScenario(
  scenario: Scenario,
  print: ((line: string) => void) | null = null,
): Promise<Outcome> {
  const world = new World(scenario, print)
  const { timeline, checker } = world
  const isBroken = () => world.violation !== null
  try {
    await world.start()
    const client = new SimClient(world)
    client.work(scenario.tasks, faultyMs)
    for (const fault of scenario.faults) timeline.after(fault.atMs, () => world.strike(fault))
    await timeline.runUntil(lastTroubleMs(scenario), isBroken)
    world.heal()
    await timeline.runUntil(
      timeline.nowMs + boundMs,
      () => isBroken() || (client.open === 0 && checker.isDone()),
    )
    if (!isBroken()) {
      await timeline.runUntil(timeline.nowMs + settleMs, isBroken)
      checker.expect('I1', client.open === 0, `${client.open} submits are not answered long after all faults`)
      checker.settled()
      world.checkClean()
    }
    return {
      violation: world.violation,
      tasks: checker.accepted.size,
      steps: timeline.steps,
      virtualMs: timeline.nowMs,
      traceHash: world.traceHash,
    }
  } finally {
    world.close()
  }
}

/** When the last fault is over by itself, and a minute more. */
function lastTroubleMs({ faults }: Scenario): number {
  const ends = faults.map((fault) => fault.atMs + ('downMs' in fault ? fault.downMs : 0))
  return Math.max(faultyMs, ...ends) + 60_000
}

/** The same twice over: the second run has to take the same course. */
export async function runTwice(
  scenario: Scenario,
  print: ((line: string) => void) | null = null,
): Promise<Outcome> {
  const first = await runScenario(scenario, print)
  const second = await runScenario(scenario)
  if (first.traceHash === second.traceHash) return first
  return { ...first, violation: new Violation('trace', 'the same scenario took another course') }
}
