/** Puts all facts together, and decides what applies to this machine. Pure. */
import type { HostFacts, RunnerFacts } from '../../platform/check-facts.ts'
import type { HostProbe } from '../../platform/host-probe.ts'
import {
  clockFinding,
  nodeFinding as clusterNodeFinding,
  joinTokenFinding,
  reachFindings,
  tokenFinding,
  versionFinding,
} from './cluster.ts'
import { runnerDirectories } from './directories.ts'
import { advice, type Finding, type Group, notChecked, ok, problem } from './finding.ts'
import { machineFindings, nodeFinding } from './machine.ts'
import { ownHostFindings } from './own-host.ts'

/** What is checked: everything that applies, or one program alone. */
export type Part = 'all' | 'host' | 'runner'

/** What a program said of itself, or why it said nothing. */
export type Told<T> = { facts: T } | { silent: string; isLate: boolean }

export interface DoctorFacts {
  part: Part
  version: string
  nodeVersion: string
  /** null: there is no such file, and none was asked for. */
  configPath: string | null
  /** The way of a person to the host; null: not asked for. */
  client: { probe: HostProbe; from: string; tokenNote: string | null } | { error: string } | null
  /** null: not asked for. */
  runner: Told<RunnerFacts> | null
  host: Told<HostFacts> | null
  /** Milliseconds since the epoch. */
  nowMs: number
}

/** The findings in groups; groups without any are left out. */
export function judge(facts: DoctorFacts): Group[] {
  const runner = factsOf(facts.runner)
  const host = factsOf(facts.host)
  const groups: Group[] = [
    {
      title: 'This machine',
      findings: [
        nodeFinding(facts.nodeVersion),
        ...configFindings(facts),
        ...silence('runner', facts.runner),
        ...silence('host', facts.host),
        ...(runner === null ? [] : machineFindings(runner)),
      ],
    },
    { title: 'Directories', findings: runner === null ? [] : runnerDirectories(runner) },
    ...clusterGroups(facts, runner),
  ]
  const isHost = host !== null && (host.isHere || facts.part === 'host')
  if (isHost) groups.push({ title: 'The host on this machine', findings: ownHostFindings(host) })
  return groups.filter(({ findings }) => findings.length > 0)
}

function factsOf<T>(told: Told<T> | null): T | null {
  return told !== null && 'facts' in told ? told.facts : null
}

function silence(name: string, told: Told<unknown> | null): Finding[] {
  if (told === null || 'facts' in told) return []
  const id = `${name}-check`
  if (told.isLate) return [notChecked(id, `what the ${name} needs: ${told.silent}`)]
  const words = 'The installation is not complete, or this is a defect of hakuriver. See all that it says:'
  const found = `the ${name}'s program cannot check itself: ${told.silent}`
  return [problem(id, found, advice(words, `hakuriver ${name} --check`))]
}

/** A mistake in the file is told once, whoever stumbles over it. */
function configFindings({ configPath, client, runner, host }: DoctorFacts): Finding[] {
  const id = 'config'
  const wrong = [
    factsOf(runner)?.configError,
    factsOf(host)?.configError,
    client !== null && 'error' in client ? client.error : null,
  ].filter((message) => typeof message === 'string')
  const fix = advice('Put it right as it says, and check again:', 'hakuriver doctor')
  if (wrong.length > 0) return [...new Set(wrong)].map((message) => problem(id, message, fix))
  if (configPath === null) return [ok(id, 'no configuration file: defaults and the environment hold')]
  return [ok(id, `the configuration file ${configPath} can be read`)]
}

/** The host as a person goes to it, and as this machine's runner does, where that is another one. */
function clusterGroups(facts: DoctorFacts, runner: RunnerFacts | null): Group[] {
  const { client, version, nowMs, part } = facts
  const probe = runner?.host ?? null
  const ofRunner = runner === null ? [] : runnerFindings(runner, nowMs)
  const isAsked = part === 'runner' || runner?.hasRun === true || runner?.config?.hasJoinToken === true
  if (client === null || 'error' in client) {
    if (runner === null || probe === null) return []
    const findings = [...wayOf(probe, "the runner's configuration", version), ...ofRunner]
    return [{ title: `The host at ${probe.url}`, findings }]
  }
  const isSame = probe !== null && sameUrl(probe.url, client.probe.url)
  const isRunner = isSame && probe.token === 'accepted'
  // whoever was let in knows more
  const best = isRunner && client.probe.token !== 'accepted' ? probe : client.probe
  const token = tokenFinding(client.probe, client.tokenNote, isRunner)
  const first = {
    title: `The host at ${client.probe.url}`,
    findings: [
      ...wayOf({ ...best, url: client.probe.url }, client.from, version),
      ...(token === null ? [] : [token]),
      ...(isSame ? ofRunner : []),
    ],
  }
  if (isSame || probe === null || !isAsked) return [first]
  const second = [...wayOf(probe, "the runner's configuration", version), ...ofRunner]
  return [first, { title: `The host of this machine's runner, at ${probe.url}`, findings: second }]
}

function wayOf(probe: HostProbe, from: string, version: string): Finding[] {
  const more = [versionFinding(probe, version), clockFinding(probe.clock)]
  return [...reachFindings(probe, from), ...more.filter((finding) => finding !== null)]
}

function runnerFindings(runner: RunnerFacts, nowMs: number): Finding[] {
  return [joinTokenFinding(runner), clusterNodeFinding(runner, nowMs)].filter((finding) => finding !== null)
}

function sameUrl(one: string, other: string): boolean {
  if (!URL.canParse(one) || !URL.canParse(other)) return one === other
  return new URL(one).href === new URL(other).href
}
