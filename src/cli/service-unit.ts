/** The systemd unit of a daemon, as text: pure. */
import { AppError } from '../core/errors.ts'

/** Absolute paths: of Node, of the program, of the configuration (null: that in its home, where there is one). */
export interface ProgramFiles {
  nodeFile: string
  programFile: string
  configFile: string | null
}

export interface ServiceUnit extends ProgramFiles {
  name: 'host' | 'runner'
  /** HAKURIVER_HOME. */
  home: string
  /** Whom it runs as; null: root. */
  user: string | null
  /** Its tasks are units of their own, or it has none: what holds for it does not hold for them. */
  isApart: boolean
  /** Of systemd, where it is known. */
  systemdVersion: number | null
}

/** The first line of a unit that is ours to write anew. */
export const unitMark = '# Written by hakuriver init service.'

/** `hakuriver-host.service`, `hakuriver-runner.service`. */
export function unitFileOf(name: ServiceUnit['name']): string {
  return `hakuriver-${name}.service`
}

const about: Record<ServiceUnit['name'], string> = {
  host: 'HakuRiver host: keeps the nodes and tasks of the cluster',
  runner: 'HakuRiver runner: runs tasks on this machine',
}

/**
 * The whole unit (systemd.service(5), systemd.exec(5)). It is started again for as long as it takes. Tasks go on when
 * it stops: those under systemd are units of their own, and `KillMode=process` leaves plain processes alone.
 * @throws AppError `invalid_request` for a path that cannot stand in a unit
 */
export function serviceUnit(unit: ServiceUnit): string {
  const { name, home, user } = unit
  const lines = [
    `${unitMark} Your changes belong into: systemctl edit ${unitFileOf(name)}`,
    '[Unit]',
    `Description=${about[name]}`,
    'Wants=network-online.target',
    `After=network-online.target remote-fs.target${name === 'runner' ? ` ${unitFileOf('host')}` : ''}`,
    '# never gives up',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=exec',
    `ExecStart=${commandOf(unit, [])}`,
    ...(user === null ? [] : [`User=${user}`]),
    `Environment=${quoted(`HAKURIVER_HOME=${home}`)}`,
    'Restart=always',
    ...backOff(unit.systemdVersion),
    ...(name === 'runner'
      ? taskLines
      : ['# the last to go where memory runs out', 'OOMScoreAdjust=-500', 'UMask=0077']),
    'LimitNOFILE=65536',
    ...(unit.isApart ? ['', ...hardening, ...(name === 'host' ? hostHardening : [])] : []),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ]
  return `${lines.join('\n')}\n`
}

/** More and more slowly, where systemd can (254); an older one would only warn of what it does not know. */
export function backOff(systemdVersion: number | null): string[] {
  if (systemdVersion !== null && systemdVersion < 254) return ['RestartSec=2s']
  return ['RestartSec=1s', 'RestartSteps=6', 'RestartMaxDelaySec=60s']
}

const taskLines = [
  '# a restart of the runner is no end of its tasks, also where they are plain processes',
  'KillMode=process',
  'OOMPolicy=continue',
  'TasksMax=infinity',
]

const hardening = [
  '# What it does not need. Tasks under systemd are units of their own, for which nothing of this holds.',
  'NoNewPrivileges=yes',
  'ProtectSystem=full',
  'ProtectKernelTunables=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelLogs=yes',
  'ProtectControlGroups=yes',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'LockPersonality=yes',
  'SystemCallArchitectures=native',
]

/** Root among these may read what tasks of any user have written, and listen on a low port. */
const hostHardening = [
  'CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_NET_BIND_SERVICE',
  'PrivateDevices=yes',
  'ProtectClock=yes',
  'ProtectHostname=yes',
  'SystemCallFilter=@system-service',
  'SystemCallErrorNumber=EPERM',
]

/**
 * The words of `ExecStart=`. The program's path is not searched for variables, the words behind it are. A specifier is
 * systemd's to fill in.
 */
export function commandOf(
  { nodeFile, programFile, configFile }: ProgramFiles,
  words: readonly (string | { specifier: string })[],
): string {
  const all = [programFile, ...words, ...(configFile === null ? [] : ['--config', configFile])]
  const shown = all.map((word) =>
    typeof word === 'string' ? quoted(word).replaceAll('$', '$$$$') : word.specifier,
  )
  return [quoted(nodeFile), ...shown].join(' ')
}

/** HAKURIVER_HOME in the text of a unit of ours; null: it is not there. */
export function homeInUnit(unit: string): string | null {
  const word = /^Environment=(.*HAKURIVER_HOME=.*)$/m.exec(unit)?.[1]
  return word === undefined ? null : plain(word).replace('HAKURIVER_HOME=', '')
}

/** The configuration that a unit of ours names; null: it names none. */
export function configInUnit(unit: string): string | null {
  const word = /^ExecStart=.* --config (.*)$/m.exec(unit)?.[1]
  return word === undefined ? null : plain(word).replaceAll('$$', '$')
}

/** Whom a unit of ours runs as; null: root. */
export function userInUnit(unit: string): string | null {
  return /^User=(.*)$/m.exec(unit)?.[1] ?? null
}

/** What `quoted` was given. */
function plain(word: string): string {
  const bare = word.startsWith('"') ? word.slice(1, -1).replace(/\\(["\\])/g, '$1') : word
  return bare.replaceAll('%%', '%')
}

/** A word as systemd reads it back: `%` begins a specifier (systemd.unit(5)), quotes and spaces part words (systemd.syntax(7)). */
export function quoted(word: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(word)) {
    throw new AppError(
      'invalid_request',
      `systemd cannot start ${JSON.stringify(word)}: it has control characters`,
      {
        details: { fix: 'Move it to a path without them.' },
      },
    )
  }
  const escaped = word.replaceAll('%', '%%')
  return /^[A-Za-z0-9_@:+,=./%$-]+$/.test(escaped) ? escaped : `"${escaped.replace(/["\\]/g, '\\$&')}"`
}
