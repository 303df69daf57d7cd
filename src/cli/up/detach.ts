/** `up --detach`: the same command once more, in the background, watched until it works. */
import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../core/errors.ts'
import { makePrivateDir } from '../../platform/files.ts'
import { openLog, writtenSince } from './log-file.ts'
import { isAlive, readUpState, type UpState } from './state.ts'

export interface DetachOptions {
  home: string
  ownFile: string
  /** Words after `up`. */
  words: string[]
  env: Readonly<Record<string, string | undefined>>
  signal: AbortSignal
}

/** Longer than the start-up of host and runner may take together. */
const readyDeadlineMs = 75_000
const lookMs = 50

/**
 * Starts it and resolves once the cluster works, whoever started it.
 * @throws AppError with what it said where it ended instead
 */
export async function startDetached(options: DetachOptions): Promise<UpState> {
  const { home, ownFile, words, env, signal } = options
  const logs = join(home, 'logs')
  await makePrivateDir(logs)
  const log = openLog(join(logs, 'up.log'))
  const stdio: ('ignore' | number)[] = ['ignore', log.fd, log.fd]
  const child = spawn(process.execPath, [ownFile, 'up', ...words], {
    env: { ...env, HAKURIVER_HOME: home },
    stdio,
    detached: true,
  })
  closeSync(log.fd)
  const death: { how: string | null } = { how: null }
  child.once('error', (error) => {
    death.how = error.message
  })
  child.once('exit', (code, endedBy) => {
    death.how = endedBy ?? `exit code ${code}`
  })
  child.unref()
  for (const end = performance.now() + readyDeadlineMs; performance.now() < end && !signal.aborted; ) {
    // Asked before the look: one that ended because another was quicker has left a state to find.
    const { how } = death
    const state = await readUpState(home)
    if (
      state !== null &&
      state.url !== null &&
      isAlive(state.up) &&
      (how !== null || state.up.pid === child.pid)
    )
      return state
    if (how !== null) throw failure(log, how)
    await sleep(lookMs, undefined, { signal }).catch(() => {})
  }
  child.kill('SIGTERM')
  throw new AppError(
    'timeout',
    signal.aborted ? 'interrupted before the cluster was up' : 'the cluster did not come up in time',
    {
      details: { fix: `The log: ${log.path}` },
    },
  )
}

/** What it said on its own standard error, as this command's own failure. */
function failure(log: { path: string; from: number }, how: string): AppError {
  const said = writtenSince(log)
    .trimEnd()
    .replace(/^hakuriver: /, '')
  const [cause = '', ...more] = said.split('\n')
  const message = said === '' ? `the cluster did not come up (${how})` : [cause, ...more].join('\n')
  return new AppError('conflict', message, said === '' ? { details: { fix: `The log: ${log.path}` } } : {})
}
