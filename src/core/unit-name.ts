/**
 * The name of the systemd unit that runs an attempt: what systemd refuses to load twice. Hosts number their tasks by
 * the clock, so two of them may give out the same ids: the runner's own mark tells their units apart.
 */

const unitName = /^hakuriver-task-(\d{1,16})-(\d{1,9})-([0-9a-z]{1,8})\.service$/

/** Short mark of a runner by its id: one state directory's life, on whichever host. */
export function runnerMark(runnerId: string): string {
  return runnerId
    .toLowerCase()
    .replace(/[^0-9a-z]/g, '')
    .slice(0, 8)
    .padEnd(1, '0')
}

/** The unit's name of one attempt of a runner. */
export function unitNameOf(taskId: number, attempt: number, runnerId: string): string {
  return `hakuriver-task-${taskId}-${attempt}-${runnerMark(runnerId)}.service`
}

/** The attempt that a unit's name stands for, and the mark of its runner; null: not one of ours. */
export function attemptOfUnit(name: string): { taskId: number; attempt: number; mark: string } | null {
  const [, taskId, attempt, mark] = unitName.exec(name) ?? []
  if (mark === undefined) return null
  return { taskId: Number(taskId), attempt: Number(attempt), mark }
}
