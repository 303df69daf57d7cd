/** Logs of real tasks, in a shared directory and on a node: lines, searches and downloads. */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalCluster } from '../support/cluster.ts'
import { temporaryDir } from '../support/program.ts'

describe.each(['in the shared directory', 'on a node'])('a log %s', (place) => {
  const shared = temporaryDir()
  let cluster: LocalCluster

  beforeAll(async () => {
    const args = place === 'on a node' ? [] : ['--shared-dir', shared.path]
    cluster = await LocalCluster.start({ hostArgs: args, runnerArgs: args })
  })
  afterAll(async () => {
    await cluster.close()
    shared.remove()
  })

  const texts = ({ items }: { items: { text: string }[] }) => items.map(({ text }) => text)

  it('is read by line, searched and downloaded', async () => {
    const { api } = cluster
    const { id } = await api.run({ command: 'seq', arguments: ['300000'] })
    const params = { id, stream: 'stdout' } as const
    const middle = await api.client.readLogLines({ params, query: { from: 150_000, count: 2 } })
    expect(middle).toMatchObject({ firstLine: 150_000, isEnded: true })
    expect(texts(middle)).toEqual(['150000', '150001'])
    const last = await api.client.readLogLines({ params, query: { tail: true, count: 1 } })
    expect(last).toMatchObject({ items: [{ text: '300000' }], firstLine: 300_000, nextOffset: last.size })
    const found = await api.client.searchLog({ params, query: { q: '299999' } })
    expect(found).toMatchObject({ items: [{ line: 299_999, text: '299999' }], next: null })
    const { headers, text } = await api.raw({ path: `/api/v1/tasks/${id}/logs/stdout?download=true` })
    expect(headers['content-disposition']).toContain(`${id}.out.log`)
    expect(text === Array.from({ length: 300_000 }, (_, at) => `${at + 1}\n`).join('')).toBe(true)
    const grep = cluster.cli('logs', '--grep', '12345', '--line-numbers', id)
    expect(await grep.ended).toMatchObject({ code: 0 })
    expect(grep.stdout.split('\n')[0]).toBe('12345:12345')
  })

  it('is followed line by line, with a last one that grows, to the end of its task', async () => {
    const { api } = cluster
    const script = 'echo one; printf tw; while [ ! -e "$0" ]; do sleep 0.05; done; echo o; printf end'
    const gate = `${shared.path}/gate-${place.replaceAll(' ', '-')}`
    const id = await api.submit({ command: 'sh', arguments: ['-c', script, gate] })
    const params = { id, stream: 'stdout' } as const
    let page = await api.client.readLogLines({ params, query: { offset: 0, waitMs: 10_000 } })
    const seen: string[][] = [texts(page)]
    while (texts(page).at(-1) !== 'tw') {
      const { nextOffset: offset, size } = page
      page = await api.client.readLogLines({ params, query: { offset, seen: size, waitMs: 10_000 } })
      seen.push(texts(page))
    }
    expect(seen.flat()).toContain('one')
    writeFileSync(gate, '')
    const lines: string[] = []
    while (!page.isEnded) {
      const { nextOffset: offset, size } = page
      page = await api.client.readLogLines({ params, query: { offset, seen: size, waitMs: 10_000 } })
      const whole = page.items.filter(({ offset: at }) => page.isEnded || at !== page.nextOffset)
      lines.push(...whole.map(({ text }) => text))
    }
    expect(lines).toEqual(['two', 'end'])
    expect(page.nextOffset).toBe(page.size)
  })
})
