/** The simulation itself takes the same course twice, keeps every promise in some new scenarios, and in those of the past. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scenarios } from './faults.ts'
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

  it.each(pastFailures)('found once that $found', async ({ scenario }) => {
    expect((await runTwice(scenario)).violation).toBeNull()
  })
})
