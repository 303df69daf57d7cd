/** Where browsers tell that a page wanted what its content policy forbids (Content Security Policy Level 3, section 5). */
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'

export const cspReportPath = '/api/v1/csp-reports'

const maxBytes = 8 * 1024
/** Lines in the log in a minute; the others are only counted. */
const maxLines = 10
const minuteMs = 60_000
const shownChars = 200

/** Adds the route. Anybody may call it, so it does nothing but write a bounded number of short lines. */
export async function addCspReports(app: FastifyInstance, log: Log, clock: Clock): Promise<void> {
  let total = 0
  let lines = 0
  let endMs = 0
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'string' }, (_, body, done) => done(null, body))
    scope.post(cspReportPath, { bodyLimit: maxBytes, config: { audit: null } }, async (request, reply) => {
      const nowMs = clock.monotonic()
      if (nowMs >= endMs) {
        endMs = nowMs + minuteMs
        lines = 0
      }
      total += 1
      lines += 1
      // `total` tells how many were passed over
      if (lines <= maxLines)
        log.warn({ ...violationIn(request.body), total }, 'The web page broke its content policy')
      return reply.code(204).send()
    })
  })
}

/** What a report says, as far as it is one. Of addresses only the path: a query may hold anything. */
function violationIn(body: unknown): Record<string, string> {
  let report: unknown
  try {
    report = JSON.parse(String(body))['csp-report']
  } catch {
    // it is shown that there was one
  }
  if (typeof report !== 'object' || report === null) return { directive: 'unknown' }
  const entries = new Map(Object.entries(report))
  const text = (key: string) => {
    const value = entries.get(key)
    return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, shownChars) : ''
  }
  const address = (key: string) => text(key).replace(/[?#].*$/s, '')
  return {
    directive: text('effective-directive') || text('violated-directive'),
    blocked: address('blocked-uri'),
    page: address('document-uri'),
    source: `${address('source-file')}:${text('line-number')}`,
  }
}
