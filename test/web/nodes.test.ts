/** What an operator does with overview and nodes: a small cluster with something of everything, and a real Chromium. */
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { LocalCluster } from '../support/cluster.ts'
import { describeInBrowser, startBrowser, type Visit, visit } from './browser.ts'
import { playScenario, type Scenario } from './scenario.ts'

describeInBrowser('an operator', () => {
  let cluster: LocalCluster
  let scenario: Scenario
  let browser: Browser
  let opened: Visit | null = null

  beforeAll(async () => {
    cluster = await LocalCluster.start({
      nodes: [],
      hostArgs: ['--insecure-loopback'],
      heartbeatSeconds: 1,
    })
    scenario = await playScenario(cluster)
    browser = await startBrowser()
  })
  afterEach(async () => {
    await opened?.context.close()
    opened = null
  })
  afterAll(async () => {
    await browser?.close()
    await scenario?.close()
    await cluster?.close()
  })

  async function arrive(path: string): Promise<Visit> {
    opened = await visit(browser, cluster.api.url)
    await opened.page.goto(path)
    return opened
  }
  const nodeOf = (name: string) => cluster.api.client.getNode({ params: { name } })

  it('is told first what needs a person, and goes there', async () => {
    const { page, faults } = await arrive('/')
    await page.getByRole('heading', { name: 'One thing needs you', level: 1 }).waitFor()
    const problem = page.getByRole('listitem').filter({ hasText: '1 task may still be running there' })
    await problem.getByRole('link', { name: 'reed' }).click()
    await page.getByRole('heading', { name: 'reed', level: 1 }).waitFor()
    expect(faults).toEqual([])
  })

  it('walks the nodes by keys, in the order and of the state that the address says', async () => {
    const { page, faults } = await arrive('/nodes?sort=-cores')
    await page.getByRole('link', { name: 'haku', exact: true }).waitFor()
    await page.keyboard.press('j')
    await page.locator('a[data-name=haku]:focus').waitFor()
    await page.keyboard.press('j')
    await page.locator('a[data-name]:not([data-name=haku]):focus').waitFor()
    await page.keyboard.press('k')
    await page.locator('a[data-name=haku]:focus').waitFor()
    expect(page.url()).toContain('at=haku')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'haku', level: 1 }).waitFor()
    await page.goBack()
    await page.getByRole('button', { name: 'drained' }).click()
    await page.waitForURL(/status=drained/)
    await page.getByText('drained by admin: new disks on Friday').waitFor()
    expect(await page.getByRole('row').count()).toBe(2)
    expect(faults).toEqual([])
  })

  it('sees who holds the cores, and finds the same in the list', async () => {
    const { page, faults } = await arrive('/nodes/stone')
    const cells = page.getByRole('region', { name: 'NUMA node 1' })
    await cells.getByRole('link', { name: /assemble genome, 20 of its 20 cores/ }).waitFor()
    expect(await cells.getByRole('img', { name: '4 free' }).count()).toBe(1)
    await page.getByRole('row', { name: /assemble genome/ }).waitFor()
    expect(faults).toEqual([])
  })

  it('drains a node and takes it back; what is shown is what the host says', async () => {
    const { page, faults } = await arrive('/nodes/stone')
    await page.getByRole('button', { name: 'Drain' }).click()
    const dialog = page.getByRole('alertdialog')
    await dialog.getByText('go on to the end').waitFor()
    await dialog.getByRole('textbox').fill('kernel update')
    await dialog.getByRole('button', { name: 'Drain stone' }).click()
    await page.getByText('It takes no new tasks: drained by admin: kernel update.').waitFor()
    expect(await nodeOf('stone')).toMatchObject({ isDrained: true })
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByRole('button', { name: 'Drain' }).waitFor()
    expect(await nodeOf('stone')).toMatchObject({ isDrained: false, problem: null })
    expect(faults).toEqual([])
  })

  it('reads a chart with the arrow keys', async () => {
    const { page, faults } = await arrive('/nodes/haku')
    const chart = page.getByRole('slider', { name: 'Cores: moment' })
    await page.locator('.chart canvas').first().waitFor()
    await page.locator('[role=slider][aria-valuetext*="allocated "]').first().waitFor()
    await chart.focus()
    await page.keyboard.press('Home')
    await page.locator('[role=slider][aria-valuenow="0"]').first().waitFor()
    await page.keyboard.press('ArrowRight')
    await page.locator('[role=slider][aria-valuenow="1"]').first().waitFor()
    await page.keyboard.press('Escape')
    await page.locator('[role=slider][aria-valuetext^="now"]').first().waitFor()
    expect(faults).toEqual([])
  })

  it('removes a node that does not come back, and is told what that does to its task', async () => {
    const { page, faults } = await arrive('/nodes/reed')
    await page.getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('alertdialog').getByText('1 task of it is then lost').waitFor()
    await page.getByRole('button', { name: 'Remove reed and lose 1 task' }).click()
    await page.getByRole('heading', { name: 'Nodes', level: 1 }).waitFor()
    await page.locator('[data-name=reed]').waitFor({ state: 'detached' })
    const params = { id: scenario.unreachable }
    expect(await cluster.api.client.getTask({ params })).toMatchObject({ status: 'lost' })
    expect(faults).toEqual([])
  })
})
