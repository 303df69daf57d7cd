/** Whom tasks run as here: the rules of the configuration, and what this runner can do. */
import { AppError } from '../core/errors.ts'
import { localUserOf, type RunnerRights } from '../core/local-user.ts'
import type { ExecutorInfo } from '../core/node.ts'
import { ownUserName } from '../platform/own-user.ts'
import type { RunnerConfig } from './config.ts'
import { findUser, readUidMin } from './users.ts'

type Config = Pick<RunnerConfig, 'nodeName' | 'users' | 'taskUser'>

/**
 * The user that a task of this API user runs as; null: the runner's own.
 * @throws AppError `not_permitted` in one sentence where it runs nothing of that one
 */
export function taskUserFor(owner: string, config: Config, executor: ExecutorInfo['name']): string | null {
  if (executor === 'fake') return null // nothing of the machine runs there
  const rights = rightsHere(config.nodeName, executor)
  const found = localUserOf(owner, config, rights)
  if ('refusal' in found) throw new AppError('not_permitted', found.refusal)
  return found.user === rights.ownUser && process.getuid?.() !== 0 ? null : found.user
}

/** Root can be anybody, and sudo makes whom it is asked for; both others run what they are. */
export function rightsHere(node: string, executor: ExecutorInfo['name']): RunnerRights {
  const isRoot = process.getuid?.() === 0
  return {
    node,
    ownUser: ownUserName(),
    canSwitch: isRoot || executor === 'systemd',
    deniesRest: isRoot,
    uidMin: readUidMin(),
    find: findUser,
  }
}
