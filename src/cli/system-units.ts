/**
 * Units of an installation for the whole machine, as text: pure. Host and runner, which the network reaches, have no
 * root and see next to nothing; the launcher, which is root, has no network, and is reached by the runner alone.
 */
import { dirname } from 'node:path'
import { systemUser } from '../platform/system-service.ts'
import { backOff, commandOf, type ProgramFiles, quoted, unitFileOf, unitMark } from './service-unit.ts'

export interface SystemUnit {
  files: ProgramFiles
  /** HAKURIVER_HOME. */
  home: string
  systemdVersion: number | null
  /** Directories that it writes to beside its own, by the configuration. */
  writes: readonly string[]
}

export const launcherSocketFile = 'hakuriver-launcher.socket'
export const launcherServiceFile = 'hakuriver-launcher@.service'

/** `lowPort`: it is to listen below 1024, which takes a capability. */
export function hostSystemUnit(unit: SystemUnit & { lowPort: boolean }): string {
  const bind = unit.lowPort ? 'CAP_NET_BIND_SERVICE' : ''
  return text([
    ...heading(unitFileOf('host'), 'HakuRiver host: keeps the nodes and tasks of the cluster', ''),
    ...daemon(unit, 'StateDirectory=hakuriver', 'StateDirectoryMode=0700'),
    ...['# the last to go where memory runs out', 'OOMScoreAdjust=-500', ''],
    ...confined(unit),
    ...['RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK', 'PrivateTmp=yes', 'ProcSubset=pid'],
    ...['ProtectProc=invisible', 'SystemCallFilter=~@privileged @resources'],
    ...[`CapabilityBoundingSet=${bind}`, `AmbientCapabilities=${bind}`],
    // a capability of a user namespace of its own opens no port of the machine (user_namespaces(7))
    ...(unit.lowPort ? [] : ['PrivateUsers=yes']),
    ...installed('multi-user.target'),
  ])
}

export function runnerSystemUnit(unit: SystemUnit): string {
  const after = `${launcherSocketFile} ${unitFileOf('host')}`
  return text([
    ...heading(unitFileOf('runner'), 'HakuRiver runner: takes tasks for this machine', after),
    ...daemon(unit, 'StateDirectory=hakuriver', 'StateDirectoryMode=0700'),
    '# what it holds of its tasks means something until the next boot',
    ...['RuntimeDirectory=hakuriver-runner', 'RuntimeDirectoryMode=0700', 'RuntimeDirectoryPreserve=yes'],
    ...['OOMScoreAdjust=-500', ''],
    ...confined(unit),
    ...['RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK', 'PrivateTmp=yes', 'PrivateUsers=yes'],
    // it reads the load of the machine in /proc, and asks numactl
    ...[
      'ProtectProc=invisible',
      'SystemCallFilter=~@privileged',
      'CapabilityBoundingSet=',
      'AmbientCapabilities=',
    ],
    ...installed('multi-user.target', `Also=${launcherSocketFile}`),
  ]).replace('[Unit]\n', `[Unit]\nRequires=${launcherSocketFile}\n`)
}

/**
 * One connection at a time: a second runner is refused by systemd, and the kernel says who is at the other end
 * (systemd.socket(5), Accept=).
 */
export function launcherSocketUnit(socketPath: string): string {
  return text([
    `${unitMark} Your changes belong into: systemctl edit ${launcherSocketFile}`,
    ...['[Unit]', 'Description=HakuRiver launcher: starts tasks for the runner', ''],
    ...['[Socket]', `ListenStream=${socketPath}`, 'Accept=yes', 'MaxConnections=1'],
    ...[
      'SocketUser=root',
      `SocketGroup=${systemUser}`,
      'SocketMode=0660',
      'DirectoryMode=0711',
      'RemoveOnStop=yes',
    ],
    ...installed('sockets.target'),
  ])
}

/** `localTempDir` and `sharedDir`: made for the tasks where they are not there yet. */
export function launcherServiceUnit(
  unit: SystemUnit & { localTempDir: string; sharedDir: string | null },
): string {
  const made = [dirname(unit.localTempDir), ...(unit.sharedDir === null ? [] : [unit.sharedDir])]
  return text([
    `${unitMark} Your changes belong into: systemctl edit ${launcherServiceFile}`,
    ...[
      '[Unit]',
      'Description=HakuRiver launcher: starts tasks for the runner',
      'CollectMode=inactive-or-failed',
      '',
    ],
    ...['[Service]', 'Type=exec', '# %i: whom the kernel says is at the other end'],
    `ExecStart=${commandOf(unit.files, ['--peer', { specifier: '%i' }])}`,
    ...['StandardInput=socket', 'StandardOutput=journal', 'StandardError=journal'],
    `Environment=${quoted(`HAKURIVER_HOME=${unit.home}`)}`,
    ...['StateDirectory=hakuriver-launcher', 'StateDirectoryMode=0711'],
    ...['RuntimeDirectory=hakuriver', 'RuntimeDirectoryMode=0711', 'RuntimeDirectoryPreserve=yes'],
    ...['OOMScoreAdjust=-500', 'UMask=0027', 'LimitNOFILE=65536', 'TasksMax=64', ''],
    ...confined({ ...unit, writes: [...unit.writes, ...made] }),
    '# no network at all; PID 1 it reaches by its Unix socket',
    ...['PrivateNetwork=yes', 'IPAddressDeny=any', 'RestrictAddressFamilies=AF_UNIX'],
    '# it gives the start scripts of tasks to their users, and reads what these note',
    ...['CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER', 'AmbientCapabilities='],
  ])
}

function heading(file: string, description: string, after: string): string[] {
  return [
    `${unitMark} Your changes belong into: systemctl edit ${file}`,
    ...['[Unit]', `Description=${description}`, 'Wants=network-online.target'],
    `After=network-online.target remote-fs.target${after === '' ? '' : ` ${after}`}`,
    ...['# never gives up', 'StartLimitIntervalSec=0', ''],
  ]
}

function daemon(unit: SystemUnit, ...own: string[]): string[] {
  return [
    ...['[Service]', 'Type=exec', `ExecStart=${commandOf(unit.files, [])}`],
    ...[`User=${systemUser}`, `Group=${systemUser}`, ...own],
    `Environment=${quoted(`HAKURIVER_HOME=${unit.home}`)}`,
    ...['Restart=always', ...backOff(unit.systemdVersion), 'UMask=0077', 'LimitNOFILE=65536'],
  ]
}

/** What none of them needs (systemd.exec(5)). V8 makes code at run time: MemoryDenyWriteExecute stays off. */
function confined({ files, writes }: SystemUnit): string[] {
  const inHome = [files.nodeFile, files.programFile, files.configFile ?? ''].some((file) =>
    /^\/(home|root|run\/user)\//.test(file),
  )
  return [
    ...['# What it does not need.', 'NoNewPrivileges=yes', 'ProtectSystem=strict'],
    `ProtectHome=${inHome ? 'read-only' : 'yes'}`,
    ...writes.map((path) => `ReadWritePaths=${quoted(`-${path}`)}`),
    ...[
      'PrivateDevices=yes',
      'DevicePolicy=closed',
      'PrivateIPC=yes',
      'ProtectClock=yes',
      'ProtectHostname=yes',
    ],
    ...['ProtectKernelTunables=yes', 'ProtectKernelModules=yes', 'ProtectKernelLogs=yes'],
    ...['ProtectControlGroups=yes', 'RestrictNamespaces=yes', 'RestrictRealtime=yes', 'RestrictSUIDSGID=yes'],
    ...['LockPersonality=yes', 'RemoveIPC=yes', 'KeyringMode=private', 'SystemCallArchitectures=native'],
    ...['SystemCallFilter=@system-service', 'SystemCallErrorNumber=EPERM'],
  ]
}

function installed(target: string, ...more: string[]): string[] {
  return ['', '[Install]', `WantedBy=${target}`, ...more]
}

function text(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`
}
