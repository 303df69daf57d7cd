import { describe, expect, it } from 'vitest'
import type { HostProbe } from '../../platform/host-probe.ts'
import {
  clockFinding,
  joinTokenFinding,
  nodeFinding,
  reachFindings,
  tokenFinding,
  versionFinding,
} from './cluster.ts'
import { hostCheck, probe, runnerFacts } from './facts.suite.ts'
import type { Finding } from './finding.ts'

function told(...findings: (Finding | null)[]): string {
  return findings
    .flatMap((finding) => finding ?? [])
    .map(({ id, status, found, fix }) => `${id} ${status}: ${found}\n${fix ?? ''}`)
    .join('\n')
}

describe('the way to the host', () => {
  it('is open', () => {
    expect(reachFindings(probe(), '--host').map(({ id, status }) => `${id} ${status}`)).toEqual([
      'host-address ok',
      'host-connection ok',
      'host-ready ok',
    ])
    const named = probe({ url: 'http://cluster:8000', addresses: ['10.0.0.1', '10.0.0.2'] })
    expect(told(...reachFindings(named, '--host'))).toContain('which is 10.0.0.1, 10.0.0.2')
  })
  it('is not there where nobody named a host', () => {
    const refused = probe({ reach: 'no_connection', why: 'connection refused' })
    expect(told(...reachFindings(refused, 'the default'))).toMatch(/\n {2}hakuriver up\n/)
  })
  it.each<[Partial<HostProbe>, RegExp]>([
    [{ reach: 'bad_url', url: 'ftp://x', why: '"ftp://x" is not the URL of a host' }, /host-address problem/],
    [
      {
        reach: 'unknown_name',
        url: 'http://nobody:8000',
        addresses: [],
        why: 'there is no machine of that name',
      },
      /host-address problem: .*no machine[\s\S]*\/etc\/hosts/,
    ],
    [
      { reach: 'no_connection', why: 'connection refused' },
      /host-connection problem: cannot reach the host at http:\/\/10\.0\.0\.1:8000: connection refused\n[\s\S]*hakuriver doctor host/,
    ],
    [
      { reach: 'no_connection', why: 'no answer within 3 s' },
      /host-connection problem: .*\n.*firewall[\s\S]*nc -vz 10\.0\.0\.1 8000\n[\s\S]*ufw allow 8000/,
    ],
    [{ reach: 'no_host', why: 'its answer is 200' }, /host-connection problem: .*no HakuRiver host/],
    [
      { reach: 'wrong_name', url: 'http://cluster:8000', why: 'not my name' },
      /host-connection problem: not my name[\s\S]*host_reachable_address = "cluster"/,
    ],
    [{ isReady: false }, /host-ready problem/],
    [{ isReady: null }, /host-ready warning/],
  ])('%j', (given, expected) => expect(told(...reachFindings(probe(given), '--host'))).toMatch(expected))
})

describe('tokens', () => {
  const refused = probe({ token: 'refused', answer: null })
  const missing = probe({ token: 'missing', answer: null })
  const of = (token: 'user' | 'join' | 'none') => probe({ answer: hostCheck({ token }) })
  it.each([
    [tokenFinding(of('user'), null, false), /^token ok/],
    [tokenFinding(of('none'), null, false), /^token ok: .*no tokens/],
    [tokenFinding(of('join'), null, false), /^token warning: .*join/],
    [tokenFinding(refused, null, false), /^token problem: .*not accept/],
    [tokenFinding(missing, 'there is no file', false), /^token problem: .*\(there is no file\)/],
    [tokenFinding(missing, null, true), /^token not_checked/],
    [tokenFinding(probe({ token: 'unknown' }), null, false), /^$/],
  ])('of people, case %#', (finding, expected) => expect(told(finding)).toMatch(expected))

  const config = { node: 'n1', hostUrl: 'http://10.0.0.1:8000', hasJoinToken: false }
  it.each([
    [joinTokenFinding(runnerFacts()), /^join-token ok/],
    [joinTokenFinding(runnerFacts({ host: of('none'), config })), /^join-token ok/],
    [joinTokenFinding(runnerFacts({ host: of('user') })), /^join-token problem: .*is a token of a person/],
    [joinTokenFinding(runnerFacts({ host: refused })), /^join-token problem: .*not accept/],
    [joinTokenFinding(runnerFacts({ host: missing, config })), /^join-token problem: there is no/],
    [joinTokenFinding(runnerFacts({ host: missing, config, hasRun: false })), /^join-token not_checked/],
    [joinTokenFinding(runnerFacts({ host: probe({ token: 'unknown' }) })), /^join-token not_checked/],
    [joinTokenFinding(runnerFacts({ config: null })), /^$/],
  ])('of runners, case %#', (finding, expected) => expect(told(finding)).toMatch(expected))
})

it.each([
  [probe(), 'ok'],
  [probe({ answer: hostCheck({ version: '1.1' }) }), 'warning'],
  [probe({ token: 'unknown', answer: null }), 'not_checked'],
  [probe({ token: 'refused', answer: null }), undefined],
  [probe({ reach: 'no_connection', answer: null }), undefined],
])('the version, case %#', (given, status) => expect(versionFinding(given, '1.0')?.status).toBe(status))

it.each([
  [3, 2, 'ok'],
  [-900, 2, 'ok'],
  // what the round trip leaves open may be no difference at all
  [1_400, 1_000, 'ok'],
  [1_600, 1_000, 'warning'],
  [-1_100, 10, 'warning'],
  [29_000, 10, 'warning'],
  [31_000, 10, 'problem'],
  [-7_200_000, 10, 'problem'],
])('a clock %i ms ahead, told in %i ms, is %s', (differenceMs, roundTripMs, status) => {
  const finding = clockFinding({ differenceMs, roundTripMs })
  expect(finding?.status).toBe(status)
  if (status !== 'ok') expect(finding?.found).toContain(differenceMs > 0 ? 'ahead of' : 'behind')
})

describe('this node', () => {
  const nowMs = Date.parse('2026-11-23T10:05:00.000Z')
  const node = hostCheck().node
  const with_ = (given: object | null) =>
    probe({ answer: hostCheck({ node: given === null || node === null ? null : { ...node, ...given } }) })
  const judge = (given: Parameters<typeof runnerFacts>[0]) => told(nodeFinding(runnerFacts(given), nowMs))
  it.each([
    [judge({}), /^node ok: node n1 is online, with systemd: limits enforced/],
    [judge({ host: with_({ runnerVersion: '0.9' }) }), /^node warning: .*version 0\.9, not 1\.0/],
    [
      judge({ host: with_({ status: 'unreachable' }) }),
      /^node problem: .*not heard node n1 for 5 m\n[\s\S]*log/,
    ],
    [
      judge({ host: with_({ status: 'unreachable' }), isRunning: false }),
      /^node problem: .*no runner runs here\n[\s\S]*hakuriver runner/,
    ],
    [judge({ host: with_(null) }), /^node problem: a runner runs here, but the host does not know/],
    [judge({ host: with_(null), isRunning: false }), /^node warning/],
    [judge({ host: with_(null), isRunning: false, hasRun: false }), /^node not_checked/],
    [judge({ host: probe({ token: 'refused', answer: null }) }), /^$/],
  ])('%s', (found, expected) => expect(found).toMatch(expected))
})
