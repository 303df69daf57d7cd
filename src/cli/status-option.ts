/** The option that takes statuses. */
import { InvalidArgumentError, Option } from 'commander'
import { type Status, statuses } from '../core/task.ts'
import { asList } from '../platform/option-types.ts'

/** Statuses, with commas or given several times. */
export function statusList(flags: string, description: string): Option {
  return new Option(flags, description).default([], '').argParser((value, before) => {
    const known: ReadonlySet<string> = new Set(statuses)
    const wrong = value.split(',').find((word) => !known.has(word))
    if (wrong !== undefined) throw new InvalidArgumentError(`Write one of ${statuses.join(', ')}.`)
    return [...asList(before), ...value.split(',')] as Status[]
  })
}
