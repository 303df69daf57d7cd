/** Prints how many tests passed, failed and were skipped, from vitest's JSON report, as one plain line. */
import { readFileSync } from 'node:fs'

interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
}

const report = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Report
const skipped = report.numPendingTests + report.numTodoTests
console.log(`${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped} skipped`)
