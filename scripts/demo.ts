/**
 * `npm run demo`: a cluster of two nodes on this machine in a temporary directory, real work on it, and a check of
 * every outcome. Everything a user would type is shown before it is run.
 */
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'hakuriver-demo-'))
chmodSync(dir, 0o755) // tasks run as another user where this is started by root
const env = { ...process.env, HAKURIVER_HOME: join(dir, 'home'), HAKURIVER_HOST_URL: '', HAKURIVER_TOKEN: '' }
const stepMs = 60_000
const wrong: string[] = []

interface Result {
  code: number
  stdout: string
  stderr: string
}

interface TaskJson {
  id: string
  status: string
  exitCode: number | null
  node: string | null
  reason: string | null
}

/** Runs the command line; shows the words and the output unless it is quiet. */
function hakuriver(words: string[], { isQuiet = false } = {}): Promise<Result> {
  if (!isQuiet) process.stdout.write(`\n$ hakuriver ${words.map(shown).join(' ')}\n`)
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(dist, 'hakuriver.cjs'), ...words], { env, timeout: stepMs })
    const printed = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].on('data', (data: Buffer) => {
        printed[stream] += data.toString()
        if (!isQuiet) process.stdout.write(data)
      })
    }
    child.stdin.end()
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? 255, ...printed }))
  })
}

function shown(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

async function json<T>(...words: string[]): Promise<T> {
  const { stdout } = await hakuriver([...words, '--json'], { isQuiet: true })
  return JSON.parse(stdout) as T
}

function check(what: string, isRight: boolean): void {
  process.stdout.write(`${isRight ? '✓' : '✗'} ${what}\n`)
  if (!isRight) wrong.push(what)
}

async function task(id: string): Promise<TaskJson> {
  return (await json<{ task: TaskJson }>('show', id)).task
}

/** Asks again until it is so, within the time of a step. */
async function until(what: string, probe: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + stepMs; ; ) {
    if (await probe()) return
    if (Date.now() > end) throw new Error(`${what}: not in time`)
    await sleep(100)
  }
}

function title(text: string): void {
  process.stdout.write(`\n── ${text} ${'─'.repeat(Math.max(0, 74 - text.length))}\n`)
}

async function main(): Promise<void> {
  title('One command to a working cluster')
  await hakuriver(['up', '--detach', '--port', '0'])
  const { url } = await json<{ url: string }>('up', '--detach')
  const second = startSecondNode(url)
  try {
    await until(
      'the second node is online',
      async () => (await json<{ items: object[] }>('nodes')).items.length === 2,
    )
    const { items: nodes } = await json<{ items: { name: string; executor: { enforcesLimits: boolean } }[] }>(
      'nodes',
    )
    await hakuriver(['nodes'])
    await work(
      nodes.map(({ name }) => name),
      nodes.every(({ executor }) => executor.enforcesLimits),
    )
  } finally {
    second.kill('SIGTERM')
    await hakuriver(['down'])
  }
}

/** A second runner on this machine, as another machine would run it. */
function startSecondNode(url: string) {
  const words = [
    'runner',
    '--host',
    url,
    '--name',
    'second',
    '--join-token-file',
    join(dir, 'home/join-token'),
  ]
  // a runner that is root runs nothing unless it is told as whom
  const user = process.getuid?.() === 0 ? ['--task-user', 'nobody'] : []
  const dirs = [
    ...user,
    '--state-dir',
    join(dir, 'second'),
    '--local-temp-dir',
    join(dir, 'second-temp'),
    '--log-level',
    'warn',
  ]
  return spawn(process.execPath, [join(dist, 'hakuriver.cjs'), ...words, ...dirs], { env, stdio: 'inherit' })
}

async function work(nodes: string[], enforcesLimits: boolean): Promise<void> {
  title('One submit on several targets')
  const targets = nodes.flatMap((name) => ['-t', name])
  const greet = 'for i in 1 2 3; do echo "$HAKURIVER_NODE counts $i"; sleep 0.2; done'
  const ids = (await hakuriver(['submit', '--name', 'count', ...targets, '--', 'sh', '-c', greet])).stdout
    .trim()
    .split('\n')
  check('one task for each target', ids.length === nodes.length)
  await hakuriver(['logs', '-f', ids[0] ?? ''])
  const waited = await hakuriver(['wait', ...ids])
  check('all of them completed', waited.code === 0)
  const where = await Promise.all(ids.map(async (id) => (await task(id)).node))
  check(`each ran where it was aimed at: ${where.join(', ')}`, where.join() === nodes.join())

  title('One that fails')
  const failing = await hakuriver(['submit', '--wait', '--', 'sh', '-c', 'echo "disk not found" >&2; exit 3'])
  check('submit --wait ends with the exit code of the task', failing.code === 3)
  const failed = await hakuriver(['logs', '--stderr', 'last'])
  check('its error output is kept', failed.stderr === 'disk not found\n')

  title('One that is killed')
  const victim = (await hakuriver(['submit', '--name', 'endless', '--', 'sleep', '600'])).stdout.trim()
  await until('it runs', async () => (await task(victim)).status === 'running')
  const queued = (
    await hakuriver(['submit', '--name', 'too big', '--cores', '99999', '--', 'true'])
  ).stdout.trim()
  await hakuriver(['ps'])
  check('what cannot run yet says why', (await task(queued)).reason?.includes('99999 cores') ?? false)
  await hakuriver(['kill', victim, queued])
  await hakuriver(['wait', victim, queued])
  check(
    'both are killed',
    (await task(victim)).status === 'killed' && (await task(queued)).status === 'killed',
  )

  title('One that takes too long, and one that takes too much memory')
  const slow = await hakuriver(['submit', '--wait', '--timeout', '500ms', '--', 'sleep', '600'])
  check('the slow one timed out (124, as timeout(1) has it)', slow.code === 124)
  if (enforcesLimits) {
    const hungry = 'head -c 300000000 /dev/zero | tail -c 200000000 | wc -c'
    const hog = await hakuriver(['submit', '--wait', '--memory', '32M', '--', 'sh', '-c', hungry])
    check('the hungry one was ended for lack of memory (137)', hog.code === 137)
    check('and is told so', (await task('last')).status === 'killed_oom')
  } else {
    process.stdout.write('(Memory limits need systemd, which does not run tasks here: left out.)\n')
  }

  title('What happened')
  await hakuriver(['ps', '--all'])
}

main()
  .catch((error: unknown) => {
    wrong.push(String(error))
  })
  .finally(() => {
    rmSync(dir, { recursive: true, force: true })
    process.stdout.write(
      wrong.length === 0 ? '\nEvery outcome was right.\n' : `\nWrong: ${wrong.join('; ')}\n`,
    )
    process.exitCode = wrong.length === 0 ? 0 : 1
  })
