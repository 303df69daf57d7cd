/** The nodes with their newest load: the last answer of the host, and over it what the stream has told since. */
import { computed } from 'vue'
import { liveLoads } from '../../api/live.ts'
import { useNodes } from '../../api/queries.ts'
import { withLoad } from './nodes.ts'

export function useLiveNodes() {
  const { data, error, isPending, refetch } = useNodes()
  const nodes = computed(() => (data.value ?? []).map((node) => withLoad(node, liveLoads.get(node.name))))
  return { nodes, error, isPending, refetch }
}
