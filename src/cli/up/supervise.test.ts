import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { waitFor } from '../../platform/wait.ts'
import { temporaryDir } from '../cli.suite.ts'
import { lastLines, openLog } from './log-file.ts'
import { identify, isAlive, type ProcessId } from './state.ts'
import { stopProcesses } from './stop.ts'
import { supervise } from './supervise.ts'

interface Watched {
  pids: number[]
  deaths: { how: string; inMs: number }[]
  stop(graceMs: number): Promise<void>
  output(): string
}

/** Supervises a shell script, which goes with the test. */
function watched(script: string, backoffMs = 1): Watched {
  const path = join(temporaryDir(), 'output')
  const outputFd = openSync(path, 'a')
  const pids: number[] = []
  const deaths: { how: string; inMs: number }[] = []
  const child = supervise({
    command: '/bin/sh',
    args: () => ['-c', script],
    env: {},
    outputFd,
    onStart: (pid) => pids.push(pid),
    onDeath: (how, inMs) => deaths.push({ how, inMs }),
    backoffMs,
  })
  onTestFinished(async () => {
    await child.stop(0)
    closeSync(outputFd)
  })
  return { pids, deaths, stop: child.stop, output: () => readFileSync(path, 'utf8') }
}

it('starts a child again, each time after a longer pause', async () => {
  const child = watched('exit 3')
  await waitFor('five deaths', () => child.deaths.length >= 5)
  expect(child.deaths.slice(0, 5)).toEqual([1, 2, 4, 8, 16].map((inMs) => ({ how: 'exit code 3', inMs })))
  expect(new Set(child.pids).size).toBe(child.pids.length)
})

it('tells which signal ended a child', async () => {
  const child = watched('kill -KILL $$')
  await waitFor('a death', () => child.deaths.length > 0)
  expect(child.deaths[0]?.how).toBe('SIGKILL')
})

it('says so where the program is not there', async () => {
  const deaths: string[] = []
  const child = supervise({
    command: '/nowhere/program',
    args: () => [],
    env: {},
    outputFd: 2,
    onStart: () => {},
    onDeath: (how) => deaths.push(how),
  })
  await waitFor('a death', () => deaths.length > 0)
  expect(deaths[0]).toContain('ENOENT')
  await child.stop(0)
})

it('stops a child in order, and does not start it again', async () => {
  const child = watched('trap "echo bye; exit 0" TERM; echo ready; while :; do sleep 0.01; done')
  await waitFor('the child', () => child.output().includes('ready'))
  await child.stop(10_000)
  expect(child.output()).toBe('ready\nbye\n')
  expect(child.pids.map(identify)).toEqual([null])
  expect(child.deaths).toEqual([])
})

it('kills a child that does not end', async () => {
  const child = watched('trap "" TERM; echo ready; while :; do sleep 0.01; done')
  await waitFor('the child', () => child.output().includes('ready'))
  await child.stop(20)
  expect(child.pids.map(identify)).toEqual([null])
})

it('stops while it waits to start the child again', async () => {
  const child = watched('exit 1', 60_000)
  await waitFor('a death', () => child.deaths.length === 1)
  await child.stop(0)
  expect(child.pids).toHaveLength(1)
})

/** A process that goes with the test. */
async function processOf(script: string): Promise<ProcessId> {
  const ready = join(temporaryDir(), 'ready')
  const child = spawn('/bin/sh', ['-c', `${script}; : > "${ready}"; while :; do sleep 0.01; done`], {
    stdio: 'ignore',
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await waitFor('the process', () => existsSync(ready))
  const id = identify(child.pid ?? 0)
  if (id === null) throw new Error('it is gone')
  return id
}

it('stopProcesses ends the polite, kills the deaf, and spares a later process of the same number', async () => {
  const polite = await processOf(':')
  const deaf = await processOf('trap "" TERM')
  const other = await processOf(':')
  const gone = [polite, deaf, { ...other, startTicks: '1' }]
  await stopProcesses(gone, gone, 20)
  expect([polite, deaf, other].map(isAlive)).toEqual([false, false, true])
})

it('puts a large log aside, and shows the sentences of what came since', () => {
  const path = join(temporaryDir(), 'host.log')
  writeFileSync(path, 'x'.repeat(11 * 1024 * 1024))
  const first = openLog(path)
  expect(readFileSync(`${path}.1`)).toHaveLength(11 * 1024 * 1024)
  writeFileSync(first.fd, 'an old line\n')
  const second = openLog(path)
  writeFileSync(second.fd, '{"level":50,"error":"EADDRINUSE","msg":"Cannot listen"}\n\nplain \u001b[31m\n')
  expect(lastLines(second)).toEqual(['Cannot listen: EADDRINUSE', 'plain \\x1b[31m'])
  closeSync(first.fd)
  closeSync(second.fd)
})
