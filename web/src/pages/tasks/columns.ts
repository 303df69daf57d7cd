/** Columns of a list of tasks. */
import type { TaskSort } from '../../../../src/protocol/choices.ts'

export interface Column {
  key: 'state' | 'task' | 'owner' | 'id' | 'where' | 'cores' | 'memory' | 'since' | 'took' | 'cpu'
  label: string
  /** Its heading sorts by this. */
  sort?: TaskSort
  isNumber?: boolean
}

/** The list of a batch can be sorted by more, and shows what it can be sorted by. `hasOwners`: not all are one's own. */
export function columnsOf(isOfBatch: boolean, sort: TaskSort, hasOwners = false): Column[] {
  return [
    { key: 'state', label: 'State' },
    { key: 'task', label: 'Task' },
    ...(hasOwners ? [{ key: 'owner', label: 'Owner' } as const] : []),
    { key: 'id', label: 'Id', sort: 'submitted' },
    { key: 'where', label: 'Node' },
    { key: 'cores', label: 'Cores', isNumber: true },
    isOfBatch
      ? {
          key: 'memory',
          label: sort === 'peakMemory' ? 'Peak memory' : 'Memory',
          sort: 'peakMemory',
          isNumber: true,
        }
      : { key: 'memory', label: 'Memory', isNumber: true },
    ...(isOfBatch ? [{ key: 'cpu', label: 'CPU time', sort: 'cpuTime', isNumber: true } as const] : []),
    sort === 'ended'
      ? { key: 'since', label: 'Ended', sort: 'ended' }
      : isOfBatch
        ? { key: 'since', label: 'Since', sort: 'started' }
        : { key: 'since', label: 'Since' },
    { key: 'took', label: 'Took', isNumber: true, ...(isOfBatch && { sort: 'duration' as const }) },
  ]
}

/** What a sort is called in its menu. */
export const sortNames: Record<TaskSort, { name: string; desc: string; asc: string }> = {
  submitted: { name: 'Submitted', desc: 'newest first', asc: 'oldest first' },
  started: { name: 'Started', desc: 'latest first', asc: 'earliest first' },
  ended: { name: 'Ended', desc: 'latest first', asc: 'earliest first' },
  duration: { name: 'Duration', desc: 'longest first', asc: 'shortest first' },
  cpuTime: { name: 'CPU time', desc: 'most first', asc: 'least first' },
  peakMemory: { name: 'Peak memory', desc: 'most first', asc: 'least first' },
}
