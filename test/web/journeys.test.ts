/** What people do with the page, from the first login on: real host, real runners, real Chromium. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { LocalCluster } from '../support/cluster.ts'
import { describeInBrowser, phone, startBrowser, type Visit, visit } from './browser.ts'

describeInBrowser('a person at the page', () => {
  let cluster: LocalCluster
  let browser: Browser
  let opened: Visit[] = []

  beforeAll(async () => {
    cluster = await LocalCluster.start({ nodes: ['n1', 'n2'] })
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

  const token = () => readFileSync(join(cluster.home, 'admin-token'), 'utf8').trim()
  const origin = () => cluster.api.url
  async function arrive(options: Parameters<typeof visit>[2] = {}): Promise<Visit> {
    const arrived = await visit(browser, origin(), options)
    opened.push(arrived)
    return arrived
  }
  /** Logged in by a link, as `hakuriver web` prints it. */
  async function arriveIn(path = '/', options: Parameters<typeof visit>[2] = {}): Promise<Visit> {
    const arrived = await arrive(options)
    const { url } = await cluster.api.client.makeLoginLink({ body: {} })
    await arrived.page.goto(url)
    await arrived.page.getByRole('navigation', { name: 'Pages' }).waitFor()
    if (path !== '/') await arrived.page.goto(path)
    return arrived
  }
  const status = (page: Page, word: string) => page.locator('main .badge.solid', { hasText: word })

  it('logs in by the token, is led to where it wanted, and logs out', async () => {
    const { page, faults } = await arrive({ isCut: true })
    await page.goto('/tasks?status=failed')
    await page.getByLabel('Token').fill('hakuriver_admin_wrong')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('alert').waitFor()
    await page.getByLabel('Token').fill(token())
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Tasks', level: 1 }).waitFor()
    expect(page.url()).toBe(`${origin()}/tasks?status=failed`)
    await page.getByRole('button', { name: 'Menu' }).click()
    await page.getByRole('menuitem', { name: 'Log out' }).click()
    await page.getByLabel('Token').waitFor()
    await page.goto('/tasks')
    await page.getByLabel('Token').waitFor()
    expect(faults).toEqual([])
  })

  it('logs in by a link, once', async () => {
    const { url } = await cluster.api.client.makeLoginLink({ body: {} })
    const first = await arrive()
    await first.page.goto(url)
    await first.page.getByRole('navigation', { name: 'Pages' }).waitFor()
    expect(first.page.url()).not.toContain('code')
    const second = await arrive({ isCut: true })
    await second.page.goto(url)
    await second.page.getByRole('alert').waitFor()
    expect([...first.faults, ...second.faults]).toEqual([])
  })

  it('submits, watches, sees it fail, reads why and the log, clones it, and is done', async () => {
    const { page, faults } = await arriveIn('/submit')
    await page
      .getByLabel('Command', { exact: true })
      .fill("sh -c 'echo reading; sleep 1; echo no such file >&2; exit 3'")
    await page.getByText('starts on').waitFor()
    await page.getByRole('button', { name: 'Submit', exact: true }).click()
    await page.waitForURL(/\/tasks\/\d+/)
    await status(page, 'failed').waitFor()
    await page.getByText('exit code 3').first().waitFor()
    await page.getByRole('link', { name: 'Log', exact: true }).first().click()
    await page.getByText('reading', { exact: true }).waitFor()
    await page.goto(`${page.url().split('?')[0]}?tab=log&stream=stderr`)
    await page.getByText('no such file', { exact: true }).waitFor()
    await page.getByRole('link', { name: /Clone/ }).first().click()
    await page.waitForURL(/\/submit/)
    const command = page.getByLabel('Command', { exact: true })
    await page.waitForFunction(() =>
      document.querySelector<HTMLTextAreaElement>('#command')?.value.includes('exit 3'),
    )
    await command.fill("sh -c 'echo found it; exit 0'")
    await page.getByText('starts on').waitFor()
    await page.keyboard.press('Control+Enter')
    await page.waitForURL(/\/tasks\/\d+/)
    await status(page, 'completed').waitFor()
    expect(await page.title()).toContain('found it')
    expect(faults).toEqual([])
  })

  it('kills what runs, and is not told that it is dead before it is', async () => {
    // it lets itself be asked to end, and does so when this is seen on the page
    const seen = join(cluster.dir, 'killing-was-seen')
    const wait = 'while [ ! -e "$0" ]; do sleep 0.1; done; exit 0'
    const id = await cluster.api.submit(
      { command: 'sh', arguments: ['-c', `trap '${wait}' TERM; while :; do sleep 0.1; done`, seen] },
      'n1',
    )
    await cluster.api.reached(id, 'running')
    const { page, faults } = await arriveIn(`/tasks/${id}`)
    await page.getByRole('button', { name: /^Kill/ }).click()
    const dialog = page.getByRole('alertdialog')
    await dialog.getByLabel(/Reason/).fill('not needed any more')
    await dialog.getByRole('button', { name: /^Kill/ }).click()
    await status(page, 'killing').waitFor()
    writeFileSync(seen, '')
    await status(page, 'killed').waitFor()
    await page.getByText('not needed any more').first().waitFor()
    expect(faults).toEqual([])
  })

  it('sees a node die and come back, and believes neither too early', { timeout: 120_000 }, async () => {
    const id = await cluster.api.submit({ command: 'sleep', arguments: ['60'], name: 'patient' }, 'n2')
    await cluster.api.reached(id, 'running')
    const { page, faults } = await arriveIn(`/tasks/${id}`)
    await status(page, 'running').waitFor()
    process.kill(cluster.runner('n2').pid, 'SIGSTOP')
    await status(page, 'unreachable').waitFor({ timeout: 40_000 })
    expect(await page.locator('main').innerText()).toMatch(/may still be running/)
    await page.goto('/nodes/n2')
    await page.getByText('unreachable').first().waitFor()
    process.kill(cluster.runner('n2').pid, 'SIGCONT')
    await page.getByText('online').first().waitFor({ timeout: 20_000 })
    await page.goto(`/tasks/${id}`)
    await status(page, 'running').waitFor()
    await cluster.api.client.killTask({ params: { id }, body: {} })
    await status(page, 'killed').waitFor()
    expect(faults).toEqual([])
  })

  it('follows a log as it is written, and searches through all of it', async () => {
    const script =
      'for i in $(seq 1 3000); do echo "line $i of many"; done; echo "a needle"; for i in 1 2 3; do echo "more $i"; done; read wait < "$GO"; echo "and the end"'
    const go = join(cluster.dir, 'go')
    execFileSync('mkfifo', ['-m', '666', go])
    const id = await cluster.api.submit({ command: 'sh', arguments: ['-c', script], env: { GO: go } }, 'n1')
    const { page, faults } = await arriveIn(`/tasks/${id}?tab=log`)
    await page.getByText('more 3', { exact: true }).waitFor()
    writeFileSync(go, '\n')
    await page.getByText('and the end', { exact: true }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('line 1234 of')
    await page.keyboard.press('Enter')
    await page.locator('mark', { hasText: 'line 1234 of' }).waitFor()
    expect(page.url()).toContain('q=line')
    // a link to a line shows it to somebody else
    await page.goto(`/tasks/${id}?tab=log&line=2000`)
    await page.getByText('line 2000 of many', { exact: true }).waitFor()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download', exact: true }).click(),
    ])
    expect(readFileSync(await download.path(), 'utf8').split('\n')).toHaveLength(3_006)
    expect(faults).toEqual([])
  })

  it('shows the output of a whole batch, and where its tasks are', async () => {
    const specs = ['one', 'two', 'three'].map((name) => ({
      command: 'sh',
      arguments: ['-c', `echo "I am ${name}"; echo "oh ${name}" >&2; exit ${name === 'two' ? 1 : 0}`],
      name,
    }))
    const { batchId } = await cluster.api.client.submitBatch({ body: { specs, name: 'three' } })
    const { page, faults } = await arriveIn(`/batches/${batchId}?tab=log`)
    for (const name of ['one', 'two', 'three']) {
      await page.getByText(`I am ${name}`, { exact: true }).waitFor()
      await page.getByText(`oh ${name}`, { exact: true }).waitFor()
    }
    await page.getByRole('link', { name: 'Run 1 again …' }).click()
    await page.getByRole('button', { name: 'Run 1 task again' }).click()
    await page.waitForURL(/\/batches\/\d+$/)
    expect(page.url()).not.toContain(batchId ?? '-')
    await page.getByText('1 of 1 task ended').or(page.getByText('without success')).first().waitFor()
    expect(faults).toEqual([])
  })

  it('goes through everything with the keyboard alone', async () => {
    const id = await cluster.api.submit(
      { command: 'sh', arguments: ['-c', 'echo by keys'], name: 'by keys' },
      'n1',
    )
    await cluster.api.ended(id)
    const { page, faults } = await arriveIn('/')
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the content')
    await page.keyboard.press('g')
    await page.keyboard.press('t')
    await page.waitForURL(/\/tasks/)
    await page.getByText('by keys').first().waitFor()
    await page.keyboard.press('Control+k')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.type('by keys')
    await page
      .getByRole('option', { name: /by keys/ })
      .first()
      .waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL(`**/tasks/${id}`)
    await page.keyboard.press('l')
    await page.waitForURL(/tab=log/)
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('c')
    await page.waitForFunction(() => document.activeElement?.id === 'command')
    await page.keyboard.type('true')
    await page.keyboard.press('Control+Enter')
    await page.waitForURL(/\/tasks\/\d+/)
    await status(page, 'completed').waitFor()
    expect(faults).toEqual([])
  })

  it('works on a phone', async () => {
    const { page, faults } = await arriveIn('/', { viewport: phone })
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Nodes' }).click()
    await page.getByText('n1', { exact: true }).first().click()
    await page.getByRole('heading', { name: 'n1', level: 1 }).waitFor()
    await page.getByRole('link', { name: 'Submit' }).first().click()
    await page.getByLabel('Command', { exact: true }).fill('true')
    await page.getByText('starts on').waitFor()
    await page.getByRole('button', { name: 'Submit', exact: true }).click()
    await page.waitForURL(/\/tasks\/\d+/)
    await status(page, 'completed').waitFor()
    expect(faults).toEqual([])
  })

  it('shows the same in two tabs, and a login that ends ends in both', async () => {
    const first = await arriveIn('/tasks', { isCut: true })
    const second = await first.context.newPage()
    await second.goto('/tasks')
    const id = await cluster.api.submit({ command: 'sleep', arguments: ['60'], name: 'seen by two' }, 'n1')
    for (const page of [first.page, second]) await page.getByText('seen by two').first().waitFor()
    await cluster.api.client.killTask({ params: { id }, body: {} })
    await cluster.api.reached(id, 'killed')
    await first.page.getByRole('button', { name: 'Menu' }).click()
    await first.page.getByRole('menuitem', { name: 'Log out' }).click()
    for (const page of [first.page, second]) await page.getByLabel('Token').waitFor()
    expect(first.faults).toEqual([])
  })

  it('takes themes without a flash, and keeps the choice', async () => {
    const { page, faults } = await arriveIn('/', { theme: 'dark' })
    const shown = () => page.evaluate(() => document.documentElement.dataset.theme)
    expect(await shown()).toBe('dark')
    await page.keyboard.press('t')
    expect(await shown()).toBe('light')
    await page.reload({ waitUntil: 'commit' })
    // before anything of the program has run
    await page.waitForFunction(
      () => document.documentElement.dataset.theme === 'light' || document.body !== null,
    )
    expect(await shown()).toBe('light')
    expect(faults).toEqual([])
  })

  it('keeps what it shows while the host is away, says how old it is, and goes on', {
    timeout: 90_000,
  }, async () => {
    const { page, faults } = await arriveIn('/nodes', { isCut: true })
    await page.getByText('n1', { exact: true }).first().waitFor()
    await page.getByText('live', { exact: true }).waitFor()
    await cluster.host.stop('SIGKILL')
    await page.getByText(/\d+ s old/).waitFor()
    expect(await page.getByText('n1', { exact: true }).count()).toBeGreaterThan(0)
    await cluster.startHost()
    await page.getByText('live', { exact: true }).waitFor({ timeout: 30_000 })
    const id = await cluster.api.submit({ command: 'true', name: 'after the break' })
    await cluster.api.ended(id)
    await page.goto('/tasks')
    await page.getByText('after the break').first().waitFor()
    expect(faults).toEqual([])
  })
})
