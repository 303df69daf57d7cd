/** docs/limits.md: how much a host takes, from the one table of bounds. */
import { formatBytes, formatDuration } from '../../src/core/units.ts'
import { caps, limits } from '../../src/protocol/limits.ts'

const n = (value: number) => value.toLocaleString('en')

/** What is bounded, how, and what is answered beyond. */
const rows: [what: string, most: string, beyond: string][] = [
  ['body of a request', formatBytes(limits.bodyBytes), '413'],
  ['body for which no token is asked', formatBytes(caps.publicBodyBytes), '413'],
  ['bodies on their way, of an address and in all', `${formatBytes(caps.bodyBytesPerAddress)}, ${formatBytes(caps.bodyBytes)}`, '429'],
  ['`[` and `{` within each other in a body', n(caps.jsonDepth), '400'],
  ['line and headers of a request', formatBytes(caps.headerBytes), '431'],
  ['time until its headers, and until all of it has come', `${formatDuration(caps.headersMs)}, ${formatDuration(caps.requestMs)}`, '408'],
  ['one argument; a command line with its environment', `${formatBytes(limits.argumentBytes)}, ${formatBytes(limits.commandLineBytes)}`, '400'],
  ['tasks of a batch; their command lines and environments together', `${n(limits.tasksPerBatch)}; ${formatBytes(caps.batchBytes)}`, '413'],
  ['tasks that wait, of a user and in all (settings)', `${n(caps.pendingTasksPerUser)}, ${n(caps.pendingTasks)}`, '429'],
  ['command lines and environments of all tasks that have not ended', formatBytes(caps.openTaskBytes), '429'],
  ['tasks of one kill, rerun or list of ids', n(limits.bulkTasks), '400'],
  ['requests of an address at a time, streams apart', n(caps.requestsPerAddress), '429'],
  [`requests in ${formatDuration(caps.rateMs)}: of a token, of an address, without a token`, `${n(caps.requestsOfToken)}, ${n(caps.requestsOfAddress)}, ${n(caps.requestsAnonymous)}`, '429'],
  ['streams (events, live, logs, downloads, backups): of a user, of an address, in all', `${n(caps.streamsPerCaller)}, ${n(caps.streamsPerAddress)}, ${n(caps.streams)}`, '429'],
  ['answers that are not read yet, of an address and in all', `${formatBytes(caps.answerBytesPerAddress)}, ${formatBytes(caps.answerBytes)}`, '429'],
  ['time in which a client takes nothing of what waits for it', formatDuration(caps.slowMs), 'cut off'],
  ['connections of an address and in all', `${n(caps.connectionsPerAddress)}, ${n(caps.connections)}`, 'closed'],
  ['items of a page', n(limits.pageSize), '400'],
  ['text that is searched for', `${n(limits.searchChars)} characters`, '400'],
  ['links of runners', n(caps.links), '503'],
  ['messages and bytes of a runner in a second', `${n(caps.linkMessagesPerSecond)}, ${formatBytes(caps.linkBytesPerSecond)}`, 'read later'],
] // biome-ignore format: a table

/** The whole page. */
export function describeLimits(): string {
  return `# How much a host takes

Made from \`src/protocol/limits.ts\` by \`npm run docs\`.

So that no caller, by mistake or on purpose, fills a host's memory or keeps it from answering others. All of it is far
above ordinary use: a thousand nodes, a hundred thousand waiting tasks and a thousand screens are ordinary. A 429 says
when to come again (\`Retry-After\`). Health checks (\`/healthz\`, \`/readyz\`) are always answered, and what runners say
over their links is not counted as requests. Addresses of IPv6 count by their first 64 bits; behind a proxy, all of its
callers are one address.

| what | at most | beyond |
| --- | --- | --- |
${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}

How many tasks may wait is set by \`pending_tasks\` and \`pending_tasks_per_user\` in the section \`[limits]\` of the
[configuration](configuration.md).
`
}
