/** Judges the host of this machine: its address, port, database and secrets. Pure. */

import { isLoopback } from '../../core/address.ts'
import { shellQuote } from '../../core/text.ts'
import type { HostConfigFacts, HostFacts, StateDirFacts } from '../../platform/check-facts.ts'
import { directoryFindings } from './directories.ts'
import { advice, type Finding, listed, ok, problem, warning } from './finding.ts'

/** All findings on the host; none where its configuration cannot be used. */
export function ownHostFindings(facts: HostFacts): Finding[] {
  if (facts.config === null) return []
  return [
    runningFinding(facts),
    ...bindFindings(facts.config),
    ...reachableFindings(facts),
    ...(facts.stateDir === null ? [] : stateDirFindings(facts.stateDir)),
    ...databaseFindings(facts),
    ...sharedFindings(facts),
  ]
}

function runningFinding({ isRunning, isHere, runningUrl, portProblem, config }: HostFacts): Finding {
  const id = 'own-host'
  if (isRunning) return ok(id, `a host runs here${runningUrl === null ? '' : ` at ${runningUrl}`}`)
  if (portProblem !== null) {
    const port = config?.port ?? 0
    const fix = advice(
      'See who it is, or take another port in config.toml:',
      `sudo ss -ltnp 'sport = :${port}'`,
    )
    return problem('own-host-port', `no host runs here, and none could: ${portProblem}`, fix)
  }
  if (!isHere) return ok(id, 'no host runs here, and its port is free')
  return warning(id, 'the host of this machine does not run', advice('Start it:', 'hakuriver host'))
}

/** What it listens on must be what others are told. */
function bindFindings(config: HostConfigFacts): Finding[] {
  return [...addressFindings(config), ...tlsFindings(config)]
}

/** Off loopback, tokens and all else are for whoever listens in where there is no TLS. */
function tlsFindings({ bindAddress, isTls }: HostConfigFacts): Finding[] {
  const id = 'own-host-tls'
  if (isTls) return [ok(id, 'it speaks TLS, and machines join by certificates')]
  if (isLoopback(bindAddress)) return []
  const found = 'the host does not speak TLS: everything, tokens too, can be read on the network'
  const fix = advice(
    'Unless something else encrypts, in config.toml, and start it again:',
    '[network]',
    'tls = "auto"',
  )
  return [warning(id, found, fix)]
}

function addressFindings({ bindAddress, reachableAddress, port }: HostConfigFacts): Finding[] {
  const id = 'own-host-bind'
  const isOpen = !isLoopback(bindAddress)
  if (!isOpen && reachableAddress !== null && !isLoopback(nameOf(reachableAddress))) {
    const fix = advice(
      'Let it listen for others too, in config.toml, and start it again:',
      '[network]',
      'host_bind_ip = "0.0.0.0"',
    )
    const found = `the host listens on ${bindAddress} alone, but others are told ${reachableAddress}`
    return [problem(id, found, fix)]
  }
  if (!isOpen) return [ok(id, `it listens on ${bindAddress}:${port}: for this machine alone`)]
  if (reachableAddress !== null && isLoopback(nameOf(reachableAddress))) {
    const fix = advice(
      'Write the address that other machines have for this one:',
      '[network]',
      'host_reachable_address = "192.168.1.10"',
    )
    const found = `the host listens on ${bindAddress}, but others are told ${reachableAddress}: that is themselves`
    return [warning(id, found, fix)]
  }
  const told = reachableAddress === null ? '' : `; others are told ${reachableAddress}`
  return [ok(id, `it listens on ${bindAddress}:${port}${told}`)]
}

function nameOf(address: string): string {
  return URL.canParse(address) ? new URL(address).hostname : address
}

function reachableFindings({ reachable }: HostFacts): Finding[] {
  if (reachable === null || reachable.url === '') return []
  const id = 'own-host-reachable'
  if (reachable.reach === 'ok') return [ok(id, `it answers at ${reachable.url}, as others are told`)]
  const fix = advice(
    'Is that an address of this machine, and the right port? Its addresses:',
    'ip -brief address',
  )
  return [
    problem(id, `the host does not answer at ${reachable.url}, as others are told: ${reachable.why}`, fix),
  ]
}

function stateDirFindings({ path, exists, isOwn, mode, openFiles }: StateDirFacts): Finding[] {
  const id = 'own-host-state-dir'
  const quoted = shellQuote(path)
  if (!exists || mode === null)
    return [ok(id, `the state directory ${path} is not there yet: the host makes it`)]
  if (openFiles.length > 0) {
    const files = openFiles.map(shellQuote).join(' ')
    const words =
      'Whoever reads a token can use the cluster: close them, and if others have accounts here, make new ones:'
    return [problem(id, `others may read ${listed(openFiles)}`, advice(words, `chmod 600 ${files}`))]
  }
  if (!isOwn) {
    const words = 'Run the host and this check as its owner, or change the owner:'
    const found = `the state directory ${path} belongs to another user`
    return [problem(id, found, advice(words, `sudo chown -R "$USER" ${quoted}`))]
  }
  const bits = mode.toString(8).padStart(4, '0')
  if ((mode & 0o077) !== 0) {
    const found = `others may enter the state directory ${path} (mode ${bits})`
    return [warning(id, found, advice('Close it:', `chmod 700 ${quoted}`))]
  }
  return [ok(id, `the state directory ${path} is closed to others (mode ${bits})`)]
}

function databaseFindings({ databaseDir, config, stateDir }: HostFacts): Finding[] {
  if (databaseDir === null || config === null) return []
  const isOwnDir = stateDir?.path === databaseDir.path
  return directoryFindings(databaseDir, {
    id: 'own-host-database',
    name: 'the directory of the database',
    madeBy: isOwnDir ? 'the host' : null,
    onNetwork: {
      status: 'problem',
      why: 'a database there can be damaged',
      fix: advice(
        'Put it on a local disk, in config.toml:',
        '[database]',
        'db_file = "/var/lib/hakuriver/cluster.db"',
      ),
    },
  })
}

function sharedFindings({ sharedDir }: HostFacts): Finding[] {
  if (sharedDir === null) return []
  return directoryFindings(sharedDir, {
    id: 'own-host-shared-dir',
    name: 'shared_dir',
    madeBy: null,
    onNetwork: null,
    readOnly: true,
  })
}
