/** What users of several roles see of each other: real host, real runner, real Chromium, one profile each. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { Role } from '../../src/core/roles.ts'
import { Api } from '../support/api.ts'
import { LocalCluster } from '../support/cluster.ts'
import { axe, describeInBrowser, desktop, phone, startBrowser, type Visit, visit } from './browser.ts'

describeInBrowser('people at the page', () => {
  let cluster: LocalCluster
  let browser: Browser
  let opened: Visit[] = []
  const apis: Api[] = []

  beforeAll(async () => {
    cluster = await LocalCluster.start({ nodes: ['n1'] })
    browser = await startBrowser()
  })
  afterEach(async () => {
    await Promise.all(opened.map(({ context }) => context.close()))
    opened = []
    // the machine has few cores: each test finds them free
    const { ids } = await cluster.api.client.listTaskIds({ query: { status: ['pending', 'running'] } })
    if (ids.length > 0) await cluster.api.client.killTasks({ body: { ids } })
    await Promise.all(ids.map((id) => cluster.api.ended(id)))
  })
  afterAll(async () => {
    for (const api of apis) api.close()
    await browser?.close()
    await cluster?.close()
  })

  async function arrive(options: Parameters<typeof visit>[2] = {}): Promise<Visit> {
    const arrived = await visit(browser, cluster.api.url, options)
    opened.push(arrived)
    return arrived
  }
  async function enter(link: string, path = '/', options: Parameters<typeof visit>[2] = {}): Promise<Visit> {
    const arrived = await arrive(options)
    await arrived.page.goto(link)
    await arrived.page.getByRole('navigation', { name: 'Pages' }).waitFor()
    if (path !== '/') await arrived.page.goto(path)
    return arrived
  }
  async function enterAsAdmin(path = '/', options: Parameters<typeof visit>[2] = {}): Promise<Visit> {
    const { url } = await cluster.api.client.makeLoginLink({ body: {} })
    return enter(url, path, options)
  }
  /** A user with a token of his own. */
  async function userOf(name: string, role: Role): Promise<Api> {
    await cluster.api.client.createUser({ body: { name, role } })
    const { token } = await cluster.api.client.createToken({ body: { label: 'test', user: name } })
    const api = new Api(cluster.api.url, token)
    apis.push(api)
    return api
  }
  const linkOf = async (api: Api) => (await api.client.makeLoginLink({ body: {} })).url
  const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name })

  it('an admin adds a user, who comes by the link, works, touches nothing of others, and is put out at once', async () => {
    const theirs = await cluster.api.submit({
      command: 'sleep',
      arguments: ['600'],
      name: 'of the admin',
      env: { KEY: 'v' },
    })
    await cluster.api.reached(theirs, 'running')
    const admin = await enterAsAdmin('/users')
    await button(admin.page, 'Add a user …').click()
    await admin.page.getByLabel('Name').fill('Ann')
    await admin.page.keyboard.press('Enter')
    await admin.page.getByRole('alert').filter({ hasText: '“Ann” is no name of a user' }).waitFor()
    await admin.page.getByLabel('Name').fill('ann')
    await admin.page.keyboard.press('Enter')
    await admin.page.getByRole('heading', { name: 'Added. An invitation for ann' }).waitFor()
    const shown = await admin.page.locator('main code').allInnerTexts()
    const link = shown.find((text) => text.includes('/login#code='))
    expect(shown.find((text) => text.startsWith('hakuriver login '))).toMatch(/#hakuriver_login_/)

    const ann = await enter(link ?? '', '/submit', { isCut: true })
    await ann.page.getByLabel('Command', { exact: true }).fill('sleep 500')
    await ann.page.locator('main').getByRole('button', { name: 'Submit' }).click()
    await button(ann.page, 'Kill …').waitFor()
    await ann.page.goto('/tasks')
    await ann.page
      .getByRole('row')
      .filter({ hasText: 'of the admin' })
      .getByText('admin', { exact: true })
      .waitFor()
    await ann.page.getByRole('link', { name: 'of the admin' }).click()
    await ann.page.getByText('Not shown: it is admin’s task.').waitFor()
    expect(await button(ann.page, 'Kill …').count()).toBe(0)
    await ann.page.keyboard.press('x')
    await ann.page.getByRole('link', { name: 'Log', exact: true }).click()
    await ann.page.getByRole('heading', { name: 'It is admin’s task' }).waitFor()
    expect(await ann.page.getByRole('alertdialog').count()).toBe(0)

    await button(admin.page, 'Disable ann …').click()
    await button(admin.page, 'Disable ann').last().click()
    await admin.page.getByText('disabled', { exact: true }).waitFor()
    await ann.page.getByText('You are logged out').waitFor({ timeout: 5_000 })
    expect(await ann.page.getByText('of the admin').count()).toBe(0)
    expect([...admin.faults, ...ann.faults]).toEqual([])
  })

  it('makes a token that is shown once and kept nowhere, and revokes it', async () => {
    const { page, faults } = await enterAsAdmin('/tokens')
    await button(page, 'Make a token …').click()
    await page.getByLabel('What it is for').fill('nightly')
    await page.getByLabel('Role').selectOption('viewer')
    await page.getByLabel('How long it holds').selectOption('30 days')
    await button(page, 'Make the token').click()
    await page.getByRole('heading', { name: 'The token “nightly”' }).waitFor()
    const [token = ''] = await page.locator('main code').filter({ hasText: 'hakuriver_api_' }).allInnerTexts()
    const api = new Api(cluster.api.url, token)
    apis.push(api)
    expect(await api.client.whoAmI({})).toMatchObject({ name: 'admin', role: 'viewer', via: 'token' })
    expect(page.url()).not.toContain(token)
    const kept = await page.evaluate(
      'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state])',
    )
    expect(kept).not.toContain(token)
    await button(page, 'Done').click()
    expect(await page.content()).not.toContain(token)
    await button(page, 'Revoke nightly …').click()
    await button(page, 'Revoke it').click()
    await page.getByText('1 that can be used no more').waitFor()
    await expect(api.client.whoAmI({})).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(faults).toEqual([])
  })

  it('lets a viewer look, and offers nothing else', async () => {
    const viewer = await userOf('vera', 'viewer')
    const { page, faults } = await enter(await linkOf(viewer), '/nodes/n1')
    await page.getByRole('heading', { name: 'n1', level: 1 }).waitFor()
    expect(await button(page, 'Drain').count()).toBe(0)
    await page.keyboard.press('d')
    expect(await page.getByRole('alertdialog').count()).toBe(0)
    expect(await page.getByRole('link', { name: 'Submit' }).count()).toBe(0)
    await page.goto('/submit')
    await page.getByText('Your role only looks').waitFor()
    await page.goto('/users')
    await page.getByText('This page is for admins').waitFor()
    await button(page, 'Menu').click()
    await page.getByText('Logged in as vera, viewer').waitFor()
    expect(await page.getByRole('menuitem', { name: 'Users' }).count()).toBe(0)
    expect(faults).toEqual([])
  })

  it('tells whose role was changed while he looked, and takes away what he may not any more', async () => {
    const operator = await userOf('otto', 'operator')
    const task = await cluster.api.submit({ command: 'sleep', arguments: ['600'], env: { KEY: 'value' } })
    await cluster.api.reached(task, 'running')
    const { page, faults } = await enter(await linkOf(operator), `/tasks/${task}`, { isCut: true })
    await button(page, 'Kill …').waitFor()
    await cluster.api.client.updateUser({ params: { name: 'otto' }, body: { role: 'viewer' } })
    await page.getByText('you are viewer now, and were operator').waitFor({ timeout: 5_000 })
    await button(page, 'Kill …').waitFor({ state: 'detached' })
    await page.getByText('Not shown: it is admin’s task.').waitFor()
    expect(faults).toEqual([])
  })

  it('filters by owner, chooses all of one’s own, and leaves others’ out of what is chosen', async () => {
    const mona = await userOf('mona', 'submitter')
    await Promise.all(
      [mona, cluster.api].map((api) => api.submit({ command: 'sleep', arguments: ['600'], name: 'pair' })),
    )
    const { page, faults } = await enter(await linkOf(mona), '/tasks?q=pair')
    const rows = page.getByRole('row').filter({ hasText: 'pair' })
    await rows.nth(1).waitFor()
    await page.getByRole('checkbox', { name: 'Select all that are loaded' }).click()
    await button(page, 'Kill 1…').click()
    await page.getByText('Left out: 1 is not yours.').waitFor()
    await page.keyboard.press('Escape')
    await page.getByLabel('Whose').selectOption('mona')
    await page.waitForURL(/owner=mona/)
    await rows.nth(1).waitFor({ state: 'detached' })
    expect(await rows.count()).toBe(1)
    expect(faults).toEqual([])
  })

  it('is logged out where its own login is revoked elsewhere', async () => {
    const here = await enterAsAdmin('/tasks', { isCut: true })
    const there = await enterAsAdmin('/tokens')
    const others = there.page
      .getByRole('listitem')
      .filter({ hasText: 'browser' })
      .filter({ hasNotText: 'this browser' })
    await others.first().getByRole('button').click()
    await button(there.page, 'Revoke it').click()
    await here.page.getByText('You are logged out').waitFor({ timeout: 5_000 })
    expect(here.page.url()).toContain('next=/tasks')
    expect([...here.faults, ...there.faults]).toEqual([])
  })

  for (const theme of ['light', 'dark'] as const)
    for (const [size, viewport] of Object.entries({ desktop, phone }))
      it(`is accessible and fits: ${size}, ${theme}`, async () => {
        const { page, faults } = await enterAsAdmin('/tokens', { theme, viewport })
        const found: Record<string, string[]> = {}
        const look = async (name: string) => {
          const isWide = await page.evaluate(
            'document.documentElement.scrollWidth > document.documentElement.clientWidth',
          )
          const problems = [...(await axe(page)), ...(isWide ? ['it sticks out'] : [])]
          if (problems.length > 0) found[name] = problems
        }
        await page.getByText('this browser').waitFor()
        await look('tokens')
        await button(page, 'Make a token …').click()
        await page
          .getByLabel('What it is for')
          .fill(`a label that is as long as a label may be ${theme} ${size}`)
        await look('making')
        await page.keyboard.press('Enter')
        await button(page, 'Done').waitFor()
        await look('made')
        await page.goto('/users')
        await button(page, 'Invite admin').click()
        await page.getByRole('heading', { name: 'An invitation for admin' }).waitFor()
        await look('users')
        await button(page, 'Add a user …').click()
        await page.getByLabel('Name').waitFor()
        await look('adding')
        expect(found).toEqual({})
        expect(faults).toEqual([])
      })
})
