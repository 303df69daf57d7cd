import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { waitFor } from '../platform/wait.ts'
import { run, start, startHost, temporaryDir, temporaryFile } from './cli.suite.ts'
import { refuse } from './fake-host.suite.ts'

it('prints the ids and nothing else on standard output', async () => {
  const host = await startHost()
  const { code, out, err } = await run(host, [
    'submit',
    '-t',
    'node1',
    '-t',
    'node2:0',
    '--',
    'echo',
    'hello',
  ])
  expect({ code, out, err }).toEqual({ code: 0, out: '1001\n1002\n', err: '' })
})

it('tells what to type next on a terminal only, and on standard error', async () => {
  const host = await startHost()
  const { out, err } = await run(host, ['submit', '--', 'true'], { columns: 80 })
  expect(out).toBe('1001\n')
  expect(err).toContain('hakuriver logs -f 1001')
})

it('hands the words after -- on exactly as they are', async () => {
  const host = await startHost()
  const words = ['sh', '-c', 'echo "$1"  --json', '', '--host', ' spaces ', '$HOME;`x`', '--', '-n']
  await run(host, [
    'submit',
    '--cores',
    '2',
    '-m',
    '1.5G',
    '--timeout',
    '1h30m',
    '--cwd',
    '/tmp',
    '-n',
    'a b',
    '--',
    ...words,
  ])
  expect(host.submitBodies()[0]).toMatchObject({
    specs: [
      {
        command: 'sh',
        arguments: words.slice(1),
        cores: 2,
        memoryBytes: 1.5 * 1024 ** 3,
        timeoutMs: 5_400_000,
        cwd: '/tmp',
        name: 'a b',
      },
    ],
  })
})

it('takes the environment from files and flags, the later wins', async () => {
  const host = await startHost()
  const file = temporaryFile('# a comment\n\nA=from file\r\nB="quoted $HOME"\nC=x=y\nMINE\n')
  const { code } = await run(
    host,
    ['submit', '--env-file', file, '-e', 'A=from flag', '-e', 'EMPTY=', '--', 'env'],
    {
      env: { MINE: 'my own' },
    },
  )
  expect(code).toBe(0)
  expect(host.submitBodies()[0]?.specs[0]?.env).toEqual({
    A: 'from flag',
    B: '"quoted $HOME"',
    C: 'x=y',
    MINE: 'my own',
    EMPTY: '',
  })
})

it('takes secrets from files, standard input and its own environment, the later wins', async () => {
  const host = await startHost()
  const file = temporaryFile('# a comment\nA=from file\nB="quoted"\nMINE\n')
  const key = temporaryFile('-----BEGIN-----\nx\n')
  const words = ['--secret-file', file, '--secret', `KEY=@${key}`, '--secret', 'IN=-', '--secret', 'OWN']
  const { code, err } = await run(host, ['submit', ...words, '--secret', 'A=', '--', 'env'], {
    env: { MINE: 'my own', OWN: 'own' },
    stdin: 'two\nlines\n',
  })
  expect(code).toBe(0)
  expect(host.submitBodies()[0]).toMatchObject({
    specs: [{ command: 'env', env: {} }],
    secrets: {
      A: '',
      B: '"quoted"',
      MINE: 'my own',
      KEY: '-----BEGIN-----\nx',
      IN: 'two\nlines',
      OWN: 'own',
    },
  })
  expect(err).toContain("the value of A stands in this machine's process list")
  expect(err).not.toContain('my own')
})

it('asks for a preview without the values of secrets', async () => {
  const host = await startHost()
  await run(host, ['submit', '--dry-run', '--secret', 'A=canary', '--', 'true'])
  const asked = host.seen.find(({ path }) => path.endsWith('/preview'))
  expect(asked?.body).toMatchObject({ secrets: { A: '' } })
  expect(JSON.stringify(host.seen)).not.toContain('canary')
})

it.each<[string, () => string[], string]>([
  ['no name', () => ['--secret', 'canary value'], 'a secret has no name that a variable can have (--secret)'],
  ['a bad name', () => ['--secret', '1X=@f'], '"1X" cannot be the name of a variable (--secret)'],
  [
    'a bad name before a value',
    () => ['--secret', '1X=canary'],
    'a secret has no name that a variable can have',
  ],
  ['not set', () => ['--secret', 'NOT_SET_HERE'], 'NOT_SET_HERE (--secret) is not set here'],
  [
    'no file',
    () => ['--secret', 'A=@/nowhere/key'],
    'there is no file /nowhere/key (--secret A=@/nowhere/key)',
  ],
  ['two', () => ['--secret', 'A=-', '--secret', 'B=-'], 'only one secret can come from standard input'],
  [
    'a line without a name',
    () => ['--secret-file', temporaryFile('A=1\ncanary canary\n')],
    'line 2 of those with something in them',
  ],
  [
    'too much',
    () => ['--secret', `A=@${temporaryFile('canary'.repeat(20_000))}`],
    'more than the 65536 bytes of a secret',
  ],
  ['no text', () => ['--secret', `A=@${temporaryFile(Buffer.from([0xff, 0xfe]))}`], 'no UTF-8 text'],
])('refuses a secret with %s in a sentence that repeats nothing of it', async (_, options, sentence) => {
  const host = await startHost()
  const { code, out, err } = await run(host, ['submit', ...options(), '--', 'true'])
  expect(code).toBe(2)
  expect(out + err).toContain(sentence)
  expect(out + err).not.toContain('canary')
  expect(host.seen).toEqual([])
})

it.each([
  [['-e', '2X=1'], '"2X" (--env) is not the name of an environment variable'],
  [['-e', 'NOT_SET_HERE'], 'NOT_SET_HERE (--env) is not set here'],
  [['--env-file', '/nowhere/env'], 'cannot read the environment file /nowhere/env (ENOENT)'],
  [['-m', '4X'], 'cannot read the size "4X"'],
  [['--timeout', 'soon'], 'cannot read the duration "soon"'],
  [['--cores', '0'], 'Write a whole number from 1 on.'],
  [['--core', '1'], "unknown option '--core'"],
])('refuses %j in a sentence, with exit code 2, before it asks the host', async (options, sentence) => {
  const host = await startHost()
  const { code, out, err } = await run(host, ['submit', ...options, '--', 'true'])
  expect(code).toBe(2)
  expect(out).toBe('')
  expect(err).toContain(sentence)
  expect(host.seen).toEqual([])
})

it('says that a command is missing', async () => {
  const { code, err } = await run(await startHost(), ['submit'])
  expect(code).toBe(2)
  expect(err).toContain('there is no command to run')
})

it('asks again for the same submit when the answer is lost', async () => {
  const host = await startHost()
  let cuts = 0
  host.intercept = ({ path, body }, _, socket) => {
    if (path !== '/api/v1/batches' || cuts === 2) return false
    cuts += 1
    // The first arrives and is carried out: only its answer is lost.
    if (cuts === 1) host.submit(body as Parameters<typeof host.submit>[0])
    socket.resetAndDestroy()
    return true
  }
  const { code, out, err } = await run(host, ['submit', '--', 'true'])
  expect({ code, out }).toEqual({ code: 0, out: '1001\n' })
  expect(err).toBe('hakuriver: the answer was lost; asking again for the same submit\n')
  const [first, ...others] = host.submitBodies().map((body) => body.submissionId)
  expect(first).toMatch(/^[\w-]{8,64}$/)
  expect(others).toEqual([first, first])
  expect([...host.tasks.keys()]).toEqual(['1001'])
})

it('gets its answer from a host that came back after it died in the middle', async () => {
  const host = await startHost()
  let isDead = false
  host.intercept = () => {
    if (isDead) return false
    isDead = true
    void host.stop()
    return true
  }
  const running = start(host, ['submit', '--', 'true'])
  await waitFor('the retry', () => running.err().includes('asking again'))
  await host.start()
  expect(await running.ended).toBe(0)
  expect(new Set(host.submitBodies().map((body) => body.submissionId)).size).toBe(1)
})

it('tells each refusal, and exits with the code of the first where nothing was created', async () => {
  const host = await startHost()
  const refused = {
    target: 'nodeX',
    specIndex: 0,
    taskId: null,
    error: { code: 'not_found', message: 'there is no node nodeX' },
  }
  host.submitResult = { batchId: null, tasks: [refused] }
  const none = await run(host, ['submit', '-t', 'nodeX', '--', 'true'])
  expect(none).toEqual({ code: 3, out: '', err: 'hakuriver: nodeX was refused: there is no node nodeX\n' })
  host.submitResult = {
    batchId: '900',
    tasks: [refused, { target: 'node1', specIndex: 0, taskId: '77', error: null }],
  }
  const some = await run(host, ['submit', '-t', 'nodeX', '-t', 'node1', '--', 'true'])
  expect(some).toMatchObject({ code: 1, out: '77\n' })
})

it('prints the whole answer as JSON', async () => {
  const host = await startHost()
  const { out } = await run(host, ['submit', '--json', '--', 'true'])
  expect(JSON.parse(out)).toEqual({
    batchId: '900',
    tasks: [{ target: 'any', specIndex: 0, taskId: '1001', error: null }],
  })
})

it('waits and exits with the code of the task', async () => {
  const host = await startHost()
  const running = start(host, ['submit', '--wait', '--', 'false'])
  await waitFor('somebody to listen', () => host.count('listeners') > 0)
  host.end('1001', { status: 'failed', exitCode: 42 })
  expect(await running.ended).toBe(42)
  expect(running.out()).toBe('1001\n')
  expect(running.err()).toBe('1001  failed  exit 42\n')
})

it('follows the output and exits with the code of the task', async () => {
  const host = await startHost()
  const running = start(host, ['submit', '--follow', '--', 'false'])
  await waitFor('both logs to be followed', () => host.count('followers') === 2)
  host.write('1001', 'stdout', 'out\n')
  host.write('1001', 'stderr', 'err\n')
  host.end('1001', { status: 'failed', exitCode: 3 })
  expect(await running.ended).toBe(3)
  expect(running.out()).toBe('out\n')
  expect(running.err()).toBe('task 1001\nerr\n')
})

it('tells what the host refuses as the host said it', async () => {
  const host = await startHost()
  host.intercept = (_, response) => {
    refuse(response, 'too_large', 'the submit is larger than 4 MiB')
    return true
  }
  const { code, err } = await run(host, ['submit', '--', 'true'])
  expect(code).toBe(2)
  expect(err).toContain('hakuriver: the submit is larger than 4 MiB')
})

it('does not show the token of this machine to another host', async () => {
  const host = await startHost()
  host.token = 'other'
  const home = temporaryDir()
  writeFileSync(join(home, 'host.json'), JSON.stringify({ url: 'http://127.0.0.1:1', pid: 1 }))
  writeFileSync(join(home, 'admin-token'), 'mine\n', { mode: 0o600 })
  const { code, err } = await run(host, ['ps'], { env: { HAKURIVER_HOME: home, HAKURIVER_TOKEN: '' } })
  expect(code).toBe(4)
  expect(err).toContain("for this machine's own host")
  expect(host.seen[0]?.headers.authorization).toBeUndefined()
})

it('asks for another start where its node is lost, three times or as often as told', async () => {
  const host = await startHost()
  await run(host, ['submit', '--requeue', '--', 'true'])
  await run(host, ['submit', '--requeue=7', '--', 'true'])
  await run(host, ['submit', '--', 'true'])
  const asked = host
    .submitBodies()
    .map((body) => (body as { specs: { requeue?: number }[] }).specs[0]?.requeue)
  expect(asked).toEqual([3, 7, undefined])
  const { code, err } = await run(host, ['submit', '--requeue=often', '--', 'true'])
  expect(code).not.toBe(0)
  expect(err).toContain('whole number')
})

it('--dry-run says what would become of each task, and submits nothing', async () => {
  const host = await startHost()
  const base = { specIndex: 0, node: null, numaId: null, reason: null }
  host.previewResult = {
    total: 3,
    looked: 3,
    starts: 1,
    waits: 1,
    refused: 1,
    items: [
      { ...base, target: 'node1:0', outcome: 'starts', node: 'node1', numaId: 0 },
      { ...base, target: 'any', outcome: 'waits', reason: 'needs 8 cores: the most that is free is 2 on n1' },
      { ...base, target: 'n9', outcome: 'refused', reason: 'there is no node n9' },
    ],
    firstRefused: null,
  }
  const words = ['submit', '--dry-run', '-t', 'node1:0', '-t', 'any', '-t', 'n9', '--', 'job']
  const { code, out, err } = await run(host, words)
  expect(code).toBe(1)
  expect(out).toBe(`node1:0  starts on node1:0
any      waits: needs 8 cores: the most that is free is 2 on n1
n9       is refused: there is no node n9
`)
  expect(err).toBe('Of 3 tasks 1 would start now, 1 would wait, 1 would be refused; nothing was submitted.\n')
  expect(JSON.parse((await run(host, ['--json', ...words])).out)).toEqual(host.previewResult)
  const asked = host.seen.filter(({ path }) => path === '/api/v1/batches/preview')
  expect(asked[0]?.body).toMatchObject({ targets: ['node1:0', 'any', 'n9'], specs: [{ command: 'job' }] })
  expect(host.submitBodies()).toEqual([])
})

it('--dry-run has the exit code of the submit where all is refused, or the host cannot be asked', async () => {
  const host = await startHost()
  const words = ['submit', '--dry-run', '--', 'job']
  expect(await run(host, words)).toMatchObject({ code: 0, out: 'any  starts on node1\n' })
  const refused = { total: 1, looked: 1, starts: 0, waits: 0, refused: 1 }
  host.previewResult = { ...refused, items: [], firstRefused: null }
  expect((await run(host, words)).code).toBe(2)
  await host.stop()
  expect((await run(host, words)).code).toBe(5)
})
