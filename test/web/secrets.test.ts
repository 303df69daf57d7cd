/** Secrets and the log of who did what at the page: real host, real runner, real Chromium. */
import { createHash } from 'node:crypto'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { canary, foundIn, needlesOf } from '../support/canary.ts'
import { LocalCluster } from '../support/cluster.ts'
import { axe, describeInBrowser, phone, startBrowser, type Visit, visit } from './browser.ts'

describeInBrowser('secrets and activity at the page', () => {
  let cluster: LocalCluster
  let browser: Browser
  let opened: Visit[] = []

  beforeAll(async () => {
    cluster = await LocalCluster.start({ nodes: ['n1'] })
    browser = await startBrowser()
  })
  afterEach(async () => {
    await Promise.all(opened.map(({ context }) => context.close()))
    opened = []
  })
  afterAll(async () => {
    await browser?.close()
    await cluster?.close()
  })

  async function arriveIn(
    path: string,
    options: Parameters<typeof visit>[2] = {},
    url?: string,
  ): Promise<Visit> {
    const arrived = await visit(browser, cluster.api.url, options)
    opened.push(arrived)
    await arrived.page.goto(url ?? (await cluster.api.client.makeLoginLink({ body: {} })).url)
    await arrived.page.getByRole('navigation', { name: 'Pages' }).waitFor()
    await arrived.page.goto(path)
    return arrived
  }
  /** All that a page shows, and all that it keeps. */
  const shownAndKept = (page: Page) =>
    page.evaluate(() => {
      const fields = [...document.querySelectorAll<HTMLTextAreaElement | HTMLInputElement>('textarea, input')]
      const visible = fields.filter((field) => !/secret/i.test(field.getAttribute('aria-label') ?? ''))
      const kept = [
        JSON.stringify(localStorage),
        JSON.stringify(sessionStorage),
        location.href,
        JSON.stringify(history.state),
      ]
      return [document.body.innerText, ...visible.map(({ value }) => value), ...kept].join('\n')
    })

  it('takes a secret, sends it with the submit alone, and shows it nowhere, also when it is cloned', async () => {
    const secret = canary()
    const needles = needlesOf([secret])
    const { page, faults } = await arriveIn('/submit')
    const bodies: { url: string; body: string }[] = []
    page.on('request', (request) => void bodies.push({ url: request.url(), body: request.postData() ?? '' }))
    await page.getByLabel('Command', { exact: true }).fill(`sh -c 'printf %s "$TOKEN" | sha256sum'`)
    await page.getByLabel('Name of a new secret').fill('TOKEN')
    await page.getByLabel('Its secret value').fill(secret.value)
    await page.getByRole('button', { name: 'Add the secret' }).click()
    await page.getByText('starts on').waitFor()
    await page.waitForURL(/secret/) // its name is in the address
    for (const tab of ['Command line', 'JSON']) {
      await page.getByRole('tab', { name: tab }).click()
      expect(foundIn(needles, await shownAndKept(page)), tab).toEqual([])
    }
    expect(await page.getByLabel('The same as JSON').inputValue()).toContain('"TOKEN": ""')
    // edited elsewhere it is kept
    await page.getByRole('tab', { name: 'Command line' }).click()
    const line = page.getByLabel('The same as a hakuriver line')
    expect(await line.inputValue()).toContain('--secret TOKEN')
    await line.fill((await line.inputValue()).replace('submit', 'submit -c 2'))
    await page.getByText('starts on').waitFor()
    await page.getByRole('button', { name: 'Submit', exact: true }).click()
    await page.waitForURL(/\/tasks\/\d+/)
    const id = /\/tasks\/(\d+)/.exec(page.url())?.[1] ?? ''
    await cluster.api.ended(id)
    expect((await cluster.api.log(id)).slice(0, 64)).toBe(
      createHash('sha256').update(secret.value).digest('hex'),
    )
    const carrying = bodies
      .filter(({ body }) => foundIn(needles, body).length > 0)
      .map(({ url }) => new URL(url).pathname)
    expect(carrying).toEqual(['/api/v1/batches'])
    await page.getByText('Secrets', { exact: true }).waitFor()
    await page.getByText('TOKEN', { exact: true }).waitFor()
    expect(foundIn(needles, await shownAndKept(page))).toEqual([])

    await page.goto(`/submit?clone=${id}`)
    await page.getByText('Write what TOKEN is').waitFor()
    expect(await page.getByRole('button', { name: 'Submit', exact: true }).isDisabled()).toBe(true)
    await page.getByLabel('Value of the secret TOKEN').fill('another')
    await page.getByText('Write what TOKEN is').waitFor({ state: 'detached' })
    expect(await axe(page)).toEqual([])
    expect(faults).toEqual([])
  })

  it('shows an admin who did what, by filters, by keys and on a phone', async () => {
    const id = await cluster.api.submit({ command: 'sleep', arguments: ['600'] })
    await cluster.api.client.killTask({ params: { id }, body: {} })
    await cluster.api.client.killTask({ params: { id: '7' }, body: {} }).catch(() => {})
    const { page, faults } = await arriveIn('/activity', { viewport: phone })
    const rows = page.locator('main summary')
    await rows.filter({ hasText: `killed task ${id}` }).waitFor()
    await rows.filter({ hasText: 'refused: not found' }).waitFor()
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true)
    expect(await axe(page)).toEqual([])
    await page.getByLabel('What was done').selectOption('killTask')
    await page.getByLabel(/that it was about/).fill(id)
    await page.waitForURL(new RegExp(`action=killTask.*of=${id}|of=${id}.*action=killTask`))
    await page.waitForFunction(() => document.querySelectorAll('main summary').length === 1)
    await page.locator('h1').click()
    await page.keyboard.press('j')
    await page.keyboard.press('o')
    await page.getByText('by a token').waitFor()
    await page.getByRole('link', { name: id }).click()
    await page.waitForURL(`**/tasks/${id}`)
    await page.keyboard.press('g')
    await page.keyboard.press('a')
    await page.getByRole('heading', { name: 'Activity', level: 1 }).waitFor()
    await page.getByLabel('User', { exact: true }).fill('nobody-here')
    await page.getByText('Nothing of that kind was done').waitFor()
    expect(faults).toEqual([])
  })

  it('does not offer it to others', async () => {
    await cluster.api.client.createUser({ body: { name: 'olga', role: 'operator' } })
    const { link } = await cluster.api.client.inviteUser({ params: { name: 'olga' }, body: {} })
    const { page } = await arriveIn('/activity', { isCut: true }, link)
    await page.getByText('this needs the role admin', { exact: false }).waitFor()
    await page.getByRole('button', { name: 'Menu' }).click()
    await page.getByRole('menuitem', { name: 'Help' }).waitFor()
    expect(await page.getByRole('menuitem', { name: 'Activity' }).count()).toBe(0)
  })
})
