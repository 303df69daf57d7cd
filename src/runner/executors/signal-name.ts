/** Names of signals, as the account of an end has them. */
import { constants } from 'node:os'

/** Name of a signal by its number, such as SIGKILL for 9; null: there is none. */
export function signalName(number: number): string | null {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? null
}
