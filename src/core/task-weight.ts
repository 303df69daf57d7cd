/** About how many bytes a task takes where it is kept: what a caller can make large, and a little for the rest. */
import type { TaskSpec } from './task.ts'

const restBytes = 200
const itemBytes = 8
const known = new WeakMap<TaskSpec, number>()

/** The same spec is counted once, however many tasks have it. */
export function weightOf(spec: TaskSpec): number {
  let bytes = known.get(spec)
  if (bytes === undefined) {
    const texts = [spec.command, ...spec.arguments, ...Object.entries(spec.env).flat(), spec.cwd ?? '']
    bytes = texts.reduce((sum, text) => sum + text.length + itemBytes, restBytes)
    known.set(spec, bytes)
  }
  return bytes
}
