import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { exit } from '../core/builders.suite.ts'
import { systemClock } from '../platform/clock.ts'
import { type AppendedFile, systemDisk } from '../platform/disk.ts'
import { waitFor } from '../platform/wait.ts'
import { Outbox, type OutboxDeps, type OutboxReport, parseLines, type ReportEvent } from './outbox.ts'

let root = ''
let path = ''
let said: string[] = []
const opened: Outbox[] = []

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hakuriver-outbox-'))
  path = join(root, 'outbox.jsonl')
  said = []
})
afterEach(async () => {
  vi.restoreAllMocks()
  for (const outbox of opened.splice(0)) await outbox.close()
  rmSync(root, { recursive: true, force: true })
})

async function openOutbox(): Promise<Outbox> {
  const outbox = await Outbox.open(path, deps)
  opened.push(outbox)
  return outbox
}

/** What a runner finds that starts now, whatever became of this one. */
async function reopened(): Promise<OutboxReport[]> {
  return [...(await openOutbox()).pending()]
}

const deps: OutboxDeps = {
  disk: systemDisk,
  later: systemClock.after,
  log: (message) => said.push(message),
}

const started: ReportEvent = { type: 'started', startedAtMs: 5 }
const exited: ReportEvent = { type: 'exited', exit: exit({ reason: 'it said "no"\n\u2028ß' }) }
const lines = () => readFileSync(path, 'utf8').split('\n').slice(0, -1)

describe('outbox', () => {
  test('a new one is empty', async () => {
    expect(await reopened()).toEqual([])
  })

  test('reports survive', async () => {
    const outbox = await openOutbox()
    const reports = [outbox.add(1, 1, started), outbox.add(1, 1, exited), outbox.add(2, 3, started)]
    await outbox.settled()
    expect(await reopened()).toEqual(reports)
    expect(outbox.has(1, 1, 'exited')).toBe(true)
    expect(outbox.has(1, 2, 'exited')).toBe(false)
    expect(outbox.has(2, 3, 'exited')).toBe(false)
  })

  test('sequence numbers grow, over a reopening too', async () => {
    const first = await openOutbox()
    const before = [first.add(1, 1, started), first.add(1, 1, exited), first.add(2, 1, started)]
    first.acknowledge(before[1]?.seq ?? 0)
    await first.settled()
    const next = await openOutbox()
    const seqs = [...before, next.add(3, 1, started), next.add(4, 1, started)].map(({ seq }) => seq)
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
    expect(new Set(seqs).size).toBe(seqs.length)
    expect(seqs[0]).toBeGreaterThan(0)
  })

  test('an acknowledgement counts for all before it, and once', async () => {
    const outbox = await openOutbox()
    const [a, b, c] = [outbox.add(1, 1, started), outbox.add(1, 1, exited), outbox.add(2, 1, started)]
    expect(outbox.acknowledge(0)).toEqual([])
    expect(outbox.acknowledge(b.seq)).toEqual([a, b])
    expect(outbox.acknowledge(b.seq)).toEqual([])
    expect(outbox.acknowledge(a.seq)).toEqual([])
    expect(outbox.pending()).toEqual([c])
    expect(outbox.acknowledge(c.seq + 100)).toEqual([c])
    expect(outbox.pending()).toEqual([])
  })

  test('any order of reports and acknowledgements leaves what is open', async () => {
    const step = fc.oneof(fc.constant<'add'>('add'), fc.constant<'settle'>('settle'), fc.nat({ max: 12 }))
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        rmSync(path, { force: true })
        const outbox = await Outbox.open(path, deps)
        let wanted: OutboxReport[] = []
        for (const one of steps) {
          if (one === 'add') wanted.push(outbox.add(1, 1, started))
          else if (one === 'settle') await outbox.settled()
          else {
            outbox.acknowledge(one)
            wanted = wanted.filter(({ seq }) => seq > one)
          }
          expect(outbox.pending()).toEqual(wanted)
        }
        await outbox.close()
        // what was acknowledged may be there still, what is open must be
        const kept = parseLines(readFileSync(path, 'utf8'))
        expect(kept.slice(kept.length - wanted.length)).toEqual(wanted)
        if (wanted.length === 0) expect(kept).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  test('the file is empty when all is acknowledged, also in the middle of a write', async () => {
    const outbox = await openOutbox()
    for (let round = 0; round < 20; round += 1) {
      const { seq } = outbox.add(round, 1, exited)
      if (round % 2 === 0) await outbox.settled()
      outbox.acknowledge(seq)
    }
    await outbox.settled()
    expect(readFileSync(path, 'utf8')).toBe('')
  })

  test('it does not grow where something is always open', async () => {
    const outbox = await openOutbox()
    let most = 0
    for (let round = 0; round < 5_000; round += 1) {
      const { seq } = outbox.add(2, 1, started)
      if (round % 100 !== 0) continue
      await outbox.settled()
      most = Math.max(most, lines().length)
      outbox.acknowledge(seq - 1)
    }
    await outbox.settled()
    expect(most).toBeLessThan(1_500)
    const open = [...outbox.pending()]
    expect(open).toHaveLength(100)
    expect((await reopened()).slice(-open.length)).toEqual(open)
  })

  test('torn at any byte it holds the reports whose lines are whole', async () => {
    const outbox = await openOutbox()
    const reports = [outbox.add(1, 1, started), outbox.add(1, 1, exited), outbox.add(2, 1, started)]
    await outbox.settled()
    const whole = readFileSync(path)
    const ends = [...whole.keys()].filter((at) => whole[at] === 0x0a)
    for (let length = 0; length <= whole.length; length += 1) {
      const wanted = reports.slice(0, ends.filter((end) => end < length).length)
      expect(parseLines(whole.subarray(0, length).toString())).toEqual(wanted)
    }
    for (const length of [1, (ends[0] ?? 0) + 1, (ends[1] ?? 0) + 9, whole.length - 1]) {
      writeFileSync(path, whole.subarray(0, length))
      const next = await openOutbox()
      const kept = [...next.pending()]
      expect(kept).toEqual(reports.slice(0, ends.filter((end) => end < length).length))
      // what comes after a torn line is not lost with it
      const added = next.add(9, 1, exited)
      await next.settled()
      expect(await reopened()).toEqual([...kept, added])
    }
  })

  test('what is no report ends the reading', () => {
    const line = JSON.stringify({ seq: 1, taskId: 1, attempt: 1, event: started })
    for (const broken of [
      'null',
      '7',
      '"x"',
      '[]',
      '{}',
      '{"seq":1}',
      '{"seq":"1","event":{}}',
      'x',
      '',
      '\0\0\0',
    ]) {
      expect(parseLines(`${line}\n${broken}\n${line}\n`), broken).toHaveLength(1)
    }
  })

  test('a disk that was full for a while loses nothing', async () => {
    const file: { opened?: AppendedFile } = {}
    const disk = {
      ...systemDisk,
      append: async (at: string) => {
        file.opened ??= await systemDisk.append(at)
        return file.opened
      },
    }
    const outbox = await Outbox.open(path, { ...deps, disk })
    opened.push(outbox)
    const reports = [outbox.add(1, 1, started)]
    await outbox.settled()
    const { opened: whole } = file
    if (whole === undefined) throw new Error('the outbox opened no file')
    const append = whole.append
    whole.append = async (text) => {
      whole.append = append
      file.opened = undefined as never
      await append(text.slice(0, 20))
      throw new Error('ENOSPC: no space left on device')
    }
    reports.push(outbox.add(1, 1, exited))
    await waitFor('the failure', () => said.length > 0)
    reports.push(outbox.add(2, 1, started))
    await outbox.settled()
    expect(said).toEqual([expect.stringContaining('Cannot write'), expect.stringContaining('again')])
    expect(outbox.pending()).toEqual(reports)
    expect(await reopened()).toEqual(reports)
  })
})
