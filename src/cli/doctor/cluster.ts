/** Judges the way to the host and what it says: address, port, token, version, clock, this node. Pure. */
import { formatDuration } from '../../core/units.ts'
import type { RunnerFacts } from '../../platform/check-facts.ts'
import type { ClockDifference, HostProbe } from '../../platform/host-probe.ts'
import { advice, type Finding, notChecked, ok, problem, warning } from './finding.ts'

/** As `findHost` calls it. */
const defaultFrom = 'the default'

/** Address, connection, and whether it can take work. `from` says where the URL comes from. */
export function reachFindings(probe: HostProbe, from: string): Finding[] {
  const { url, addresses, reach, why } = probe
  const address = 'host-address'
  if (reach === 'bad_url')
    return [problem(address, `${why ?? url} (from ${from})`, addressAdvice('Write it like this:'))]
  if (reach === 'unknown_name') {
    const fix = addressAdvice('Write an address that this machine knows, or add the name to /etc/hosts:')
    return [problem(address, `${url} (from ${from}): ${why}`, fix)]
  }
  const name = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')
  const stands =
    addresses.includes(name) || addresses.length === 0 ? '' : `, which is ${addresses.join(', ')}`
  return [
    ok(address, `${url} (from ${from})${stands}`),
    connectionFinding(probe, from),
    ...readyFindings(probe),
  ]
}

function addressAdvice(words: string): string {
  return advice(words, '[network]', 'host_reachable_address = "192.168.1.10"')
}

function connectionFinding({ url, addresses, reach, why }: HostProbe, from: string): Finding {
  const id = 'host-connection'
  const { hostname, port } = new URL(url)
  const at = `${addresses[0] ?? hostname} ${port || 80}`
  switch (reach) {
    case 'ok':
      return ok(id, 'a HakuRiver host answers there')
    case 'wrong_name': {
      const words = 'The host must know the name. In its config.toml, and start it again:'
      const line = `host_reachable_address = ${JSON.stringify(hostname)}`
      return problem(id, why ?? `the host does not go by ${hostname}`, advice(words, '[network]', line))
    }
    case 'no_host': {
      const fix = 'Another program has that port, or a proxy stands before it. Write the address of the host.'
      return problem(id, `what answers at ${url} is no HakuRiver host: ${why}`, fix)
    }
    case 'bad_url':
    case 'unknown_name':
    case 'no_connection': {
      const found = `cannot reach the host at ${url}: ${why}`
      if (why === 'connection refused' && from === defaultFrom) {
        const words =
          'No host is named, and none runs here. Start a cluster here, or name the host elsewhere:'
        return problem(id, found, advice(words, 'hakuriver up', 'hakuriver doctor --host http://HOST:8000'))
      }
      if (why === 'connection refused') {
        const words = 'Nothing listens there. Is the host running, and on that address? On its machine:'
        return problem(id, found, advice(words, 'hakuriver doctor host'))
      }
      const fix = advice(
        'A firewall or the network is between. From here, and on the host:',
        `nc -vz ${at}`,
        `sudo ufw allow ${port || 80}/tcp    # or: sudo firewall-cmd --add-port=${port || 80}/tcp`,
      )
      return problem(id, found, fix)
    }
  }
}

function readyFindings({ reach, isReady }: HostProbe): Finding[] {
  const id = 'host-ready'
  if (reach !== 'ok') return []
  if (isReady === true) return [ok(id, 'it can take work')]
  const fix = advice(
    "Its disk is slow or full, or it is just starting. On the host's machine, and in its log:",
    'hakuriver doctor host',
  )
  if (isReady === false) return [problem(id, 'it answers, but cannot take work now', fix)]
  return [warning(id, 'it did not say in time whether it can take work', fix)]
}

/** The token of a person. `note` says why there is none; `isRunner`: the machine's runner has one that works. */
export function tokenFinding(probe: HostProbe, note: string | null, isRunner: boolean): Finding | null {
  const id = 'token'
  const give = advice(
    'Ask an admin of the cluster for an invitation (hakuriver user invite NAME), and:',
    "hakuriver login 'INVITATION'",
  )
  switch (probe.token) {
    case 'accepted':
      if (probe.answer?.token === 'none') return ok(id, 'the host asks for no tokens')
      if (probe.answer?.token === 'user') return ok(id, 'the host accepts the token')
      return warning(id, 'the token lets runners join, but not use the cluster', give)
    case 'refused':
      return problem(id, 'the host does not accept the token', give)
    case 'missing': {
      const why = note === null ? '' : ` (${note})`
      const found = `there is no token to use the cluster from here${why}`
      return isRunner ? notChecked(id, `${found}; its runner needs none`) : problem(id, found, give)
    }
    case 'unknown':
      return null
  }
}

/** The certificate of a node, where its machine has joined by one. */
function certificateFinding(
  certificate: { endsAt: string } | { problem: string },
  host: HostProbe | null,
): Finding {
  const id = 'certificate'
  const again = advice(
    "On the host's machine; what it prints, paste here:",
    'hakuriver join-token --node NODE',
  )
  if ('problem' in certificate) return problem(id, certificate.problem, again)
  if (host?.token === 'accepted')
    return ok(id, `the host accepts the certificate of this node, until ${certificate.endsAt.slice(0, 10)}`)
  if (host?.refusal !== undefined) return problem(id, `the host refuses this node: ${host.refusal}`, again)
  return notChecked(id, 'whether the host accepts the certificate of this node: it could not be asked')
}

/** The token of a runner, or its certificate. */
export function joinTokenFinding({ config, host, hasRun }: RunnerFacts): Finding | null {
  if (config === null) return null
  if (config.certificate) return certificateFinding(config.certificate, host)
  const id = 'join-token'
  if (host?.reach === 'ok' && host.url.startsWith('https:') && host.token !== 'accepted') {
    const invite = advice("On the host's machine; what it prints, paste here:", 'hakuriver join-token')
    const found = 'this machine has not joined'
    return hasRun
      ? problem(id, found, invite)
      : notChecked(id, `${found}: needed only if it is to run tasks`, invite)
  }
  const give = advice(
    "Copy the file join-token from the host's machine, and start the runner with it:",
    'hakuriver runner --join-token-file ./join-token …',
  )
  if (host?.answer?.token === 'none') return ok(id, 'the host asks runners for no token')
  if (!config.hasJoinToken) {
    const found = 'there is no join token here'
    if (hasRun) return problem(id, found, give)
    return notChecked(id, `${found}: one is needed if this machine is to run tasks`, give)
  }
  switch (host?.token) {
    case 'accepted':
      if (host.answer?.token === 'join') return ok(id, 'the host accepts the join token')
      return problem(id, 'the join token is a token of a person: runners cannot join with it', give)
    case 'refused':
      return problem(id, 'the host does not accept the join token', give)
    default:
      return notChecked(id, 'whether the host accepts the join token: it could not be asked')
  }
}

/** `own` is the version of this installation. */
export function versionFinding(probe: HostProbe, own: string): Finding | null {
  const id = 'version'
  if (probe.reach !== 'ok' || probe.token === 'missing' || probe.token === 'refused') return null
  if (probe.answer === null)
    return notChecked(id, `the version of the host: it does not tell, perhaps it is older than ${own}`)
  const { version } = probe.answer
  if (version === own) return ok(id, `host and this machine have the same version, ${own}`)
  const fix = 'They understand each other within two versions of the link. Upgrade the older, the host first.'
  return warning(id, `the host has version ${version}, this machine ${own}`, fix)
}

const clockWarningMs = 1_000
const clockProblemMs = 30_000

/** What the round trip leaves open is not held against the clock. */
export function clockFinding(clock: ClockDifference | null): Finding | null {
  const id = 'clock'
  if (clock === null) return null
  const { differenceMs, roundTripMs } = clock
  const sureMs = Math.abs(differenceMs) - roundTripMs / 2
  const direction = differenceMs > 0 ? 'ahead of' : 'behind'
  const found = `the host's clock is ${formatDuration(Math.abs(differenceMs))} ${direction} this machine's`
  if (sureMs <= clockWarningMs)
    return ok(id, `the clocks agree within ${formatDuration(Math.abs(differenceMs) + roundTripMs / 2)}`)
  const fix = advice(
    'Times of tasks look wrong, though nothing is decided by them. Set both clocks by the network:',
    'sudo timedatectl set-ntp true',
  )
  return (sureMs > clockProblemMs ? problem : warning)(id, found, fix)
}

/** Does the host know this machine's runner, and hear it? */
export function nodeFinding(facts: RunnerFacts, nowMs: number): Finding | null {
  const { config, host, isRunning, hasRun, version } = facts
  if (config === null || host?.token !== 'accepted') return null
  const id = 'node'
  const node = host.answer?.node ?? null
  const start = advice('Start it, and see what it says:', 'hakuriver runner')
  if (node === null) {
    if (isRunning) {
      const words =
        'It may use another --host or --name than was checked here. See what it says, or check with its flags:'
      const found = `a runner runs here, but the host does not know a node ${config.node}`
      return problem(id, found, advice(words, 'hakuriver doctor runner -- FLAGS OF THE RUNNER'))
    }
    if (!hasRun) return notChecked(id, `the host knows no node ${config.node}: no runner has run here`, start)
    return warning(id, `the host knows no node ${config.node}, and no runner runs here`, start)
  }
  if (node.status !== 'online') {
    const since = formatDuration(Math.max(0, nowMs - Date.parse(node.lastSeenAt)))
    const found = `the host has not heard node ${node.name} for ${since}`
    if (!isRunning) return problem(id, `${found}: no runner runs here`, start)
    const words = 'A runner runs here; its log says why it is not linked. If it has flags, check with them:'
    return problem(id, found, advice(words, 'hakuriver doctor runner -- FLAGS OF THE RUNNER'))
  }
  const limits = node.executor.enforcesLimits ? 'limits enforced' : 'limits not enforced'
  const found = `node ${node.name} is online, with ${node.executor.name}: ${limits}`
  if (node.runnerVersion !== version) {
    const fix = 'Tasks go on while it starts again. Start the runner again with this version.'
    return warning(id, `${found}; its runner has version ${node.runnerVersion}, not ${version}`, fix)
  }
  return ok(id, found)
}
