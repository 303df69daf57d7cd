/**
 * `npm run fuzz [-- --seconds N] [-- --only NAME]`: gives everything that reads from outside what nobody means well, for
 * so long each, from a new seed; prints how often, and what was found.
 */
import { parseArgs } from 'node:util'
import { type FuzzTarget, runOnce } from './target.ts'
import { targets } from './targets.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    only: { type: 'string' },
    seed: { type: 'string' },
  },
})
/** Runs of one seed: few enough that a finding is found again soon. */
const runsPerSeed = 200

async function fuzz(target: FuzzTarget, seconds: number, firstSeed: number): Promise<string[]> {
  const findings: string[] = []
  const endMs = performance.now() + seconds * 1_000
  let open = await target.open()
  let runs = 0
  for (let seed = firstSeed; performance.now() < endMs; seed += 1) {
    const found = await runOnce(open, runsPerSeed, seed)
    runs += found.runs
    if (found.finding === null) continue
    findings.push(`${target.name}, seed ${seed}: ${found.finding}`)
    process.stdout.write(`${findings.at(-1)}\n`)
    // what it has come to says no more
    await open.close().catch((error: unknown) => findings.push(`${target.name}: ${String(error)}`))
    open = await target.open()
    if (findings.length >= 10) break
  }
  await open.close().catch((error: unknown) => findings.push(`${target.name}: ${String(error)}`))
  process.stdout.write(`${target.name}: ${runs} executions, ${findings.length} findings\n`)
  return findings
}

const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
process.stdout.write(`seed ${seed}\n`)
const all: string[] = []
for (const target of targets)
  if (values.only === undefined || target.name.includes(values.only))
    all.push(...(await fuzz(target, Number(values.seconds), seed)))
process.exit(all.length === 0 ? 0 : 1)
