/** `hakuriver doctor`: looks at this machine and its way to the host, and says what to do about what it finds. */
import { AppError, exitCodes } from '../../core/errors.ts'
import type { Context } from '../context.ts'
import { gather } from '../doctor/gather.ts'
import { judge, type Part } from '../doctor/judge.ts'
import { renderFindings } from '../doctor/render.ts'
import { ownFile } from '../sibling.ts'

/**
 * Checks what applies, or the host's or runner's part alone; further words are that program's flags. 0 where there
 * is no problem. `own` is this program's file: host and runner lie beside it.
 */
export async function doctor(
  words: string[],
  context: Context,
  own: string = ownFile(),
  programDeadlineMs?: number,
): Promise<number> {
  const { io } = context
  const { part, flags } = readWords(words)
  const groups = judge(await gather({ part, flags, context, ownFile: own, programDeadlineMs }))
  const findings = groups.flatMap((group) => group.findings)
  if (context.json) await context.printJson(findings)
  else {
    const { stdout } = io
    const width = stdout.isTty ? stdout.size().columns : null
    await context.print(renderFindings(groups, width, context.colors))
  }
  return findings.some(({ status }) => status === 'problem') ? exitCodes.failed : exitCodes.ok
}

function readWords(words: string[]): { part: Part; flags: string[] } {
  const [first, ...rest] = words
  if (first === undefined || first.startsWith('-')) return { part: 'all', flags: words }
  if (first === 'host' || first === 'runner') return { part: first, flags: rest }
  throw new AppError('invalid_request', `doctor checks the host or the runner, not "${first}"`, {
    details: { fix: 'Write hakuriver doctor, hakuriver doctor host, or hakuriver doctor runner.' },
  })
}
