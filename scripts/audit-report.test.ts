import { describe, expect, it } from 'vitest'
import { judgeAudit } from './audit-report.ts'

/** As npm 11 prints them; names and advisories are made up. */
const report = (severity: string) => ({
  auditReportVersion: 2,
  vulnerabilities: {
    'left-pad': {
      name: 'left-pad',
      severity,
      isDirect: false,
      via: [
        {
          source: 1_234_567,
          name: 'left-pad',
          dependency: 'left-pad',
          title: 'Left of the pad',
          url: 'https://github.com/advisories/GHSA-xxxx-xxxx-xxxx',
          severity,
          cwe: ['CWE-1'],
          cvss: { score: 9.8, vectorString: 'CVSS:3.1/AV:N' },
          range: '<1.3.1',
        },
      ],
      effects: ['pad'],
      range: '<1.3.1',
      nodes: ['node_modules/left-pad'],
      fixAvailable: true,
    },
    pad: {
      name: 'pad',
      severity,
      isDirect: true,
      via: ['left-pad'],
      effects: [],
      range: '*',
      nodes: [],
      fixAvailable: false,
    },
  },
  metadata: { vulnerabilities: { info: 0, low: 0, moderate: 0, high: 2, critical: 0, total: 2 } },
})

describe('what npm audit says', () => {
  it.each(['high', 'critical'])('is red where it is %s, and tells by what', (severity) => {
    expect(judgeAudit(report(severity))).toEqual({
      state: 'red',
      lines: [
        `${severity}: left-pad <1.3.1: Left of the pad https://github.com/advisories/GHSA-xxxx-xxxx-xxxx`,
        `${severity}: pad *: by left-pad`,
      ],
    })
  })

  it.each(['info', 'low', 'moderate'])('is told where it is %s', (severity) => {
    expect(judgeAudit(report(severity))).toMatchObject({
      state: 'ok',
      lines: [expect.stringContaining('2 of less weight')],
    })
  })

  it('is well where there is nothing', () => {
    expect(judgeAudit({ auditReportVersion: 2, vulnerabilities: {}, metadata: {} })).toEqual({
      state: 'ok',
      lines: [],
    })
  })

  it('is unknown where nobody answers, and says so in one line', () => {
    const refused = {
      message: '405 Method Not Allowed - POST https://registry.example/-/npm/v1/security/advisories/bulk',
      method: 'POST',
      statusCode: 405,
      error: { summary: '', detail: '' },
    }
    expect(judgeAudit(refused)).toEqual({
      state: 'unknown',
      lines: ['the package registry has no audit (it answers 405): not checked'],
    })
    expect(judgeAudit({ message: 'network timeout', error: {} }).state).toBe('unknown')
    for (const nothing of [null, 'text', 1, undefined]) expect(judgeAudit(nothing).state).toBe('unknown')
  })
})
