/** `hakuriver.runner --check`: what a runner would find on this machine, as facts in JSON. It starts nothing. */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { everybodyElse, sameName } from '../core/local-user.ts'
import type { RunnerFacts, SharedFileFacts, TaskUserFacts } from '../platform/check-facts.ts'
import { type As, checkDirectory, removeCheckFile } from '../platform/directory-check.ts'
import { askForSharedFile, type ProbeOptions, probeHost } from '../platform/host-probe.ts'
import { isLocked } from '../platform/instance-lock.ts'
import { ownUserName } from '../platform/own-user.ts'
import { version } from '../platform/version.ts'
import { inTime } from '../platform/wait.ts'
import type { DialTls } from '../platform/wire.ts'
import { decideExecutor, usesLauncher } from './choose-executor.ts'
import { loadRunnerConfig, type RunnerConfig } from './config.ts'
import { isPlainPath } from './executors/systemd/unit.ts'
import { dialTls, readIdentity } from './identity.ts'
import { cgroupFacts, numactlFacts, systemdFacts, userManagerFacts } from './machine-facts.ts'
import { becomeBySudo, sudoProblem } from './sudo.ts'
import { becomeUser, findUser } from './users.ts'

/** What is not known by then is not waited for, so that whoever asked is answered, however broken the machine is. */
const budgetMs = 3_000
/** sudo comes first: where it works, directories are tried through it. */
const sudoDeadlineMs = 1_200
/** The last steps get so long also where the time is up. */
const leastMs = 300

/** Looks at everything at once. Never rejects. */
export async function checkRunner(
  argv: readonly string[],
  env: Record<string, string | undefined>,
): Promise<RunnerFacts> {
  const { config, error } = readConfig(argv, env)
  const isRoot = process.getuid?.() === 0
  const left = countdown(budgetMs)
  const hasLauncher = config !== null && usesLauncher(config)
  const needsNothing = isRoot || hasLauncher
  const sudo = needsNothing ? null : inTime(sudoProblem(), sudoDeadlineMs, 'sudo did not answer in time')
  const taskUser = config === null ? null : taskUserOf(config)
  const [systemd, sudoTold, numactl, executor, directories, host, isRunning] = await Promise.all([
    systemdFacts(isRoot, budgetMs),
    sudo,
    config === null ? null : numactlFacts(config.numactlPath, budgetMs),
    config === null ? null : inTime(tellExecutor(config), budgetMs, null),
    config === null || taskUser === null ? null : checkDirectories(config, taskUser, sudo, left),
    config === null ? null : probeHost(probeOf(config, budgetMs), config.nodeName),
    config === null ? false : isLocked(config.stateDir, 'runner'),
  ])
  return {
    version,
    configError: error,
    config: config === null ? null : toldConfig(config),
    user: { name: ownUserName(), isRoot },
    hasLauncher,
    systemd,
    cgroup: cgroupFacts(),
    sudo: needsNothing ? null : { problem: sudoTold },
    userManager: needsNothing ? null : userManagerFacts(),
    executor,
    numactl,
    taskUser,
    stateDir: directories?.stateDir ?? null,
    localTempDir: directories?.localTempDir ?? null,
    sharedDir: directories?.sharedDir ?? null,
    sharedDirOfTasks: directories?.sharedDirOfTasks ?? null,
    sharedFile: directories?.sharedFile ?? null,
    isRunning,
    hasRun: config !== null && existsSync(join(config.stateDir, 'runner-id')),
    host,
  }
}

function readConfig(argv: readonly string[], env: Record<string, string | undefined>) {
  try {
    return { config: loadRunnerConfig({ argv, env }), error: null }
  } catch (error) {
    if (error instanceof AppError) return { config: null, error: error.message }
    throw error
  }
}

function toldConfig({ nodeName, hostUrl, joinToken, stateDir }: RunnerConfig): RunnerFacts['config'] {
  return {
    node: nodeName,
    hostUrl,
    hasJoinToken: joinToken !== null,
    certificate: hostUrl.startsWith('https:') ? certificateOf(stateDir) : null,
  }
}

function certificateOf(stateDir: string): { endsAt: string } | { problem: string } | null {
  try {
    const identity = readIdentity(stateDir)
    return identity === null ? null : { endsAt: new Date(identity.notAfterMs).toISOString() }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

/** Tells how much of a time is left, in milliseconds. */
function countdown(ms: number): () => number {
  const endMs = performance.now() + ms
  return () => Math.max(leastMs, Math.round(endMs - performance.now()))
}

/** As the runner: by its certificate where it has joined by one. */
function probeOf(config: RunnerConfig, deadlineMs: number): ProbeOptions {
  const { hostUrl, joinToken } = config
  const tls = identityOf(config)
  return { url: hostUrl, token: tls === null ? joinToken : null, tls, deadlineMs }
}

/** null: there is none, or it cannot be used; the host says then what it lacks. */
function identityOf(config: RunnerConfig): DialTls | null {
  try {
    return dialTls(config)
  } catch {
    return null
  }
}

async function tellExecutor(config: RunnerConfig): Promise<RunnerFacts['executor']> {
  try {
    return await decideExecutor(config)
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

/** By the rules of the configuration; without any its own user. */
function taskUserOf({ taskUser, users }: RunnerConfig): TaskUserFacts {
  const own = ownUserName()
  const mapped = Object.values(users ?? {}).filter((user) => user !== sameName)
  const rest = users?.[everybodyElse]
  const name = (rest === sameName ? undefined : rest) ?? taskUser ?? mapped[0] ?? own
  const isOwn = name === own
  return {
    name,
    exists: isOwn || findUser(name) !== null,
    isNamed: taskUser !== null || users !== null,
    isOwn,
    users,
    missing: [...new Set(mapped)].filter((user) => user !== own && findUser(user) === null),
  }
}

type DirectoryKeys = 'stateDir' | 'localTempDir' | 'sharedDir' | 'sharedDirOfTasks' | 'sharedFile'

/** In its own directory and the shared one the runner writes, in the temporary and the shared one tasks do. */
async function checkDirectories(
  config: RunnerConfig,
  taskUser: TaskUserFacts,
  sudo: Promise<string | null> | null,
  left: () => number,
): Promise<Pick<RunnerFacts, DirectoryKeys>> {
  const own: As = { user: ownUserName(), words: [] }
  const hasSudo = sudo !== null && (await sudo) === null
  const asTask = (path: string) => {
    const user = findUser(taskUser.name)
    if (taskUser.isOwn || user === null) return own
    if (process.getuid?.() === 0) return { user: user.name, words: becomeUser(user) }
    return hasSudo && isPlainPath(path) ? { user: user.name, words: becomeBySudo(user.name) } : own
  }
  const { stateDir, localTempDir, sharedDir } = config
  const [ownDir, temp, shared, sharedDirOfTasks] = await Promise.all([
    checkDirectory(stateDir, { as: own, deadlineMs: left() }),
    checkDirectory(localTempDir, { as: asTask(localTempDir), deadlineMs: left() }),
    sharedDir === null ? null : checkShared(config, sharedDir, own, left),
    sharedDir === null || asTask(sharedDir) === own
      ? null
      : checkDirectory(sharedDir, { as: asTask(sharedDir), deadlineMs: left() }),
  ])
  return {
    stateDir: ownDir,
    localTempDir: temp,
    sharedDir: shared?.directory ?? null,
    sharedDirOfTasks,
    sharedFile: shared?.file ?? null,
  }
}

/** Leaves a file there until the host has said what it sees. */
async function checkShared(config: RunnerConfig, path: string, as: As, left: () => number) {
  const name = randomUUID()
  const content = `A check of hakuriver: this file may be removed. ${randomUUID()}\n`
  const directory = await checkDirectory(path, { as, deadlineMs: left(), leave: { name, content } })
  if (directory.state !== 'ok') return { directory, file: null }
  try {
    return { directory, file: await askUntilSeen(config, name, content, left) }
  } finally {
    await removeCheckFile(path, name, as, left())
  }
}

/** A shared file system may take a moment to show a file elsewhere, and the host may be busy with another check. */
const againMs = 150
const seenDeadlineMs = 1_200

async function askUntilSeen(
  config: RunnerConfig,
  name: string,
  content: string,
  left: () => number,
): Promise<SharedFileFacts> {
  const written = {
    size: Buffer.byteLength(content),
    sha256: createHash('sha256').update(content).digest('hex'),
  }
  const patience = countdown(seenDeadlineMs)
  for (;;) {
    const told = await askForSharedFile(probeOf(config, left()), name)
    const isSeen = told.answer !== null && told.answer.state !== 'absent'
    if (isSeen || Math.min(left(), patience()) <= leastMs) return { ...told, ...written }
    await new Promise((resolve) => setTimeout(resolve, againMs))
  }
}
