/** A runner's executor on this very machine, and attempts to give it. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spec } from '../../src/core/builders.suite.ts'
import type { TaskExit, TaskSpec } from '../../src/core/task.ts'
import { waitFor } from '../../src/platform/wait.ts'
import { chooseExecutor } from '../../src/runner/choose-executor.ts'
import { loadRunnerConfig } from '../../src/runner/config.ts'
import { Seen } from '../../src/runner/executors/executor.suite.ts'
import type { Executor, ExecutorDeps, LaunchSpec } from '../../src/runner/executors/executor.ts'
import { readBootId } from '../../src/runner/hardware.ts'

export type MakeExecutor = (deps: ExecutorDeps) => Promise<Executor>
type Adjust = (launch: LaunchSpec, root: string, runnerId: string) => LaunchSpec

/** As a runner with these flags would choose it. */
export function chosen(...flags: string[]): MakeExecutor {
  return (deps) =>
    chooseExecutor(loadRunnerConfig({ argv: flags, env: { HAKURIVER_HOME: '/nowhere' } }), deps)
}

/** A directory of attempts that every user can enter. */
export function openRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'hakuriver-inside-'))
  chmodSync(root, 0o755)
  return root
}

let lastTask = (Date.now() % 1_000_000_000) * 1_000

/** A runner without a host: it starts attempts and keeps what it was told. */
export class Runner {
  readonly seen = new Seen()
  readonly logged: string[] = []
  readonly root: string
  executor!: Executor // set by open()
  private readonly user: string | null
  private readonly adjust: Adjust | undefined

  private constructor(root: string, user: string | null, adjust: Adjust | undefined) {
    this.adjust = adjust
    this.root = root
    this.user = user
  }

  static async open(make: MakeExecutor, root: string, user: string | null, adjust?: Adjust): Promise<Runner> {
    const runner = new Runner(root, user, adjust)
    runner.executor = await make({
      events: runner.seen,
      now: Date.now,
      bootId: readBootId(),
      runnerId: 'runner-1',
      log: (message, fields) => runner.logged.push(`${message} ${JSON.stringify(fields ?? {})}`),
    })
    return runner
  }

  launch(wanted: Partial<TaskSpec>, overrides: Partial<LaunchSpec> = {}): LaunchSpec {
    lastTask += 1
    const taskDir = join(this.root, 'tasks', `${lastTask}-1`)
    mkdirSync(taskDir, { recursive: true })
    const made: LaunchSpec = {
      taskId: lastTask,
      attempt: 1,
      owner: 'admin',
      spec: spec(wanted),
      numaId: null,
      extraEnv: { HAKURIVER_TASK_ID: String(lastTask), HAKURIVER_ATTEMPT: '1' },
      taskDir,
      stdoutPath: join(this.root, `${lastTask}.out`),
      stderrPath: join(this.root, `${lastTask}.err`),
      defaultCwd: this.root,
      user: this.user,
      ...overrides,
    }
    return this.adjust?.(made, this.root, 'runner-1') ?? made
  }

  /** Starts an attempt and waits until its command runs. */
  async running(wanted: Partial<TaskSpec>): Promise<LaunchSpec> {
    const launch = this.launch(wanted)
    await this.executor.start(launch)
    await waitFor('the start', () => this.seen.startsOf(launch)[0] ?? this.seen.exitsOf(launch)[0])
    return launch
  }

  /** Runs an attempt to its end. */
  async run(wanted: Partial<TaskSpec>): Promise<Ended> {
    const launch = this.launch(wanted)
    await this.executor.start(launch)
    const exit = await this.seen.exitOf(launch)
    return {
      launch,
      exit,
      out: readFileSync(launch.stdoutPath),
      err: readFileSync(launch.stderrPath, 'utf8'),
    }
  }

  close(): Promise<void> {
    return this.executor.close()
  }
}

export interface Ended {
  launch: LaunchSpec
  exit: TaskExit
  out: Buffer
  err: string
}

export function removeRoot(root: string): void {
  rmSync(root, { recursive: true, force: true })
}
