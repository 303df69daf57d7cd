/** The tasks of a node with the signs they have on its page: letter and colour, in the grid as in the list. */
import type { TaskView } from '../../../../src/protocol/schemas.ts'
import { colourOf, letterOf } from './core-grid.ts'

export interface SignedTask {
  task: TaskView
  letter: string
  /** `--tell-1` to `--tell-8`. */
  colour: string
}

export function signed(tasks: readonly TaskView[], signs: ReadonlyMap<string, number>): SignedTask[] {
  return tasks.map((task) => {
    const sign = signs.get(task.id) ?? 0
    return { task, letter: letterOf(sign), colour: `var(--tell-${colourOf(sign)})` }
  })
}
