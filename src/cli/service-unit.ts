/** The systemd unit of a daemon, as text: pure. */
import { AppError } from '../core/errors.ts'
import type { ProgramName } from './sibling.ts'

export interface ServiceUnit {
  name: ProgramName
  /** Absolute paths: of Node, of the program, of the configuration. */
  nodeFile: string
  programFile: string
  configFile: string | null
  /** HAKURIVER_HOME; null: `.hakuriver` in the home directory of whom it runs as. */
  home: string | null
  /** Whom it runs as; null: root. */
  user: string | null
}

/** `hakuriver-host.service`, `hakuriver-runner.service`. */
export function unitFileOf(name: ProgramName): string {
  return `hakuriver-${name}.service`
}

const about: Record<ProgramName, string> = {
  host: 'HakuRiver host: keeps the nodes and tasks of the cluster',
  runner: 'HakuRiver runner: runs tasks on this machine',
}

/**
 * The whole unit (systemd.service(5)). It is started again for as long as it takes, more and more slowly. Tasks go on
 * when it stops: those under systemd are units of their own, and `KillMode=process` leaves plain processes alone.
 * @throws AppError `invalid_request` for a path that systemd would read as something else
 */
export function serviceUnit({ name, nodeFile, programFile, configFile, home, user }: ServiceUnit): string {
  const words = [nodeFile, programFile, ...(configFile === null ? [] : ['--config', configFile])]
  const lines = [
    '[Unit]',
    `Description=${about[name]}`,
    'Wants=network-online.target',
    'After=network-online.target remote-fs.target',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    `ExecStart=${words.map(unitWord).join(' ')}`,
    ...(user === null ? [] : [`User=${unitWord(user)}`]),
    ...(home === null ? [] : [`Environment=HAKURIVER_HOME=${unitWord(home)}`]),
    'Restart=always',
    'RestartSec=1s',
    'KillMode=process',
    // the last to go where memory runs out; not for a runner, whose plain processes would have it from there
    ...(name === 'host' ? ['OOMScoreAdjust=-500'] : []),
    'LimitNOFILE=65536',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ]
  return `${lines.join('\n')}\n`
}

/** A word of a unit: `%` and `$` mean something there, and so do quotes and spaces (systemd.syntax(7)). */
function unitWord(word: string): string {
  if (/^[A-Za-z0-9_@:+,=./-]+$/.test(word)) return word
  throw new AppError(
    'invalid_request',
    `systemd cannot start "${word}": it has spaces or signs that mean something there`,
    {
      details: { fix: 'Move it to a path of letters, digits and ./_- alone.' },
    },
  )
}
