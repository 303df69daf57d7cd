/**
 * Every setting of host and runner: where it may come from, what it may be, and what it is for. From this one table
 * come the types, the checks, the help, the file that `hakuriver init` writes, and docs/configuration.md.
 */
import { join } from 'node:path'
import { caps } from '../protocol/limits.ts'

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** One setting. `key` is `section.name` in the file, of a table its section; null: not in the file. */
export interface Setting {
  key: string | null
  /** Without the dashes; null: no flag. */
  flag: string | null
  env: string | null
  /** Of a path, a relative one counts from the directory of the file, elsewhere from the working directory. */
  type: 'text' | 'path' | 'number' | 'switch' | 'size' | 'table'
  /** null: none, or one that is derived; the doc says which. */
  default: string | number | boolean | null
  /** The default where it depends on the machine, or on another setting of the same program, asked for by its key. */
  derive?: (machine: Machine, settingOf: (key: string) => Value) => string | number
  doc: string
  /** Of a number, both included. */
  min?: number
  max?: number
  isWhole?: boolean
  /** What a text may be. */
  choices?: readonly string[]
  /** What stands in the file that `init` writes where there is no default. */
  example?: string | number | Table
  /** Of a table: what its names and its texts may be. */
  entries?: { name: RegExp; value: RegExp; wanted: string }
  /** Never shown. */
  isSecret?: boolean
}

export type Value = string | number | boolean | Table | null

/** A section whose names are free, with a text for each. */
export type Table = Readonly<Record<string, string>>

/** What defaults are derived from. */
export interface Machine {
  /** Of the user's state: `$HAKURIVER_HOME` or `~/.hakuriver`. */
  home: string
  hostName: string
  tempDir: string
}

/** The type of a setting's value: null only where nothing stands in for it. */
export type ValueOf<S extends Setting> =
  | (S extends { choices: readonly (infer Choice)[] }
      ? Choice
      : S['type'] extends 'number'
        ? number
        : S['type'] extends 'switch'
          ? boolean
          : S['type'] extends 'table'
            ? Table
            : string)
  | (S extends { derive: unknown } ? never : null extends S['default'] ? null : never)

export const tlsChoices = ['auto', 'on', 'off'] as const

export const executorChoices = ['auto', 'systemd', 'systemd-user', 'process', 'fake'] as const

/** Every key of the configuration file, in the order in which it is written. The original's have its names. */
export const fileSettings = {
  bindAddress: { key: 'network.host_bind_ip', flag: 'bind', env: 'HAKURIVER_HOST_BIND_IP', type: 'text', default: '127.0.0.1', doc: 'Address that the host listens on: 127.0.0.1 is this machine only, 0.0.0.0 every network' },
  hostPort: { key: 'network.host_port', flag: 'port', env: 'HAKURIVER_HOST_PORT', type: 'number', default: 8000, min: 0, max: 65_535, isWhole: true, doc: 'Port of the host; for the host itself, 0 is any free one' },
  reachableAddress: { key: 'network.host_reachable_address', flag: null, env: 'HAKURIVER_HOST_REACHABLE_ADDRESS', type: 'text', default: null, doc: 'Name or address by which runners and commands reach the host, or its whole URL; default: 127.0.0.1', example: 'host.example' },
  tls: { key: 'network.tls', flag: 'tls', env: 'HAKURIVER_TLS', type: 'text', default: 'auto', choices: tlsChoices, doc: 'Does the host speak TLS: auto is on unless it listens on a loopback address only; off leaves everything, tokens too, readable on the network' },
  tlsCert: { key: 'network.tls_cert', flag: 'tls-cert', env: 'HAKURIVER_TLS_CERT', type: 'path', default: null, doc: 'Certificate of the host for browsers and commands, with its chain, as PEM; default: one of the own authority of the cluster. Runners always use that one', example: '/etc/hakuriver/host.pem' },
  tlsKey: { key: 'network.tls_key', flag: 'tls-key', env: 'HAKURIVER_TLS_KEY', type: 'path', default: null, doc: 'Key of that certificate, as PEM', example: '/etc/hakuriver/host.key' },
  runnerAddress: { key: 'network.runner_address', flag: null, env: 'HAKURIVER_RUNNER_ADDRESS', type: 'text', default: null, doc: 'Address of this runner; for reading only: runners dial the host, and nothing dials them', example: '192.168.1.11' },
  runnerPort: { key: 'network.runner_port', flag: null, env: 'HAKURIVER_RUNNER_PORT', type: 'number', default: null, min: 0, max: 65_535, isWhole: true, doc: 'Port of this runner; for reading only: a runner listens on none', example: 8001 },
  sharedDir: { key: 'paths.shared_dir', flag: 'shared-dir', env: 'HAKURIVER_SHARED_DIR', type: 'path', default: null, doc: 'Directory that host and nodes share: the output of tasks is written and read there; without it, output comes through the link', example: '/shared/hakuriver' },
  localTempDir: { key: 'paths.local_temp_dir', flag: 'local-temp-dir', env: 'HAKURIVER_LOCAL_TEMP_DIR', type: 'path', default: null, derive: ({ tempDir }) => join(tempDir, 'hakuriver'), doc: 'Fast local directory of a node, in which tasks start; default: hakuriver in the temp directory', example: '/tmp/hakuriver' },
  numactlPath: { key: 'paths.numactl_path', flag: null, env: 'HAKURIVER_NUMACTL_PATH', type: 'text', default: null, doc: 'Path of numactl on the nodes; default: that on PATH', example: '/usr/bin/numactl' },
  hostLogFile: { key: 'paths.host_log_file', flag: 'log-file', env: 'HAKURIVER_HOST_LOG_FILE', type: 'path', default: null, doc: 'Log file of the host; default: standard error', example: '/var/log/hakuriver-host.log' },
  runnerLogFile: { key: 'paths.runner_log_file', flag: 'log-file', env: 'HAKURIVER_RUNNER_LOG_FILE', type: 'path', default: null, doc: 'Log file of the runner; default: standard error', example: '/var/log/hakuriver-runner.log' },
  stateDir: { key: 'paths.state_dir', flag: 'state-dir', env: 'HAKURIVER_STATE_DIR', type: 'path', default: null, derive: ({ home }) => home, doc: 'Tokens and database of the host; default: $HAKURIVER_HOME or ~/.hakuriver', example: '/var/lib/hakuriver' },
  databaseFile: { key: 'database.db_file', flag: null, env: 'HAKURIVER_DB_FILE', type: 'path', default: null, derive: (_, settingOf) => join(String(settingOf('paths.state_dir')), 'cluster.db'), doc: 'SQLite database of the host, on a local disk; default: cluster.db in the state directory', example: '/var/lib/hakuriver/cluster.db' },
  heartbeatSeconds: { key: 'timing.heartbeat_interval', flag: 'heartbeat', env: 'HAKURIVER_HEARTBEAT_INTERVAL', type: 'number', default: 5, min: 0.01, max: 3600, doc: 'Seconds between heartbeats of a node' },
  silenceFactor: { key: 'timing.heartbeat_timeout_factor', flag: null, env: 'HAKURIVER_HEARTBEAT_TIMEOUT_FACTOR', type: 'number', default: 6, min: 1.01, max: 1000, doc: 'Heartbeats of silence until a node is unreachable' },
  watchSeconds: { key: 'timing.cleanup_check_interval', flag: null, env: 'HAKURIVER_CLEANUP_CHECK_INTERVAL', type: 'number', default: null, derive: (_, settingOf) => Number(settingOf('timing.heartbeat_interval')) / 2, min: 0.005, max: 3600, doc: 'Seconds between two looks for nodes that have fallen silent; default: half a heartbeat', example: 2.5 },
  requeueSeconds: { key: 'timing.requeue_after', flag: 'requeue-after', env: 'HAKURIVER_REQUEUE_AFTER', type: 'number', default: null, derive: (_, settingOf) => Math.max(300, 3 * Number(settingOf('timing.heartbeat_interval'))), min: 0.03, max: 604_800, doc: 'Seconds without a word of the host after which a node ends tasks of --requeue, so that they can be started elsewhere; at least 3 heartbeats; default: 300', example: 300 },
  pendingTasks: { key: 'limits.pending_tasks', flag: null, env: 'HAKURIVER_PENDING_TASKS', type: 'number', default: caps.pendingTasks, min: 1, max: 10_000_000, isWhole: true, doc: 'The most tasks that may wait: a submit beyond is refused; each waiting task takes some kilobytes of memory' },
  pendingTasksPerUser: { key: 'limits.pending_tasks_per_user', flag: null, env: 'HAKURIVER_PENDING_TASKS_PER_USER', type: 'number', default: caps.pendingTasksPerUser, min: 1, max: 10_000_000, isWhole: true, doc: 'The most tasks of one user that may wait' },
  nodeName: { key: 'runner.name', flag: 'name', env: 'HAKURIVER_NODE_NAME', type: 'text', default: null, derive: ({ hostName }) => hostName, doc: 'Name of this node; default: its host name', example: 'node1' },
  executor: { key: 'runner.executor', flag: 'executor', env: 'HAKURIVER_EXECUTOR', type: 'text', default: 'auto', choices: executorChoices, doc: 'How tasks are run: auto is the strongest way that works here' },
  taskUser: { key: 'runner.task_user', flag: 'task-user', env: 'HAKURIVER_TASK_USER', type: 'text', default: null, doc: 'User that tasks of everybody run as whom [users] does not name; default: that of the runner; where that is root, or has the launcher, nobody is taken whom [users] does not name', example: 'worker' },
  runnerUser: { key: 'runner.user', flag: null, env: null, type: 'text', default: 'hakuriver', doc: 'User of a runner that has the launcher (hakuriver init service --runner): the only one whom the launcher serves, and whom no task runs as' },
  privateTmp: { key: 'runner.private_tmp', flag: null, env: 'HAKURIVER_PRIVATE_TMP', type: 'switch', default: true, doc: 'Give each task a /tmp and /var/tmp of its own, where systemd runs tasks for root; local_temp_dir stays common to all' },
  tasksMax: { key: 'runner.tasks_max', flag: 'tasks-max', env: 'HAKURIVER_TASKS_MAX', type: 'number', default: 8192, min: 8, max: 4_194_304, isWhole: true, doc: 'The most processes and threads of one task, where systemd runs tasks' },
  sudo: { key: 'runner.sudo', flag: 'sudo', env: 'HAKURIVER_SUDO', type: 'switch', default: null, doc: 'Start units through sudo systemd-run; default: where sudo asks for no password and the user has no systemd of its own with limits' },
  logLimit: { key: 'runner.log_limit', flag: 'log-limit', env: 'HAKURIVER_LOG_LIMIT', type: 'size', default: '1G', doc: 'The most that is kept of the standard output of a task, and of its standard error: what comes after is dropped, and the log says so' },
  joinTokenFile: { key: 'runner.join_token_file', flag: 'join-token-file', env: 'HAKURIVER_JOIN_TOKEN_FILE', type: 'path', default: null, derive: ({ home }) => join(home, 'join-token'), doc: 'File with the token by which a runner joins; default: join-token in $HAKURIVER_HOME or ~/.hakuriver', example: '/etc/hakuriver/join-token' },
  runnerStateDir: { key: 'runner.state_dir', flag: 'state-dir', env: 'HAKURIVER_RUNNER_STATE_DIR', type: 'path', default: null, derive: ({ home }) => join(home, 'runner'), doc: 'What a runner keeps of its tasks; default: runner in $HAKURIVER_HOME or ~/.hakuriver', example: '/var/lib/hakuriver/runner' },
} as const satisfies Record<string, Setting> // biome-ignore format: a table

/** Sections of the file whose names are free. */
export const fileTables = {
  users: { key: 'users', flag: null, env: null, type: 'table', default: null, doc: 'Which local user the tasks of a user of HakuRiver run as on this node: NAME = "LOCAL USER" for each of them; "*" is everybody else, and "=" the local user of the same name. Whom nothing names is refused, unless the runner is an ordinary user and there is no such section. root is only who is named and mapped to "root"; "=" makes nobody a system user', example: { alice: 'worker', '*': '=' }, entries: { name: /^(\*|[a-z_][a-z0-9_-]{0,31})$/, value: /^(=|[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?)$/, wanted: 'the name of a local user in quotes, or "=" for the same name' } },
} as const satisfies Record<string, Setting> // biome-ignore format: a table

const logLevel = { key: null, flag: 'log-level', env: 'HAKURIVER_LOG_LEVEL', type: 'text', default: 'info', choices: logLevels, doc: 'How much is logged' } as const satisfies Setting // biome-ignore format: a table

/** What the host reads. */
export const hostSettings = {
  bindAddress: fileSettings.bindAddress,
  port: fileSettings.hostPort,
  reachableAddress: fileSettings.reachableAddress,
  tls: fileSettings.tls,
  tlsCert: fileSettings.tlsCert,
  tlsKey: fileSettings.tlsKey,
  stateDir: fileSettings.stateDir,
  databaseFile: fileSettings.databaseFile,
  sharedDir: fileSettings.sharedDir,
  heartbeatSeconds: fileSettings.heartbeatSeconds,
  silenceFactor: fileSettings.silenceFactor,
  watchSeconds: fileSettings.watchSeconds,
  requeueSeconds: fileSettings.requeueSeconds,
  pendingTasks: fileSettings.pendingTasks,
  pendingTasksPerUser: fileSettings.pendingTasksPerUser,
  insecureLoopback: { key: null, flag: 'insecure-loopback', env: null, type: 'switch', default: false, doc: 'No tokens; only on a loopback address' },
  logLevel,
  logFile: fileSettings.hostLogFile,
} as const satisfies Record<string, Setting> // biome-ignore format: a table

/** Of a node and of what surrounds its tasks. */
const nodeSettings = {
  name: fileSettings.nodeName,
  stateDir: fileSettings.runnerStateDir,
  sharedDir: fileSettings.sharedDir,
  localTempDir: fileSettings.localTempDir,
  numactlPath: fileSettings.numactlPath,
  taskUser: fileSettings.taskUser,
  users: fileTables.users,
  privateTmp: fileSettings.privateTmp,
  tasksMax: fileSettings.tasksMax,
} as const satisfies Record<string, Setting> // biome-ignore format: a table

/** What a runner reads. */
export const runnerSettings = {
  host: { key: null, flag: 'host', env: 'HAKURIVER_HOST_URL', type: 'text', default: null, doc: 'URL of the host; default: from host_reachable_address and host_port' },
  hostAddress: fileSettings.reachableAddress,
  // the host's own flag is not the runner's
  hostPort: { ...fileSettings.hostPort, flag: null },
  hostBind: { ...fileSettings.bindAddress, flag: null },
  tls: { ...fileSettings.tls, flag: null },
  joinToken: { key: null, flag: 'join-token', env: 'HAKURIVER_JOIN_TOKEN', type: 'text', default: null, isSecret: true, doc: 'Join token; better given in a file or in HAKURIVER_JOIN_TOKEN' },
  joinTokenFile: fileSettings.joinTokenFile,
  ...nodeSettings,
  executor: fileSettings.executor,
  sudo: fileSettings.sudo,
  logLimit: fileSettings.logLimit,
  logLevel,
  logFile: fileSettings.runnerLogFile,
} as const satisfies Record<string, Setting> // biome-ignore format: a table

/** What the launcher reads. */
export const launcherSettings = {
  ...nodeSettings,
  runnerUser: fileSettings.runnerUser,
  logLimit: fileSettings.logLimit,
} as const satisfies Record<string, Setting> // biome-ignore format: a table

/**
 * Keys of the original's configuration that mean nothing here, and what has taken their place; `section.*` is every
 * other key of a section.
 */
export const retiredKeys: ReadonlyMap<string, string | null> = new Map([
  ['network.host_ssh_proxy_port', null],
  ['timing.resource_check_interval', null],
  ['environment.runner_user', 'runner.task_user'],
  ['environment.*', null],
  ['docker.*', null],
  ['snapshots.*', null],
])
