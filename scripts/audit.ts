/** Red where a package is known to be dangerous (`npm audit`); where the registry knows nothing of that, one line says so. */
import { spawnSync } from 'node:child_process'
import { judgeAudit } from './audit-report.ts'

const { stdout } = spawnSync('npm', ['audit', '--json'], { encoding: 'utf8', timeout: 60_000 })
let report: unknown = null
try {
  report = JSON.parse(stdout)
} catch {
  // judged as it is
}
const { state, lines } = judgeAudit(report)
for (const line of lines) process.stdout.write(`audit: ${line}\n`)
process.exitCode = state === 'red' ? 1 : 0
