/**
 * Takes the pictures of a real terminal in docs/pictures: three real systemd machines of the lab, the command line in
 * tmux, and its screen drawn as SVG. `npm run pictures`, where the output has changed.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LabCluster } from '../test/support/lab-cluster.ts'
import { root } from '../test/support/program.ts'
import { terminalSvg } from './docs/terminal-svg.ts'

const columns = 116
const settleMs = 1_500

const dir = mkdtempSync(join(tmpdir(), 'hakuriver-pictures-'))
const socket = join(dir, 'tmux')
const cluster = await LabCluster.start({ nodes: 3, id: 'pictures', net: '10.78.60' })
try {
  const tmux = (...words: string[]) =>
    execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...words], { encoding: 'utf8' })
  const env = [
    `HAKURIVER_HOME=${cluster.local.home}`,
    `PATH=${join(root, 'bin')}:${process.env.PATH}`,
    'PS1=\\[\\e[36m\\]$\\[\\e[0m\\] ',
  ]
  const shell = ['env', '-u', 'HAKURIVER_HOST_URL', '-u', 'NO_COLOR', ...env, 'bash', '--norc', '-i']
  tmux('new-session', '-d', '-x', String(columns), '-y', '40', ...shell)
  const type = async (line: string, waitMs = settleMs) => {
    tmux('send-keys', '-l', line)
    tmux('send-keys', 'Enter')
    await sleep(waitMs)
  }
  const take = (name: string, title: string) => {
    const lines = tmux('capture-pane', '-e', '-p').split('\n')
    while (lines.at(-1)?.trim() === '' || /^\S*\$\S*\s*$/.test(plain(lines.at(-1) ?? ''))) lines.pop()
    mkdirSync(join(root, 'docs/pictures'), { recursive: true })
    writeFileSync(join(root, 'docs/pictures', `${name}.svg`), terminalSvg(lines, columns, title))
  }
  const clear = async () => {
    tmux('send-keys', '-R')
    tmux('clear-history')
    await type('clear', 400)
  }

  await clear()
  await type('hakuriver submit --name hello -- sh -c \'echo "hello from $HAKURIVER_NODE"\'')
  await type('hakuriver logs -f last')
  await type('hakuriver submit --wait -- sh -c \'exit 7\'; echo "exit code $?"')
  await type('hakuriver sweep --dry-run -- python train.py --lr "span:[0.1,0.01]" --seed "span:{1..3}"')
  take('submit', 'submit, and see')

  await clear()
  await type('hakuriver submit -q -t node1 -t node2 --name train -- sh -c "sleep 600" > /dev/null', 600)
  await type(
    'hakuriver submit -q --name resize -- sh -c "echo ran out of ideas >&2; exit 3" > /dev/null',
    600,
  )
  await type('hakuriver submit -q --cores 2 -t node1 --name evaluate -- ./evaluate.sh > /dev/null', 600)
  await type('hakuriver submit -q --timeout 1s --name probe -- sleep 30 > /dev/null', 600)
  await type('hakuriver submit -q --cores 64 --name dream -- ./huge.sh > /dev/null', 1_600)
  await clear()
  await type('hakuriver ps')
  take('ps', 'hakuriver ps')

  await clear()
  await type('hakuriver nodes')
  await type('hakuriver node node1')
  take('nodes', 'the machines')

  await clear()
  await type("hakurun --parallel 2 sh -c 'test $0 != 3 && echo fitted $0' 'span:{1..4}'", 2_500)
  take('hakurun', 'a sweep on this machine')
  tmux('kill-server')
} finally {
  await cluster.close()
  rmSync(dir, { recursive: true, force: true })
}

function plain(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is taken away
  return line.replace(/\u001b\[[0-9;]*m/g, '')
}
