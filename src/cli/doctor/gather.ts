/** Collects the facts: each program tells what it finds for itself, all at once, each with a deadline. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { HostFacts, RunnerFacts } from '../../platform/check-facts.ts'
import { probeHost } from '../../platform/host-probe.ts'
import type { Io } from '../../platform/io.ts'
import { runBriefly } from '../../platform/run-briefly.ts'
import { tlsByFile } from '../../platform/tls-pin.ts'
import { version } from '../../platform/version.ts'
import { noAnswer } from '../../platform/wait.ts'
import type { Context } from '../context.ts'
import type { HostAddress } from '../host-address.ts'
import { installedService } from '../installed-service.ts'
import { programFile } from '../sibling.ts'
import { readUpSettings, taskUserOf } from '../up/settings.ts'
import { readUpState } from '../up/state.ts'
import type { DoctorFacts, Part, Told } from './judge.ts'

export interface GatherOptions {
  part: Part
  /** Handed to the program that is checked: those with which it is started. */
  flags: readonly string[]
  context: Pick<Context, 'address' | 'configFile' | 'io' | 'home'>
  /** For what each program looks at; default: as long as a person waits. */
  programDeadlineMs?: number | undefined
  /** This program's own file: the others lie beside it. */
  ownFile: string
}

/** The programs have 3 s for themselves. */
const defaultDeadlineMs = 4_200
const probeDeadlineMs = 3_000

export async function gather(options: GatherOptions): Promise<DoctorFacts> {
  const { part, context } = options
  const { io, home } = context
  const found = await findAddress(context)
  const runnerFlags =
    part === 'host' ? null : [...(await flagsOfUp(context)), ...flagsForRunner(options, found)]
  const [client, runner, host] = await Promise.all([
    part === 'all' ? probeClient(found, io) : null,
    runnerFlags === null ? null : ask<RunnerFacts>('runner', runnerFlags, options),
    part === 'runner' ? null : ask<HostFacts>('host', part === 'host' ? options.flags : [], options),
  ])
  const installed = await installedService(part === 'host' ? 'host' : 'runner', context)
  const configPath =
    namedByFlag(options.flags) ?? context.configFile ?? installed?.configFile ?? join(home, 'config.toml')
  return {
    part,
    version,
    nodeVersion: process.versions.node,
    configPath: existsSync(configPath) ? configPath : null,
    client,
    runner,
    host,
    nowMs: io.now(),
  }
}

/** The configuration file that the checked program is handed. */
function namedByFlag(flags: readonly string[]): string | undefined {
  const at = flags.findIndex((flag) => flag === '--config' || flag.startsWith('--config='))
  return at < 0 ? undefined : (/^--config=(.*)$/.exec(flags[at] ?? '')?.[1] ?? flags[at + 1])
}

type Found = { address: HostAddress } | { error: string }

async function findAddress(context: GatherOptions['context']): Promise<Found> {
  try {
    return { address: await context.address() }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

/**
 * A host that was named, or runs here, is the runner's too: `up` starts it so. What follows `--` comes last and wins.
 */
function flagsForRunner({ flags, context }: GatherOptions, found: Found): string[] {
  if (!('address' in found)) return [...flags]
  const { url, urlFrom } = found.address
  const isNamed = urlFrom === '--host' || urlFrom === join(context.home, 'host.json')
  return isNamed ? ['--host', url, ...flags] : [...flags]
}

/** Where `up` keeps a cluster, its runner is told by flag whom tasks run as. */
async function flagsOfUp({ io, home }: GatherOptions['context']): Promise<string[]> {
  if ((await readUpState(home)) === null) return []
  try {
    const user = taskUserOf(readUpSettings(io, home))
    return user === null ? [] : ['--task-user', user]
  } catch {
    return [] // a wrong configuration is told as that
  }
}

async function probeClient(found: Found, io: Io): Promise<DoctorFacts['client']> {
  if ('error' in found) return found
  const { url, token, urlFrom, tokenNote, ca } = found.address
  const known = ca()
  const tls = known === null ? null : tlsByFile(known)
  const probe = await probeHost({ url, token, tls, deadlineMs: probeDeadlineMs, now: () => io.now() }, null)
  return { probe, from: urlFrom, tokenNote }
}

/** What a sibling program finds. It prints JSON of this very version: it is of the same installation. */
async function ask<T>(
  name: 'host' | 'runner',
  flags: readonly string[],
  { context, ownFile, programDeadlineMs = defaultDeadlineMs }: GatherOptions,
): Promise<Told<T>> {
  try {
    const { home, configFile, as } = (await installedService(name, context)) ?? { ...context, as: null }
    const config = configFile === null ? [] : ['--config', configFile]
    const words = [process.execPath, programFile(name, ownFile), '--check', ...config, ...flags]
    const env = { ...context.io.env, HAKURIVER_HOME: home }
    const { code, stdout, stderr, isLate } = await runBriefly(words, programDeadlineMs, {
      env,
      ...(as === null ? { cwd: process.cwd() } : { as }),
    })
    if (isLate) return { silent: noAnswer(programDeadlineMs), isLate }
    if (code === 0) return { facts: JSON.parse(stdout) as T }
    return { silent: stderr.trim().split('\n')[0] || `it ended with ${code}`, isLate }
  } catch (error) {
    return { silent: error instanceof Error ? error.message : String(error), isLate: false }
  }
}
