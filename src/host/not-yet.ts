/** Endpoints of the contract that are being built. */
import { AppError } from '../core/errors.ts'
import type { EndpointName, Handlers } from '../protocol/host-api.ts'
import type { Caller } from './caller.ts'

const names = [
  'getTaskUsage', 'listUsage', 'getNodeHistory', 'getHistory', 'listNodeHistories',
] as const satisfies EndpointName[] // biome-ignore format: a list

export const notYet = Object.fromEntries(
  names.map((name) => [
    name,
    async () => {
      throw new AppError('internal', `${name} is not built yet`)
    },
  ]),
) as unknown as Pick<Handlers<Caller>, (typeof names)[number]>
