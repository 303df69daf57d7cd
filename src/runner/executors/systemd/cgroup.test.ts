import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Variant } from '../../../platform/dbus/marshal.ts'
import {
  type CgroupLayout,
  cgroupLayout,
  cgroupsBelow,
  currentUsageOf,
  isPopulated,
  processesIn,
  usageOf,
} from './cgroup.ts'
import { noFacts, pathOfUnit, takeFacts, unitOfPath } from './unit-facts.ts'

let root = ''
let layout: CgroupLayout
const unit = '/hakuriver.slice/hakuriver-task-1-1.service'

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hakuriver-cgroup-'))
  layout = {
    processes: root,
    memory: root,
    memoryFile: 'memory.current',
    peakFile: 'memory.peak',
    eventsFile: 'memory.events',
    cpu: root,
  }
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}

describe('cgroup', () => {
  test('tells its processes', () => {
    put(`${unit}/cgroup.procs`, '12\n345\n')
    expect(processesIn(layout, unit)).toEqual([12, 345])
    expect(processesIn(layout, '/not/there')).toEqual([])
  })

  test('on v2 the kernel tells whether anything is left', () => {
    put(`${unit}/cgroup.events`, 'populated 1\nfrozen 0\n')
    put(`${unit}/cgroup.procs`, '')
    expect(isPopulated(layout, unit)).toBe(true)
    put(`${unit}/cgroup.events`, 'populated 0\nfrozen 0\n')
    expect(isPopulated(layout, unit)).toBe(false)
  })

  test('on v1 it is looked for below', () => {
    put(`${unit}/cgroup.procs`, '')
    put(`${unit}/a/b/cgroup.procs`, '')
    expect(isPopulated(layout, unit)).toBe(false)
    put(`${unit}/a/b/cgroup.procs`, '7\n')
    expect(isPopulated(layout, unit)).toBe(true)
    expect(cgroupsBelow(layout, unit)).toEqual([`${unit}/a`])
    expect(isPopulated(layout, '/not/there')).toBe(false)
  })

  test('tells what was used', () => {
    put(`${unit}/memory.peak`, '4096\n')
    put(`${unit}/memory.events`, 'low 0\noom 2\noom_kill 1\n')
    put(`${unit}/cpu.stat`, 'usage_usec 1500400\nuser_usec 1\n')
    expect(usageOf(layout, unit)).toEqual({ peakMemoryBytes: 4096, oomKills: 1, cpuTimeMs: 1500 })
  })

  test('tells what is used so far, as far as the kernel tells it', () => {
    expect(currentUsageOf(layout, unit)).toBeNull()
    put(`${unit}/cpu.stat`, 'usage_usec 1500400\nuser_usec 1\n')
    expect(currentUsageOf(layout, unit)).toEqual({ cpuTimeMs: 1500, memoryBytes: null })
    put(`${unit}/memory.current`, '8192\n')
    expect(currentUsageOf(layout, unit)).toEqual({ cpuTimeMs: 1500, memoryBytes: 8192 })
  })

  test('what the kernel does not tell is not known', () => {
    expect(usageOf(layout, unit)).toEqual({ peakMemoryBytes: null, oomKills: 0, cpuTimeMs: null })
  })

  test('this machine has a layout', () => {
    expect(cgroupLayout().processes).toMatch(/^\/sys\/fs\/cgroup/)
  })
})

describe('facts of a unit', () => {
  test('are taken from what systemd tells, and others are let be', () => {
    const facts = noFacts()
    takeFacts(facts, [
      ['ActiveState', new Variant('s', 'failed')],
      ['Result', new Variant('s', 'timeout')],
      ['ExecMainCode', new Variant('i', 2)],
      ['ExecMainStatus', new Variant('i', 9)],
      ['ControlPID', new Variant('u', 77)],
      ['ExecMainStartTimestamp', new Variant('t', 1_700_000_000_123_456n)],
      ['ExecMainExitTimestamp', new Variant('t', 0n)],
      ['Description', new Variant('s', 'any')],
    ])
    expect(facts).toEqual({
      activeState: 'failed',
      result: 'timeout',
      mainCode: 2,
      mainStatus: 9,
      controlPid: 77,
      startedAtMs: 1_700_000_000_123,
      endedAtMs: null,
    })
  })

  test('the path of a unit tells its name', () => {
    expect(pathOfUnit('a-1.service')).toBe('/org/freedesktop/systemd1/unit/a_2d1_2eservice')
    expect(unitOfPath(pathOfUnit('hakuriver-task-1-2.service'))).toBe('hakuriver-task-1-2.service')
    expect(unitOfPath('/org/freedesktop/systemd1')).toBeNull()
  })
})
