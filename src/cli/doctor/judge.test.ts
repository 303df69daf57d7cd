import pc from 'picocolors'
import { describe, expect, it } from 'vitest'
import { hostFacts, probe, runnerFacts } from './facts.suite.ts'
import { advice, type Group } from './finding.ts'
import { type DoctorFacts, judge } from './judge.ts'
import { renderFindings } from './render.ts'

const facts = (given: Partial<DoctorFacts> = {}): DoctorFacts => ({
  part: 'all',
  version: '1.0',
  nodeVersion: '24.21.0',
  configPath: null,
  client: { probe: probe(), from: 'config.toml', tokenNote: null },
  runner: { facts: runnerFacts() },
  host: { facts: hostFacts({ isHere: false }) },
  nowMs: 0,
  ...given,
})
const titles = (given: Partial<DoctorFacts>) => judge(facts(given)).map(({ title }) => title)
const ids = (given: Partial<DoctorFacts>) =>
  judge(facts(given)).flatMap(({ findings }) => findings.map(({ id, status }) => `${id} ${status}`))

describe('what is told', () => {
  const here = ['This machine', 'Directories', 'The host at http://10.0.0.1:8000']
  it('is what applies', () => {
    expect(titles({})).toEqual(here)
    expect(titles({ host: { facts: hostFacts() } })).toEqual([...here, 'The host on this machine'])
    expect(titles({ part: 'runner', client: null, host: null })).toEqual(here)
    expect(titles({ part: 'host', client: null, runner: null })).toEqual([
      'This machine',
      'The host on this machine',
    ])
  })

  it('is said once where person and runner go to one host, and twice where not', () => {
    expect(ids({}).filter((id) => id.startsWith('host-connection'))).toHaveLength(1)
    const elsewhere = runnerFacts({ host: probe({ url: 'http://10.0.0.2:8000' }) })
    expect(titles({ runner: { facts: elsewhere } })).toContain(
      "The host of this machine's runner, at http://10.0.0.2:8000",
    )
    const config = { node: 'n1', hostUrl: 'http://127.0.0.1:8000', hasJoinToken: false }
    const unused = { ...elsewhere, hasRun: false, config }
    expect(titles({ runner: { facts: unused } })).toEqual(here)
  })

  it('does not ask for a token of people on a machine that only runs tasks', () => {
    const client = {
      probe: probe({ token: 'missing', answer: null, clock: null }),
      from: 'config.toml',
      tokenNote: 'there is no file',
    }
    expect(ids({ client })).toEqual(
      expect.arrayContaining(['token not_checked', 'join-token ok', 'version ok', 'clock ok', 'node ok']),
    )
  })

  it('tells a mistake in the configuration once, and goes on with the rest', () => {
    const wrong = 'config.toml, line 3: there is no setting paths.shard_dir'
    const found = judge(
      facts({
        client: { error: wrong },
        runner: { facts: runnerFacts({ configError: wrong, config: null, host: null, taskUser: null }) },
        host: { facts: hostFacts({ configError: wrong, config: null }) },
      }),
    ).flatMap(({ findings }) => findings)
    expect(found.filter(({ id }) => id === 'config')).toEqual([
      { id: 'config', status: 'problem', found: wrong, fix: expect.stringContaining('hakuriver doctor') },
    ])
    expect(found.map(({ id }) => id)).toContain('systemd')
  })

  it('says where a program did not answer', () => {
    expect(
      ids({ runner: { silent: 'no answer', isLate: true }, host: { silent: 'gone', isLate: false } }),
    ).toEqual(
      expect.arrayContaining(['runner-check not_checked', 'host-check problem', 'host-connection ok']),
    )
  })
})

describe('how it looks', () => {
  const groups: Group[] = [
    {
      title: 'This machine',
      findings: [
        { id: 'a', status: 'ok', found: 'Node 24', fix: null },
        {
          id: 'b',
          status: 'problem',
          found: 'the user nobody cannot write in local_temp_dir /tmp/hakuriver: Permission denied',
          fix: advice(
            'Give the user nobody the right, for example:',
            'sudo chown nobody /tmp/hakuriver/with/a/very/long/path/that/is/not/broken',
          ),
        },
        { id: 'c', status: 'not_checked', found: 'bad \u001b[31m name', fix: null },
      ],
    },
  ]
  const plain = pc.createColors(false)

  it('has a mark and a word for each, and what to do below', () => {
    expect(renderFindings(groups, null, plain)).toEqual([
      'This machine',
      '  ✔ ok           Node 24',
      '  ✘ problem      the user nobody cannot write in local_temp_dir /tmp/hakuriver: Permission denied',
      '                   Give the user nobody the right, for example:',
      '                     sudo chown nobody /tmp/hakuriver/with/a/very/long/path/that/is/not/broken',
      '  – not checked  bad \\x1b[31m name',
      '',
      '1 problem, 1 not checked, 1 ok.',
    ])
  })

  it.each([40, 60, 80, 120])('fits %i columns, but for lines to copy', (width) => {
    const lines = renderFindings(groups, width, plain)
    expect(lines.filter((line) => line.length > width && !line.includes('sudo chown'))).toEqual([])
    expect(lines.filter((line) => line.includes('sudo chown'))).toHaveLength(1)
    expect(lines.join(' ').replace(/\s+/g, ' ')).toContain('local_temp_dir /tmp/hakuriver: Permission denied')
  })

  it('says the same without colours', () => {
    const coloured = renderFindings(groups, 80, pc.createColors(true)).join('\n')
    expect(coloured).toContain('\u001b[31m')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
    expect(coloured.replace(/\u001b\[\d+m/g, '')).toBe(renderFindings(groups, 80, plain).join('\n'))
  })
})
