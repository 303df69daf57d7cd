/** The range of a page's history, in its address: an hour unless it says otherwise. */
import { computed, type WritableComputedRef } from 'vue'
import type { HistoryRange } from '../../../src/protocol/choices.ts'
import { useQueryState } from './query-state.ts'

export const ranges: readonly HistoryRange[] = ['hour', 'day', 'month']

export function useRange(): WritableComputedRef<HistoryRange> {
  const word = useQueryState('range')
  return computed({
    get: () => ranges.find((range) => range === word.value) ?? 'hour',
    set: (range) => {
      word.value = range === 'hour' ? null : range
    },
  })
}
