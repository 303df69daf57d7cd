/** `npm run chaos -- --minutes M --seed S`: see README.md. */
import { parseArgs } from 'node:util'
import { runChaos } from './chaos.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const seed = Number(values.seed)
const begin = performance.now()
const told: string[] = []
const tell = (line: string) => {
  const at = `${((performance.now() - begin) / 1000).toFixed(1).padStart(7)} s  ${line}`
  told.push(at)
  process.stderr.write(`${at}\n`)
}
const report = await runChaos({ ms: Number(values.minutes) * 60_000, seed, tell })
const list = (counts: Record<string, number>) =>
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')
process.stdout.write(
  `${values.minutes} minutes, seed ${seed}: ${report.tasks} tasks\n  ended: ${list(report.ends)}\n  faults: ${list(report.faults)}\n`,
)
for (const finding of report.findings) process.stdout.write(`  ${finding}\n`)
process.stdout.write(
  report.findings.length === 0 ? 'No promise was broken.\n' : `${report.findings.length} findings.\n`,
)
process.exit(report.findings.length === 0 ? 0 : 1)
