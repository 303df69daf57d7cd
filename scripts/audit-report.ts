/** Judges what `npm audit --json` says (its report version 2). Pure. */

export interface Verdict {
  /** `unknown`: nobody could be asked. */
  state: 'ok' | 'red' | 'unknown'
  lines: string[]
}

/** Severities that nothing is released with. */
const bad = ['high', 'critical']

interface Advisory {
  title?: string
  url?: string
  severity?: string
}

export function judgeAudit(report: unknown): Verdict {
  if (!isObject(report)) return { state: 'unknown', lines: ['npm audit has said nothing that can be read'] }
  if (!isObject(report.vulnerabilities)) {
    const why =
      typeof report.statusCode === 'number' ? `it answers ${report.statusCode}` : String(report.message)
    return { state: 'unknown', lines: [`the package registry has no audit (${why}): not checked`] }
  }
  const found = Object.entries(report.vulnerabilities).flatMap(([name, each]) =>
    isObject(each) && bad.includes(String(each.severity)) ? [lineOf(name, each)] : [],
  )
  if (found.length > 0) return { state: 'red', lines: found }
  const count = Object.keys(report.vulnerabilities).length
  return {
    state: 'ok',
    lines: count === 0 ? [] : [`npm audit knows ${count} of less weight; npm audit tells them`],
  }
}

function lineOf(name: string, { severity, range, via }: Record<string, unknown>): string {
  const reasons = (Array.isArray(via) ? via : []).map((each: Advisory | string) =>
    typeof each === 'string' ? `by ${each}` : `${each.title ?? ''} ${each.url ?? ''}`.trim(),
  )
  return `${String(severity)}: ${name} ${String(range)}: ${reasons.join('; ')}`
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
