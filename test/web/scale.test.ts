/** A million tasks and a thousand nodes: the page shows what is asked for, and holds no more than the screen needs. */
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LocalCluster } from '../support/cluster.ts'
import { startFakeNodes } from '../support/fake-nodes.ts'
import { type Seeded, seedTasks } from '../support/seed.ts'
import { describeInBrowser, startBrowser, type Visit, visit } from './browser.ts'
import { heldBy, scriptBytes } from './figures.ts'

const tasks = 1_000_000
const nodes = 1_000
const MB = 1024 ** 2
/** Of which most are the page's own program. */
const mostHeapBytes = 60 * MB
const mostNodes = 12_000

describeInBrowser('a page of a large cluster', () => {
  let cluster: LocalCluster
  let fakes: Awaited<ReturnType<typeof startFakeNodes>>
  let browser: Browser
  let seeded: Seeded
  let seen: Visit

  beforeAll(async () => {
    cluster = await LocalCluster.start({
      nodes: [],
      heartbeatSeconds: 5,
      hostArgs: ['--log-level', 'warn'],
    })
    await cluster.host.stop()
    seeded = seedTasks(join(cluster.home, 'cluster.db'), tasks, { nodes: 20 })
    await cluster.startHost()
    ;[browser, fakes] = await Promise.all([startBrowser(), startFakeNodes(cluster, nodes, 8)])
    seen = await arrive()
  })
  afterAll(async () => {
    await browser?.close()
    await fakes?.stop()
    await cluster?.close()
  })

  async function arrive(): Promise<Visit> {
    const arrived = await visit(browser, cluster.api.url)
    await arrived.page.goto((await cluster.api.client.makeLoginLink({ body: {} })).url)
    await arrived.page.getByRole('navigation', { name: 'Pages' }).waitFor()
    return arrived
  }
  const row = (page: Page, id: number | string) => page.locator(`tr[data-task="${id}"]`)
  const count = (page: Page, selector: string) => page.locator(selector).count()
  async function isSmall(page: Page): Promise<void> {
    const { nodes, heapBytes } = await heldBy(page)
    expect(nodes).toBeLessThan(mostNodes)
    expect(heapBytes).toBeLessThan(mostHeapBytes)
  }

  it('loads no more than 200 KB of script for its first view', async () => {
    const { page, faults } = seen
    const bytes = await scriptBytes(page, async () => {
      await page.goto('/')
      await page.locator('h1').first().waitFor()
      await page.waitForLoadState('load')
    })
    expect(bytes).toBeGreaterThan(30_000)
    expect(bytes).toBeLessThanOrEqual(200_000)
    expect(faults).toEqual([])
  })

  it('shows the newest tasks of a million, and how many there are', async () => {
    const { page, faults } = seen
    await page.goto('/tasks')
    await row(page, seeded.newestTaskId).waitFor()
    await page
      .getByRole('button', { name: /^All/ })
      .getByText(/1.000.000/)
      .waitFor()
    expect(await count(page, 'tr[data-task]')).toBeLessThan(60)
    await isSmall(page)
    expect(faults).toEqual([])
  })

  it('filters them by state, text and node, and sorts them', async () => {
    const { page, faults } = seen
    await page.goto('/tasks')
    await row(page, seeded.newestTaskId).waitFor()
    await page.getByRole('button', { name: /^failed/i }).click()
    await page.waitForURL(/status=failed/)
    await onlyRows(page, 'failed')
    await page.goto(`/tasks?q=${seeded.oldestTaskId}`)
    await row(page, seeded.oldestTaskId).waitFor()
    // one of a hundred in each batch: the search goes on until a page is full
    await page.getByRole('searchbox').fill('-77')
    await page.locator('tr[data-task]', { hasText: '-77' }).nth(9).waitFor()
    await page.goto('/tasks?node=n20&status=killed_oom')
    await onlyRows(page, 'n20')
    await page.goto('/tasks?sort=submitted&order=asc')
    await row(page, seeded.oldestTaskId).waitFor()
    await page.goto('/tasks?sort=ended')
    await page.locator('tr[data-task]').nth(9).waitFor()
    await isSmall(page)
    expect(faults).toEqual([])
  })

  it('scrolls far down and back, and holds little all the while', { timeout: 120_000 }, async () => {
    const { page, faults } = seen
    await page.goto('/tasks')
    await row(page, seeded.newestTaskId).waitFor()
    let last = 0
    while (last < 5_000) {
      await page.evaluate(() =>
        window.scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' }),
      )
      last = await page
        .waitForFunction((before) => {
          const shown = document.querySelectorAll('tr[data-task]')
          const index = Number(shown[shown.length - 1]?.getAttribute('aria-rowindex'))
          return index > before ? index : null
        }, last)
        .then((found) => found.jsonValue() as Promise<number>)
      expect(await count(page, 'tr[data-task]')).toBeLessThan(60)
    }
    await isSmall(page)
    await page.evaluate(() => window.scrollTo({ top: 0, behavior: 'instant' }))
    await row(page, seeded.newestTaskId).waitFor()
    expect(await row(page, seeded.newestTaskId).getAttribute('aria-rowindex')).toBe('2')
    await isSmall(page)
    expect(faults).toEqual([])
  })

  it('shows a new task at once among a million', async () => {
    const { page, faults } = seen
    await page.goto('/tasks')
    await row(page, seeded.newestTaskId).waitFor()
    const id = await cluster.api.submit({ command: 'true', name: 'one more' })
    await row(page, id).waitFor()
    await row(page, id).getByText('completed').first().waitFor()
    expect(faults).toEqual([])
  })

  it('shows a thousand nodes, and finds one of them', { timeout: 90_000 }, async () => {
    const { page, faults } = seen
    await page.goto('/nodes')
    await page
      .getByText(/1.000 nodes/)
      .first()
      .waitFor()
    await page.getByText('fake1', { exact: true }).waitFor()
    expect(await count(page, 'main tbody tr')).toBeLessThan(60)
    await page.evaluate(() =>
      window.scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' }),
    )
    await page
      .getByText('fake999', { exact: true })
      .or(page.getByText('fake1000', { exact: true }))
      .first()
      .waitFor()
    expect(await count(page, 'main tbody tr')).toBeLessThan(60)
    await page.getByLabel('Filter nodes').fill('fake77')
    await page.getByText('fake777', { exact: true }).waitFor()
    await isSmall(page)
    await page.goto('/nodes/fake777')
    await page.getByRole('heading', { name: 'fake777', level: 1 }).waitFor()
    await page.goto('/')
    await page.getByRole('heading', { name: /Nothing needs you/ }).waitFor()
    await isSmall(page)
    await page.goto('/submit')
    await page.getByLabel('Command', { exact: true }).fill('true')
    await page.getByText('starts on').waitFor()
    await isSmall(page)
    expect(faults).toEqual([])
  })
})

/** All rows of the list say this. */
async function onlyRows(page: Page, word: string): Promise<void> {
  await page.waitForFunction((word) => {
    const rows = [...document.querySelectorAll('tr[data-task]')]
    return rows.length > 9 && rows.every((row) => row.textContent?.includes(word))
  }, word)
}
