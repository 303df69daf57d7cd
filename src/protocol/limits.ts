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
