/** The systemd executor on a real machine: its tests run in there, as root and as a user with sudo. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { Lab } from '../lab/lab.ts'
import { describeInLab } from '../lab/require.ts'

const project = '/opt/hakuriver'
const runDeadlineMs = 240_000

interface InsideTest {
  fullName: string
  status: string
  failureMessages: string[]
}

interface InsideReport {
  success: boolean
  testResults: { name: string; message: string; assertionResults: InsideTest[] }[]
}

describeInLab('the systemd executor on a real machine', () => {
  let lab: Lab
  beforeAll(async () => {
    lab = await Lab.start({ nodes: 1, id: 'ex', net: '10.78.40' })
  })
  afterAll(() => lab?.close())

  /** Runs a file of tests in the machine, as a service as a runner would be. */
  const runInside = async (file: string, user: string): Promise<InsideReport> => {
    const scratch = lab.scratchOf('node1')
    const report = `${file}.json`
    rmSync(join(scratch, report), { force: true })
    const service = await lab.service(
      'node1',
      `inside-${user}`,
      [
        ...['/opt/node/bin/node', `${project}/node_modules/vitest/vitest.mjs`, 'run', file],
        ...['--config', `${project}/test/inside/vitest.config.ts`, '--configLoader', 'runner'],
        ...['--reporter', 'default', '--reporter', 'json', `--outputFile.json=/scratch/${report}`],
      ],
      [`User=${user}`, 'Environment=TMPDIR=/scratch NO_COLOR=1', 'WorkingDirectory=/scratch'],
    )
    const hasEnded = async () => {
      const { stdout } = await lab.exec('node1', 'systemctl', 'is-active', service.unit)
      // nothing is said while systemd executes itself anew
      return /^(inactive|failed)/.test(stdout)
    }
    await waitFor(`the end of ${file}`, hasEnded, { deadlineMs: runDeadlineMs, everyMs: 200 })
    if (!existsSync(join(scratch, report))) throw new Error(`${file} told nothing: ${await service.log()}`)
    return JSON.parse(readFileSync(join(scratch, report), 'utf8')) as InsideReport
  }

  /** One line for each test that did not pass, with its message. */
  const failuresIn = ({ testResults }: InsideReport): string[] =>
    testResults.flatMap(({ name, message, assertionResults }) => [
      ...(message === '' ? [] : [`${name}: ${message}`]),
      ...assertionResults
        .filter(({ status }) => status !== 'passed')
        .map(
          ({ fullName, status, failureMessages }) => `${fullName} (${status}): ${failureMessages.join('\n')}`,
        ),
    ])

  it.each([
    ['root.test.ts', 'root', 70],
    ['launcher.test.ts', 'root', 69],
    ['sudo.test.ts', 'keeper', 134],
  ])(
    'passes %s as %s',
    async (file, user, count) => {
      const report = await runInside(file, user)
      expect(failuresIn(report)).toEqual([])
      expect(report.testResults.flatMap((each) => each.assertionResults).length).toBeGreaterThanOrEqual(count)
    },
    runDeadlineMs + 30_000,
  )

  it('leaves no unit and no process behind', async () => {
    const units = await lab.sh('node1', "systemctl list-units --all --plain --no-legend 'hakuriver-task-*'")
    expect(units.trim()).toBe('')
  })
})
