import { expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import { run, start, startHost, temporaryFile } from './cli.suite.ts'

it('makes one batch with a task for each combination, named by it', async () => {
  const host = await startHost()
  const words = ['sweep', '-t', 'node1', '--cores', '2', '--', 'job', 'span:{1..2}', '--x=span:[a,b]']
  const { code, out, err } = await run(host, words)
  expect({ code, out }).toEqual({ code: 0, out: '1001\n1002\n1003\n1004\n' })
  expect(err).toBe('This will make 4 tasks (2 × 2).\n')
  const [body, ...others] = host.submitBodies()
  expect(others).toEqual([])
  expect(
    body?.specs.map(({ command, arguments: rest, name, cores }) => [command, rest, name, cores]),
  ).toEqual([
    ['job', ['1', '--x=a'], '1 a', 2],
    ['job', ['1', '--x=b'], '1 b', 2],
    ['job', ['2', '--x=a'], '2 a', 2],
    ['job', ['2', '--x=b'], '2 b', 2],
  ])
})

it('is the same as submit --span, pairs with --zip, and reads files', async () => {
  const host = await startHost()
  const file = temporaryFile('x y\nz\n')
  const words = ['--zip', '--name', 'mine', '--', 'job', `span:@${file}`, 'span:{1..2}']
  await run(host, ['sweep', ...words])
  await run(host, ['submit', '--span', ...words])
  const [one, two] = host.submitBodies()
  expect(one?.specs).toEqual(two?.specs)
  expect(one?.specs.map(({ arguments: rest, name }) => [rest, name])).toEqual([
    [['x y', '1'], 'mine'],
    [['z', '2'], 'mine'],
  ])
})

it('a submit with --span shows and asks as a sweep does; its options mean nothing without --span', async () => {
  const host = await startHost()
  const shown = await run(host, ['submit', '--span', '--dry-run', '--', 'job', 'span:{1..2}'])
  expect(shown).toMatchObject({ code: 0, out: 'job 1\njob 2\n' })
  const many = ['submit', '--span', '--yes', '--', 'job', 'span:{1..101}']
  for (const option of ['--zip', '--yes'])
    expect(await run(host, ['submit', option, '--', 'job'])).toMatchObject({
      code: 2,
      err: expect.stringContaining(`${option} goes with --span`),
    })
  expect(host.submitBodies()).toEqual([])
  expect((await run(host, many, { columns: 80, answer: 'n' })).code).toBe(0)
})

it('a submit without --span leaves spans as they are', async () => {
  const host = await startHost()
  await run(host, ['submit', '--', 'hakurun', 'job', 'span:{1..2}'])
  expect(host.submitBodies()[0]?.specs.map((spec) => spec.arguments)).toEqual([['job', 'span:{1..2}']])
})

it('-f shows the output of all, each line behind its combination', async () => {
  const host = await startHost()
  const running = start(host, ['sweep', '-f', '--', 'job', 'span:{1..2}'])
  await waitFor('followers', () => host.count('followers') === 4)
  host.write('1002', 'stdout', 'hello\n')
  host.end('1001', { status: 'completed', exitCode: 0 })
  host.end('1002', { status: 'completed', exitCode: 0 })
  expect(await running.ended).toBe(0)
  expect(running.out()).toBe('1002 2 | hello\n')
})

it('--dry-run shows the first commands and the number, and submits nothing', async () => {
  const host = await startHost()
  const words = ['sweep', '--dry-run', '-t', 'node1', '-t', 'node2', '--', 'job', 'span:{1..20}']
  const { code, out, err } = await run(host, words)
  expect(code).toBe(0)
  expect(out).toMatch(/^job 1\njob 2\n(.*\n){8}…\n$/)
  expect(err).toBe(
    'This would make 40 tasks (20, on 2 targets); nothing was submitted.\nOf 40 tasks 40 would start now.\n',
  )
  expect(host.submitBodies()).toEqual([])
  await host.stop()
  const alone = await run(host, words)
  expect({ ...alone, err: '' }).toEqual({ code: 0, out, err: '' })
  expect(alone.err).toContain('what would become of them now is not known: ')
})

it('--dry-run tells what would be refused, and exits as the submit would', async () => {
  const host = await startHost()
  const refused = {
    target: 'n9',
    specIndex: 0,
    outcome: 'refused' as const,
    node: null,
    numaId: null,
    reason: 'there is no node n9',
  }
  const counts = { total: 4, looked: 4, starts: 1, waits: 1, refused: 2 }
  host.previewResult = { ...counts, items: [], firstRefused: refused }
  const words = ['sweep', '--dry-run', '-t', 'n1', '-t', 'n9', '--', 'job', 'span:{1..2}']
  const { code, err } = await run(host, words)
  expect(code).toBe(1)
  expect(err).toBe(
    `This would make 4 tasks (2, on 2 targets); nothing was submitted.
Of 4 tasks 1 would start now, 1 would wait, 2 would be refused.
hakuriver: n9 is refused: there is no node n9
`,
  )
  const { out } = await run(host, ['--json', ...words])
  expect(JSON.parse(out)).toEqual({
    tasks: 4,
    sizes: [2],
    commands: ['job 1', 'job 2'],
    preview: host.previewResult,
  })
})

it.each([
  [['sweep', '--', 'job', 'span:{1..'], 'not closed'],
  [['sweep', '--', 'job', 'span:@/nowhere'], '/nowhere'],
  [
    ['sweep', '--', 'job', 'span:{1..200}', 'span:{1..100}'],
    '20000 tasks (200 × 100): a batch has at most 10000',
  ],
  [['sweep', '--', 'job', `${'x'.repeat(100_000)}-span:{1..60}`], 'a host takes at most 4 MiB'],
  [['sweep'], 'there is no command'],
])('$1: refused before anything is sent', async (words, why) => {
  const host = await startHost()
  const { code, out, err } = await run(host, words)
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain(why)
  expect(host.submitBodies()).toEqual([])
})

it('asks a person before it makes very many', async () => {
  const answers = async (key: string) => {
    const host = await startHost()
    const words = ['sweep', '--', 'job', 'span:{1..101}']
    const { code, err } = await run(host, words, { columns: 80, answer: key })
    return { code, asked: err.includes('Go on? [y/N]'), submits: host.submitBodies().length }
  }
  const few = await run(await startHost(), ['sweep', '--', 'job', 'span:{1..100}'], {
    columns: 80,
    answer: 'n',
  })
  expect([few.code, few.err.includes('Go on?')]).toEqual([0, false])
  expect(await answers('y')).toEqual({ code: 0, asked: true, submits: 1 })
  expect(await answers('n')).toEqual({ code: 130, asked: true, submits: 0 })
  expect(await answers('\u0003')).toEqual({ code: 130, asked: true, submits: 0 })
  const host = await startHost()
  const { err } = await run(host, ['sweep', '--yes', '--', 'job', 'span:{1..101}'], {
    columns: 80,
    answer: 'n',
  })
  expect([err.includes('Go on?'), host.submitBodies().length]).toEqual([false, 1])
})
