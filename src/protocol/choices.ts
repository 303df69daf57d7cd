/** What can be chosen in queries; without the schemas, which neither the CLI nor the web page has time to build. */

/** By what tasks are sorted. */
export const taskSorts = ['submitted', 'started', 'ended', 'duration', 'cpuTime', 'peakMemory'] as const
export type TaskSort = (typeof taskSorts)[number]

/** How far back a history goes. */
export const historyRanges = ['hour', 'day', 'month'] as const
export type HistoryRange = (typeof historyRanges)[number]
