/** Hostile texts on a real terminal: what a task prints or is called steers nothing, by whatever command it is shown. */
import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'
import { bundle } from '../support/program.ts'
import { hostileOutput, hostileTexts } from '../web/hostile-texts.ts'

let cluster: LocalCluster
let id = ''
let batchId = ''

beforeAll(async () => {
  cluster = await LocalCluster.start()
  const output = join(cluster.dir, 'output')
  writeFileSync(output, hostileOutput())
  const { api } = cluster
  const { title, clipboard } = hostileTexts
  const spec = {
    command: 'sh',
    arguments: ['-c', `cat ${output}; cat ${output} >&2`, 'sh', title, clipboard],
    name: `${clipboard}${title}`,
    env: { HOSTILE: title },
  }
  const made = await api.client.submitBatch({ body: { specs: [spec], name: title } })
  batchId = made.batchId ?? ''
  id = made.tasks[0]?.taskId ?? ''
  await api.ended(id)
  await api.client.drainNode({ params: { name: 'n1' }, body: { reason: `${title}${clipboard}` } })
})
afterAll(() => cluster.close())

const env = () => ({
  ...process.env,
  HAKURIVER_HOME: cluster.home,
  HAKURIVER_HOST_URL: '',
  HAKURIVER_TOKEN: '',
  NO_COLOR: '',
  TERM: 'xterm-256color',
})

/** What a command writes on a terminal (script(1)). */
function onTerminal(...words: string[]): string {
  const quoted = [process.execPath, bundle('hakuriver'), ...words].map(
    (word) => `'${word.replaceAll("'", `'\\''`)}'`,
  )
  const ran = spawnSync('script', ['-qec', quoted.join(' '), '/dev/null'], {
    env: env(),
    input: '',
    maxBuffer: 2 ** 28,
    timeout: 40_000,
  })
  return ran.stdout.toString()
}

const color = new RegExp(`${'\x1b'}\\[[0-9;:]*m`, 'g')

/** Control characters that reach the terminal, but those of lines and colours. */
function controlsIn(text: string): string[] {
  const rest = [...text.replace(color, '')]
  return [...new Set(rest.filter((char) => /\p{Cc}/u.test(char) && !'\n\r\t'.includes(char)))]
}

it.each([
  ['logs', () => ['logs', id]],
  ['logs -f', () => ['logs', '-f', id]],
  ['logs -n', () => ['logs', '-n', '5', id]],
  ['logs without colours', () => ['logs', '--no-color', id]],
  ['batch logs', () => ['batch', 'logs', batchId]],
  ['batch logs -f', () => ['batch', 'logs', '-f', batchId]],
  ['grep', () => ['grep', 'nine', id]],
  ['show', () => ['show', id]],
  ['show --json', () => ['show', '--json', id]],
  ['ps', () => ['ps', '--all']],
  ['batches', () => ['batch', 'list']],
  ['batch', () => ['batch', 'show', batchId]],
  ['nodes', () => ['nodes']],
  ['node', () => ['node', 'n1']],
  ['events', () => ['events', id]],
  ['events of a node', () => ['events', '--node', 'n1']],
  ['an error that repeats what was typed', () => ['show', `${hostileTexts.title}x`]],
  ['a refused target', () => ['submit', '-t', `n1${hostileTexts.clipboard}`, 'true']],
  ['a node that is not there', () => ['node', hostileTexts.clipboard]],
])('%s', { timeout: 60_000 }, (_, words) => {
  const shown = onTerminal(...words())
  expect(shown.length).toBeGreaterThan(20)
  expect(controlsIn(shown)).toEqual([])
})

it('into a pipe the bytes are what the task wrote', { timeout: 60_000 }, () => {
  const piped = execFileSync(process.execPath, [bundle('hakuriver'), 'logs', '--stdout', id], {
    env: env(),
    maxBuffer: 2 ** 28,
  })
  expect(piped.equals(hostileOutput())).toBe(true)
})

it('a terminal keeps its title and its clipboard (tmux)', { timeout: 60_000 }, async () => {
  const socket = join(cluster.dir, 'tmux')
  const tmux = (...words: string[]) =>
    execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...words], { env: env(), encoding: 'utf8' })
  const buffers = () => tmux('list-buffers').trim()
  const title = () => tmux('display-message', '-p', '#{pane_title}').trim()
  tmux('new-session', '-d', '-x', '200', '-y', '50', 'exec cat')
  try {
    tmux('set-option', '-s', 'set-clipboard', 'on')
    const run = (line: string) => tmux('respawn-pane', '-k', `${line}; echo all-is-shown; exec cat`)
    const isShown = () => tmux('capture-pane', '-p').includes('all-is-shown')
    // the terminal would take them: the same bytes without us
    const direct = `printf '${'\\033]0;owned\\007\\033]52;c;b3duZWQ=\\007'}'`
    run(direct)
    await waitFor('they were taken', () => isShown() && title() === 'owned' && buffers() !== '')
    tmux('delete-buffer')
    tmux('select-pane', '-T', 'kept')
    const words = [
      ['logs', id],
      ['batch', 'logs', batchId],
      ['show', id],
      ['ps', '--all'],
      ['events', '--node', 'n1'],
    ]
    for (const line of words) {
      run(`${process.execPath} ${bundle('hakuriver')} ${line.join(' ')}`)
      await waitFor('it has ended', isShown, { deadlineMs: 30_000 })
      expect([line[0], buffers(), /eight|nine|owned/.test(title())]).toEqual([line[0], '', false])
    }
  } finally {
    tmux('kill-server')
  }
})
