/** A list of a hundred thousand tasks: gone through, held still, searched, and acted upon. */
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'
import { type Seeded, seedTasks } from '../support/seed.ts'
import { describeInBrowser, startBrowser, type Visit, visit } from './browser.ts'

describeInBrowser('a long list of tasks', () => {
  let cluster: LocalCluster
  let browser: Browser
  let seeded: Seeded
  let opened: Visit | null = null

  beforeAll(async () => {
    // without a node all that is submitted waits
    cluster = await LocalCluster.start({ nodes: [], hostArgs: ['--insecure-loopback'] })
    await cluster.host.stop()
    seeded = seedTasks(join(cluster.home, 'cluster.db'), 100_000)
    await cluster.startHost()
    browser = await startBrowser()
  }, 120_000)
  afterEach(async () => {
    await opened?.context.close()
    opened = null
  })
  afterAll(async () => {
    await browser?.close()
    await cluster?.close()
  })

  async function arrive(path: string): Promise<Visit> {
    opened = await visit(browser, cluster.api.url)
    await opened.page.goto(path)
    await opened.page.locator('tr[data-task]').first().waitFor()
    return opened
  }
  const submit = (count: number, name: string) =>
    cluster.api.submitAll(
      Array.from({ length: count }, (_, at) => ({ command: 'true', name: `${name} ${at}` })),
    )

  it('does not move while somebody reads, and says what is new', { timeout: 60_000 }, async () => {
    const { page, faults } = await arrive('/tasks')
    await page.mouse.move(600, 500)
    await page.mouse.wheel(0, 1_500)
    const read = await steady(page)
    // more than the pages that are loaded
    await submit(700, 'meanwhile')
    await page.getByRole('button', { name: /^(700|[5-7]\d\d or more) new/ }).waitFor()
    expect(await firstRow(page)).toEqual(read)
    await page.getByRole('button', { name: / new/ }).click()
    await page.getByText('meanwhile 699', { exact: true }).waitFor()
    expect(await page.evaluate(() => window.scrollY)).toBe(0)
    // and nobody's hand is on it any more: it is live
    await page.mouse.move(2, 2)
    await submit(1, 'the very newest')
    await page.getByText('the very newest 0').waitFor()
    expect(faults).toEqual([])
  })

  it('goes on as one scrolls, keeps few rows, and finds its place again', { timeout: 90_000 }, async () => {
    const { page, faults } = await arrive('/tasks?status=completed')
    await page.mouse.move(600, 500)
    for (let turn = 0; turn < 20; turn += 1) {
      await page.mouse.wheel(0, 4_000)
      await page.waitForFunction(() => document.querySelector('tr.ghost') === null)
    }
    const deep = await steady(page)
    expect(await page.evaluate(() => window.scrollY)).toBeGreaterThan(40_000)
    expect(await page.locator('tr[data-task]').count()).toBeLessThan(80)
    const ids = await page
      .locator('tr[data-task]')
      .evaluateAll((rows) => rows.map((row) => Number((row as HTMLElement).dataset.task)))
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => b - a))
    await page.locator(`tr[data-task="${deep.id}"] a.title`).click()
    await page.waitForURL(`**/tasks/${deep.id}`)
    await page.goBack()
    const row = page.locator(`tr[data-task="${deep.id}"]`)
    await row.waitFor()
    await steady(page)
    // what is above the list may have a line more or less by now
    expect(Math.abs(((await row.boundingBox())?.y ?? 0) - deep.y)).toBeLessThan(60)
    await page.keyboard.press('Home')
    await page.locator(`tr[aria-rowindex="2"][data-task]`).waitFor()
    expect(faults).toEqual([])
  })

  it('finds a part of a name or an id, however old, and says how far it has looked', {
    timeout: 60_000,
  }, async () => {
    const { page, faults } = await arrive('/tasks')
    await page.keyboard.press('/')
    await page.keyboard.type('train-0-1')
    // train-0-1, -10 to -19 of the oldest batch, behind all others
    const row = page.locator(`tr[data-task="${seeded.oldestTaskId + 1}"]`)
    await row.waitFor({ timeout: 40_000 })
    await page.getByText(/found in [\d,]+ tasks/).waitFor()
    expect(page.url()).toContain('q=train-0-1')
    expect(await page.locator('tr[data-task]').count()).toBeGreaterThanOrEqual(11)
    await page.getByRole('searchbox').fill(String(seeded.newestTaskId))
    await page.locator(`tr[data-task="${seeded.newestTaskId}"]`).waitFor()
    await page.getByRole('searchbox').fill('')
    await page.getByRole('button', { name: /^lost/ }).click()
    await page.getByRole('button', { name: /^All/, pressed: false }).waitFor()
    expect(page.url()).toContain('status=lost')
    expect(page.url()).not.toContain('q=')
    expect(faults).toEqual([])
  })

  it('kills what was chosen by keys, and tells of each', { timeout: 60_000 }, async () => {
    const ids = await submit(3, 'not wanted')
    const { page, faults } = await arrive('/tasks?status=pending')
    await page.getByText('not wanted 2', { exact: true }).waitFor()
    for (const key of ['j', 'x', 'j', 'x', 'j', 'x']) await page.keyboard.press(key)
    await page.getByText('3 selected').waitFor()
    // this one is gone before the question is answered
    await page.keyboard.press('Delete')
    await page.getByRole('alertdialog', { name: 'Kill 3 tasks?' }).waitFor()
    await cluster.api.client.killTask({ params: { id: ids[0] ?? '' }, body: {} })
    await page.getByRole('button', { name: 'Kill 3 tasks' }).click()
    const told = page.getByRole('dialog', { name: 'Kill' })
    await told.waitFor()
    expect(await told.innerText()).toMatch(/2 tasks are killed.*1 task was refused.*it has ended \(killed\)/s)
    await page.getByRole('button', { name: 'Close' }).click()
    for (const id of ids) expect((await cluster.api.task(id)).status).toBe('killed')
    await page.locator(`tr[data-task="${ids[2]}"]`).waitFor({ state: 'detached' })
    expect(faults).toEqual([])
  })

  it('chooses all that match, and offers only what can be done with them', { timeout: 60_000 }, async () => {
    const { page, faults } = await arrive('/tasks?status=failed')
    await page.locator('tr[data-task] input').first().check()
    await page.getByRole('button', { name: /^Select all [\d,]+ that match/ }).click()
    await page.getByRole('button', { name: /^Run [45],\d\d\d again/ }).waitFor()
    expect(await page.getByRole('button', { name: /^Kill/ }).count()).toBe(0)
    await page.goto('/tasks?status=completed')
    await page.locator('tr[data-task] input').first().check()
    await page.getByRole('button', { name: /^Select all/ }).click()
    await page.getByText('10,000 selected: the newest').waitFor()
    await page.keyboard.press('Escape')
    await page.getByText(/selected/).waitFor({ state: 'detached' })
    expect(faults).toEqual([])
  })
})

/** The first row that is not covered by the head of the list, and where it is. */
function firstRow(page: Page): Promise<{ id: string; y: number }> {
  return page.evaluate(() => {
    const edge = document.querySelector('thead th')?.getBoundingClientRect().bottom ?? 0
    for (const row of document.querySelectorAll<HTMLElement>('tr[data-task]')) {
      const { top } = row.getBoundingClientRect()
      if (top >= edge - 1) return { id: row.dataset.task ?? '', y: Math.round(top) }
    }
    return { id: '', y: 0 }
  })
}

/** The same, once the scrolling has come to its end. */
async function steady(page: Page): Promise<{ id: string; y: number }> {
  let before = await firstRow(page)
  return waitFor('the page stands still', async () => {
    await page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    )
    const now = await firstRow(page)
    const isSame = now.id !== '' && now.id === before.id && now.y === before.y
    before = now
    return isSame ? now : null
  })
}
