import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { levels } from '../../core/load-history.ts'
import { TempHistory } from '../history/history.suite.ts'
import type { HistoryFile } from './history-file.ts'

const [fine, middle] = levels
let temp: TempHistory
let file: HistoryFile
beforeEach(() => {
  temp = new TempHistory()
  file = temp.open()
})
afterEach(() => {
  file.close()
  temp.remove()
})

const put = (node: string, block: number, value: number, level = fine as (typeof levels)[number]) =>
  file.changeLoad(level, block, node, (steps) => {
    steps[0] = value
  })
const get = (node: string, from: number, to: number, level = fine as (typeof levels)[number]) =>
  file.loadOf(level, node, from, to).map(({ block, steps }) => [block, steps[0]])
const nodesOf = (block: number, after = '', limit = 100) =>
  file.loadPage(fine, block, after, limit).map(({ node }) => node)

describe('load', () => {
  it('is kept by level, block and node, and changed in its place', () => {
    put('n1', 5, 1)
    put('n1', 5, 2)
    put('n1', 7, 3)
    put('n2', 5, 4)
    put('n1', 5, 6, middle)
    expect(get('n1', 4, 7)).toEqual([
      [5, 2],
      [7, 3],
    ])
    expect(get('n2', 0, 9)).toEqual([[5, 4]])
    expect(get('n1', 0, 9, middle)).toEqual([[5, 6]])
    expect(get('n3', 0, 9)).toEqual([])
    expect(file.blocksOf(fine)).toEqual({ first: 5, last: 7 })
    expect(file.blocksOf(levels[2])).toBeNull()
  })

  it('of all nodes comes a page at a time', () => {
    for (const node of ['c', 'a', 'b']) put(node, 1, 1)
    put('d', 2, 1)
    expect(nodesOf(1, '', 2)).toEqual(['a', 'b'])
    expect(nodesOf(1, 'b', 2)).toEqual(['c'])
  })

  it('that is old goes a part at a time, and that of a node at once', () => {
    for (const node of ['', 'a', 'b', 'c']) for (const block of [1, 2]) put(node, block, 1)
    file.removeBlock(fine, 1, 3)
    expect([nodesOf(1), nodesOf(2)]).toEqual([['c'], ['a', 'b', 'c']])
    file.removeBlock(fine, 1, 3)
    expect(file.blocksOf(fine)).toEqual({ first: 2, last: 2 })
    put('b', 2, 1, middle)
    file.removeNode(levels, 'b')
    expect([nodesOf(2), get('b', 0, 9, middle)]).toEqual([['a', 'c'], []])
  })

  it('outlives a restart', () => {
    file.together(() => put('n1', 1, 42))
    file.close()
    file = temp.open()
    expect(get('n1', 0, 9)).toEqual([[1, 42]])
    expect(temp.said).toEqual([])
    expect(statSync(temp.path).mode & 0o777).toBe(0o600)
  })

  it('of a length that this program does not know is empty, and written anew', () => {
    put('n1', 1, 1)
    const raw = new DatabaseSync(temp.path)
    raw.exec("update load set steps = x'0102'")
    raw.close()
    expect(get('n1', 0, 9)).toEqual([])
    put('n1', 1, 2)
    expect(get('n1', 0, 9)).toEqual([[1, 2]])
  })
})

describe('what tasks used', () => {
  const series = (value: number) => new Uint8Array([value])

  it('is kept of the newest, as they were written', () => {
    for (let task = 1; task <= 10; task += 1) file.saveUsage(task, series(task))
    file.saveUsage(1, series(99))
    file.trimUsage(4, 3)
    expect([1, 2, 3, 4, 5].map((task) => file.usageOf(task)?.[0])).toEqual([
      99,
      undefined,
      undefined,
      undefined,
      5,
    ])
    for (let round = 0; round < 5; round += 1) file.trimUsage(4, 3)
    expect([1, 6, 7, 8, 9, 10].map((task) => file.usageOf(task)?.[0])).toEqual([
      99,
      undefined,
      undefined,
      8,
      9,
      10,
    ])
  })
})

describe('a file that cannot be used', () => {
  const works = () => {
    put('n1', 1, 7)
    expect(get('n1', 0, 9)).toEqual([[1, 7]])
  }
  const setAside = () => readdirSync(temp.dir).filter((name) => name.startsWith('history.db.set-aside'))

  it('as it is none, is set aside, once', () => {
    file.close()
    for (const garbage of ['first', 'second']) {
      writeFileSync(temp.path, garbage.repeat(1_000))
      file = temp.open()
      works()
      file.close()
    }
    expect(setAside()).toEqual(['history.db.set-aside'])
    expect(readFileSync(`${temp.path}.set-aside`, 'latin1')).toContain('second')
    expect(temp.said).toEqual(['Began a new file of histories', 'Began a new file of histories'])
  })

  it('as it is of a newer program, is set aside', () => {
    file.close()
    const raw = new DatabaseSync(temp.path)
    raw.exec('insert into schema_versions (number) values (99)')
    raw.close()
    file = temp.open()
    works()
    expect(setAside()).not.toEqual([])
  })

  it('as it is of another program, is set aside', () => {
    file.close()
    truncateSync(temp.path)
    const raw = new DatabaseSync(temp.path)
    raw.exec('create table load (something text); create table other (something text)')
    raw.close()
    file = temp.open()
    works()
    expect(setAside()).not.toEqual([])
  })

  it('as it was damaged under way, is set aside, and what comes is kept', () => {
    file.together(() => {
      for (let node = 0; node < 500; node += 1) put(`n${node}`, 1, 1)
    })
    file.close()
    const { size } = statSync(temp.path)
    file = temp.open()
    // the head is whole, so that it opens
    const bytes = readFileSync(temp.path)
    bytes.fill(0xab, 8_192, size)
    writeFileSync(temp.path, bytes)
    file.together(() => {
      for (let node = 0; node < 500; node += 1) put(`n${node}`, 1, 2)
    })
    works()
    expect(get('n499', 0, 9)).toEqual([[1, 2]])
    expect(temp.said).toEqual(['Began a new file of histories'])
  })

  it('at all, is done without', () => {
    file.close()
    temp.remove()
    mkdirSync(temp.dir)
    mkdirSync(temp.path)
    file = temp.open()
    put('n1', 1, 7)
    file.together(() => put('n1', 1, 7))
    file.removeNode(levels, 'n1')
    file.removeBlock(fine, 1, 10)
    file.trimUsage(1, 1)
    expect([get('n1', 0, 9), nodesOf(1), file.blocksOf(fine), file.usageOf(1)]).toEqual([[], [], null, null])
    expect(temp.said).toEqual(['No histories are kept: the file cannot be used'])
  })

  it('as its disk is full, has a gap, which is told once', () => {
    put('n1', 1, 1)
    const raw = new DatabaseSync(temp.path)
    raw.exec('begin immediate') // as good as a full disk: no write goes through
    for (let time = 0; time < 3; time += 1) file.together(() => put('n1', 1, 2))
    raw.exec('rollback')
    raw.close()
    expect(temp.said).toEqual(['Cannot keep histories; they have a gap'])
    expect(get('n1', 0, 9)).toEqual([[1, 1]])
    file.together(works)
    const again = new DatabaseSync(temp.path)
    again.exec('begin immediate')
    put('n1', 1, 2)
    again.close()
    expect(temp.said).toHaveLength(2)
  })
})
