/** The name of the systemd unit that runs an attempt: what systemd refuses to load twice. */

const unitName = /^hakuriver-task-(\d{1,16})-(\d{1,9})\.service$/

/** The unit's name of one attempt. */
export function unitNameOf(taskId: number, attempt: number): string {
  return `hakuriver-task-${taskId}-${attempt}.service`
}

/** The attempt that a unit's name stands for; null: not one of ours. */
export function attemptOfUnit(name: string): { taskId: number; attempt: number } | null {
  const match = unitName.exec(name)
  return match === null ? null : { taskId: Number(match[1]), attempt: Number(match[2]) }
}
