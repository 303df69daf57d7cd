/** docs/exit-codes.md: what the CLI ends with, and what HTTP says, from the one table of errors. */
import { errorTable, exitCodes } from '../../src/core/errors.ts'

const meanings: Record<keyof typeof exitCodes, string> = {
  ok: 'done',
  failed: 'it failed; the message says why',
  usage: 'the command line or the request is wrong, or can never be satisfied',
  notFound: 'there is no such task, batch, node, user, token or login',
  notPermitted:
    'the token is missing, wrong, or does not allow it; or a file may not be read or written, or the host cannot prove itself',
  hostUnreachable: 'the host cannot be reached or is not ready',
  timeout: 'the wait took longer than allowed',
  lost: 'the awaited task is `lost`: nobody can know how it ended',
}

/** Each exit code and its meaning. */
export const exitMeanings: readonly (readonly [code: string, meaning: string])[] = Object.entries(
  exitCodes,
).map(([name, code]) => [String(code), meanings[name as keyof typeof exitCodes]])

/** The whole page. */
export function describeExitCodes(): string {
  const exits = exitMeanings.map(([code, meaning]) => `| ${code} | ${meaning} |`)
  const errors = Object.entries(errorTable).map(
    ([code, { http, exit }]) => `| \`${code}\` | ${http} | ${exit} |`,
  )
  return `# Exit codes and errors

Made from \`src/core/errors.ts\` by \`npm run docs\`.

## Exit codes of the command line

| code | meaning |
| --- | --- |
${exits.join('\n')}

\`hakuriver wait\` and \`submit --wait\` of one task end with the task's own code: its exit code, 128 + n where signal n
ended it, 137 where it was killed or ran out of memory, 124 where it timed out, 7 where it is lost, 1 where it could
not be started. Of several tasks: 0 where all completed, else 1.

## Errors of the API

Every error has the same body: \`{ "code", "message", "details", "requestId" }\`. Programs read \`code\`.

| code | HTTP | exit |
| --- | --- | --- |
${errors.join('\n')}
`
}
