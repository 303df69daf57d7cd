/** `hakuriver down`: stops what `up` started, and waits until it is gone. */
import { exitCodes } from '../../core/errors.ts'
import type { Context } from '../context.ts'
import { stopGraceMs } from '../up/cluster.ts'
import { isAlive, readUpState, removeUpState } from '../up/state.ts'
import { stopProcesses } from '../up/stop.ts'

/** `up` gives runner and host so long one after the other; then it is time for force. */
const graceMs = 2 * stopGraceMs + 2_000

/** Stops `up`, or what a killed `up` left behind. */
export async function down(context: Context): Promise<number> {
  const { home } = context
  const state = await readUpState(home)
  const named = state === null ? [] : [...state.children, { name: 'up', ...state.up }]
  const living = named.filter(isAlive)
  if (state === null || living.length === 0) {
    if (context.json) await context.printJson({ stopped: [], home })
    else await context.print(`Nothing to stop: no \`hakuriver up\` runs with its state in ${home}.`)
    return exitCodes.ok
  }
  const isOrderly = isAlive(state.up)
  // A living `up` ends its children in order; asking them ourselves as well would make it start them again.
  await stopProcesses(isOrderly ? [state.up] : living, living, graceMs)
  removeUpState(home)
  const stopped = living.map(({ name, pid }) => ({ name, pid }))
  if (context.json) await context.printJson({ stopped, home })
  else {
    const names = stopped.map(({ name, pid }) => `${name} (process ${pid})`).join(', ')
    await context.print(
      `Stopped ${state.url === null ? 'the cluster' : `the cluster at ${state.url}`}: ${names}.`,
    )
    await context.note('What was running goes on, and is found again by the next `hakuriver up`.')
  }
  return exitCodes.ok
}
