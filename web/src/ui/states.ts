/** How each status looks: a tone, a shape and a word. A new status does not compile until it has them. */
import { type Status, statuses } from '../../../src/core/task.ts'

export type Tone = 'wait' | 'flow' | 'good' | 'bad' | 'doubt' | 'stop'

interface Look {
  tone: Tone
  word: string
  /** Drawn on 16 × 16: filled, and stroked. */
  fill?: string
  stroke?: string
}

export const looks: Record<Status, Look> = {
  pending: { tone: 'wait', word: 'pending', stroke: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11' },
  assigning: {
    tone: 'flow',
    word: 'assigning',
    stroke: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11',
    fill: 'M8 5.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0-5',
  },
  running: { tone: 'flow', word: 'running', fill: 'M4 2.2l10 5.8l-10 5.8z' },
  unreachable: {
    tone: 'doubt',
    word: 'unreachable',
    stroke: 'M5.2 5.6c0-4 5.8-4 5.8-.2c0 2.4-2.9 2.4-2.9 4.6M8.1 13.4h.01',
  },
  killing: {
    tone: 'doubt',
    word: 'killing',
    stroke: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M5.9 5.9l4.2 4.2M10.1 5.9l-4.2 4.2',
  },
  completed: { tone: 'good', word: 'completed', stroke: 'M2.5 8.6l3.7 3.9l7.3-8.6' },
  failed: { tone: 'bad', word: 'failed', stroke: 'M3.4 3.4l9.2 9.2M12.6 3.4l-9.2 9.2' },
  killed: { tone: 'stop', word: 'killed', fill: 'M3 3h10v10h-10z' },
  killed_oom: {
    tone: 'bad',
    word: 'killed: out of memory',
    fill: 'M2.5 5h11v6h-11z',
    stroke: 'M5 2.5v2M8 2.5v2M11 2.5v2M5 11.5v2M8 11.5v2M11 11.5v2',
  },
  timed_out: {
    tone: 'bad',
    word: 'timed out',
    stroke: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 5v3.2l2.2 1.5',
  },
  lost: { tone: 'bad', word: 'lost', stroke: 'M8 2.2l6 11h-12zM8 6.4v3M8 11.4h.01' },
}

/** The tone of a whole batch: what is worst about it, else what it does. */
export function toneOfCounts(counts: Partial<Record<Status, number>>): Tone {
  const has = (...wanted: Tone[]) =>
    statuses.some((status) => (counts[status] ?? 0) > 0 && wanted.includes(looks[status].tone))
  if (has('bad')) return 'bad'
  if (has('doubt')) return 'doubt'
  if (has('flow')) return 'flow'
  if (has('wait')) return 'wait'
  return has('stop') ? 'stop' : 'good'
}
