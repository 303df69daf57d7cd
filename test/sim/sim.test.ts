/** The simulation itself takes the same course twice, keeps every promise in some new scenarios, and in those of the past. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Fault, scenarios } from './faults.ts'
import { runScenario, runTwice } from './run.ts'
import { pastFailures } from './seeds.ts'

describe('a simulated cluster', () => {
  it('takes the same course each time, and another one from another seed', async () => {
    const scenario = { seed: 1, nodes: 3, tasks: 30, faults: [] }
    const first = await runScenario(scenario)
    expect(first).toMatchObject({ violation: null, tasks: 30 })
    expect((await runScenario(scenario)).traceHash).toBe(first.traceHash)
    expect((await runScenario({ ...scenario, seed: 2 })).traceHash).not.toBe(first.traceHash)
  })

  it('keeps every promise whatever fails', async () => {
    const keeps = fc.asyncProperty(scenarios(50), async (scenario) => {
      expect((await runTwice(scenario)).violation).toBeNull()
    })
    await fc.assert(keeps, { numRuns: 40 })
  })

  it.each<[string, Fault['kind'][]]>([
    ['row 1: a host that is killed, between any two steps', ['host_crash']],
    ['row 3: runners that are killed, between any two steps', ['runner_crash']],
    ['row 4: nodes that lose power, with their disk or without', ['node_power']],
    ['row 5: links that are cut, one way or both, and flap', ['cut', 'flap']],
    ['row 6: messages that are lost, doubled, late and out of order', ['reset', 'clog', 'flap']],
    [
      'row 10: full disks of host and nodes',
      ['host_disk_full', 'node_disk_full', 'host_crash', 'runner_crash'],
    ],
    ['row 13: clocks that are wrong and are set', ['host_clock', 'node_clock', 'host_crash', 'cut']],
    ['row 21: slow disks and programs that stand still', ['host_disk_slow', 'host_stall', 'runner_stall']],
    ['row 23: stops and upgrades of host and runners', ['host_restart', 'runner_restart', 'cut']],
  ])('%s', async (_, kinds) => {
    const keeps = fc.asyncProperty(scenarios(40, ...kinds), async (scenario) => {
      expect((await runScenario(scenario)).violation).toBeNull()
    })
    await fc.assert(keeps, { numRuns: 25 })
  })

  it('row 2: gets the results of tasks that ended while the host was away for hours', async () => {
    const faults: Fault[] = [{ kind: 'host_crash', atMs: 60_000, downMs: 6 * 3_600_000, calls: 0 }]
    const outcome = await runScenario({ seed: 5, nodes: 3, tasks: 200, faults })
    expect(outcome).toMatchObject({ violation: null, tasks: 200 })
  })

  it.each(pastFailures)('found once that $found', async ({ scenario }) => {
    expect((await runTwice(scenario)).violation).toBeNull()
  })
})
