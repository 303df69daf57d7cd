/** How much a caller may send and ask for at a time; without the schemas, which a CLI call has no time to build. */

/** Bounds on everything that a caller can make large. */
export const limits = {
  bodyBytes: 4 * 1024 * 1024,
  /** One argument: the kernel's MAX_ARG_STRLEN less the closing NUL (execve(2)). */
  argumentBytes: 131_071,
  /** All arguments and environment of one task together; the kernel allows a quarter of the stack limit. */
  commandLineBytes: 1024 * 1024,
  tasksPerBatch: 10_000,
  pageSize: 1_000,
  logReadBytes: 1024 * 1024,
  /** Lines of a log in one answer. */
  logLines: 1_000,
  /** Of each line so many bytes are shown; the rest is in the download. */
  logLineBytes: 8 * 1024,
  /** Of all lines of one answer together; at least one line is given. */
  logPageBytes: 1024 * 1024,
  logMatches: 500,
  /** Of a line in which something was found so many bytes are shown, around it. */
  logMatchBytes: 1024,
  /** Tasks of one kill, rerun or list of ids. */
  bulkTasks: 10_000,
  previewItems: 1_000,
  usageTasks: 100,
  /** Attempts of one message of a runner on what they use. */
  usageItems: 4_096,
  searchChars: 200,
  users: 10_000,
  /** Tokens of one user that can be used, without browsers. */
  tokensPerUser: 100,
  labelChars: 100,
  /** A login by invitation waits at most so long. */
  invitationSeconds: 7 * 86_400,
  /** Of a token that is to end at all. */
  tokenSeconds: 10 * 365 * 86_400,
  /** Body of a join or a renewal. */
  joinBytes: 16 * 1024,
  /** Invitations of one call. */
  joinTokens: 100,
  /** How long an invitation may be good. */
  joinTokenSeconds: 7 * 86_400,
} as const

/**
 * Bounds on what all callers together, or one of them, can make a host do at a time. Far above ordinary use: a thousand
 * nodes, a hundred thousand waiting tasks, and a thousand screens are ordinary.
 */
export const caps = {
  /** Open connections, with those of runners; a further one is closed at once. */
  connections: 8_192,
  connectionsPerAddress: 4_096,
  /** Line and headers of a request; beyond: 431. */
  headerBytes: 16 * 1024,
  /** So long a request may take until its headers, and until all of it has come; beyond: 408. */
  headersMs: 20_000,
  requestMs: 60_000,
  /** Requests of an address that are being answered, without streams; beyond: 429. */
  requestsPerAddress: 512,
  /** Requests within `rateMs`; beyond: 429. `Anonymous`: without a token or a session. */
  rateMs: 10_000,
  requestsOfToken: 100_000,
  requestsOfAddress: 200_000,
  requestsAnonymous: 5_000,
  /** Bodies that are being received, by what they say of their length; beyond: 429. */
  bodyBytes: 256 * 1024 * 1024,
  bodyBytesPerAddress: 64 * 1024 * 1024,
  /** Answers that their readers have not taken yet; beyond: 429. */
  answerBytes: 512 * 1024 * 1024,
  answerBytesPerAddress: 256 * 1024 * 1024,
  /** Of a body for which no token is asked. */
  publicBodyBytes: 16 * 1024,
  /** `[` and `{` within each other in a body; beyond: 400. */
  jsonDepth: 32,
  /** Answers that go on: events, live, logs, downloads, backups; beyond: 429. */
  streams: 2_048,
  streamsPerAddress: 1_024,
  streamsPerCaller: 1_024,
  /** A client that takes nothing of what waits for it for so long is cut off. */
  slowMs: 120_000,
  /** Tasks that wait; a submit beyond: 429. The defaults of settings. */
  pendingTasks: 300_000,
  pendingTasksPerUser: 200_000,
  /** Command lines and environments of the tasks of one batch together; beyond: 413. */
  batchBytes: 64 * 1024 * 1024,
  /** And of all tasks that have not ended; a submit beyond: 429. */
  openTaskBytes: 512 * 1024 * 1024,
  /** Runners that are linked or about to be; beyond: 503. */
  links: 4_096,
  /** Messages and bytes of one runner in a second; beyond, the rest is read later. */
  linkMessagesPerSecond: 20_000,
  linkBytesPerSecond: 64 * 1024 * 1024,
} as const

export type Caps = { readonly [K in keyof typeof caps]: number }
