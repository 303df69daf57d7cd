/// <reference lib="dom" />
/** The page in a real Chromium: how soon it is there, with a million tasks and with a log of ten million lines. */
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { logPath } from '../src/platform/log-paths.ts'
import { bigLog } from '../test/support/big-log.ts'
import { LocalCluster } from '../test/support/cluster.ts'
import { startFakeNodes } from '../test/support/fake-nodes.ts'
import { seedTasks } from '../test/support/seed.ts'
import { chromiumPath, startBrowser, visit } from '../test/web/browser.ts'
import { heldBy, scriptBytes } from '../test/web/figures.ts'
import { atMost, percentile, round, told } from './report.ts'

const tasks = 1_000_000
const nodes = 1_000
const lineCount = 10_000_000
const rounds = 9
const MB = 1024 ** 2

export async function measureWeb(): Promise<void> {
  if (chromiumPath() === null) throw new Error('there is no Chromium: run sh test/web/install.sh')
  const browser = await startBrowser()
  try {
    await measureLists(browser)
    await measureLogView(browser)
  } finally {
    await browser.close()
  }
}

async function measureLists(browser: Browser): Promise<void> {
  const cluster = await LocalCluster.start({
    nodes: [],
    heartbeatSeconds: 5,
    hostArgs: ['--log-level', 'warn'],
  })
  let fakes: Awaited<ReturnType<typeof startFakeNodes>> | null = null
  try {
    await cluster.host.stop()
    seedTasks(join(cluster.home, 'cluster.db'), tasks)
    await cluster.startHost()
    fakes = await startFakeNodes(cluster, nodes, 8)
    const page = await arrive(browser, cluster)
    const bytes = await scriptBytes(page, () => openAt(page, '/', 'h1'))
    atMost('web, scripts of the first view, gzipped', bytes / 1000, 200, 'KB')

    await several('web, largest paint of / without a cache', 1_000, async () => {
      const devTools = await page.context().newCDPSession(page)
      await devTools.send('Network.setCacheDisabled', { cacheDisabled: true })
      await openAt(page, '/', 'h1')
      const atMs = await largestPaint(page)
      await devTools.detach()
      return atMs
    })
    await several('web, a million tasks, navigation to the first row', 1_000, () =>
      openAt(page, '/tasks', 'tr[data-task]'),
    )
    await several('web, a million tasks, another filter to its rows', 300, async () => {
      await openAt(page, '/tasks', 'tr[data-task]')
      return filterChange(page)
    })
    await openAt(page, '/tasks', 'tr[data-task]')
    await several('web, a million tasks, an event to its row', 1_000, (round) =>
      eventToRow(page, cluster, `bench ${round}`),
    )
    await tellHeld(page, 'the list of a million tasks', 200)
    await several(`web, ${nodes} nodes, navigation to the first row`, 1_000, () =>
      openAt(page, '/nodes', 'main tbody a[data-name]'),
    )
    await tellHeld(page, `the list of ${nodes} nodes`, 200)
    await page.context().close()
  } finally {
    await fakes?.stop()
    await cluster.close()
  }
}

async function measureLogView(browser: Browser): Promise<void> {
  const cluster = await LocalCluster.start({ heartbeatSeconds: 5 })
  try {
    const id = await cluster.api.submit({ command: 'true' })
    await cluster.api.ended(id)
    bigLog(logPath(join(cluster.dir, 'n1'), 'stdout', Number(id)), lineCount)
    const page = await arrive(browser, cluster)
    const open = () => openAt(page, `/tasks/${id}?tab=log`, { text: 'step 0' })
    await several('web, a log of ten million lines, navigation to the first line', 1_000, open)
    const box = await page
      .getByText(/^step 0/)
      .first()
      .boundingBox()
    await page.mouse.move((box?.x ?? 0) + 40, (box?.y ?? 0) + 10)
    const frames = framesUntil(page, 200)
    for (let turn = 0; turn < 200; turn += 1) await page.mouse.wheel(0, turn < 100 ? -600 : 900)
    const waits = await frames
    told(
      'web, a log of ten million lines, longest frame while it is scrolled',
      `${round(Math.max(...waits))} ms (99 of 100 within ${round(percentile(waits, 0.99))} ms)`,
    )
    await tellHeld(page, 'a log of ten million lines', 200)
    await page.context().close()
  } finally {
    await cluster.close()
  }
}

async function arrive(browser: Browser, cluster: LocalCluster): Promise<Page> {
  const { page } = await visit(browser, cluster.api.url)
  await page.goto((await cluster.api.client.makeLoginLink({ body: {} })).url)
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  return page
}

/** Half of the rounds take at most the budget. */
async function several(
  what: string,
  budgetMs: number,
  measure: (round: number) => Promise<number>,
): Promise<void> {
  const times: number[] = []
  for (let at = 0; at < rounds; at += 1) times.push(await measure(at))
  const detail = ` (half of ${rounds} within it, longest ${round(Math.max(...times))} ms)`
  atMost(what, percentile(times, 0.5), budgetMs, 'ms', detail)
}

/** Opens an address. @returns milliseconds from the navigation to the frame in which what is waited for is there */
async function openAt(page: Page, path: string, wanted: string | { text: string }): Promise<number> {
  await page.goto(path, { waitUntil: 'commit' })
  const shown = await page.waitForFunction((wanted) => {
    const isThere =
      typeof wanted === 'string'
        ? document.querySelector(wanted) !== null
        : document.querySelector('main')?.textContent?.includes(wanted.text)
    return isThere ? performance.now() : null
  }, wanted)
  return (await shown.jsonValue()) ?? Number.NaN
}

/** Milliseconds from the navigation to the largest paint that there was (Largest Contentful Paint). */
function largestPaint(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const observer = new PerformanceObserver((list) => {
          observer.disconnect()
          resolve(list.getEntries().at(-1)?.startTime ?? Number.NaN)
        })
        // what comes late counts too
        setTimeout(() => observer.observe({ type: 'largest-contentful-paint', buffered: true }), 1_000)
      }),
  )
}

/** Presses the button of failed tasks. @returns milliseconds until nothing else is shown */
function filterChange(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const buttons = [...document.querySelectorAll<HTMLButtonElement>('fieldset .chip')]
        const startMs = performance.now()
        buttons.find(({ textContent }) => textContent?.trim().startsWith('failed'))?.click()
        const look = () => {
          const rows = [...document.querySelectorAll('tr[data-task]')]
          const isDone = rows.length > 5 && rows.every(({ textContent }) => textContent?.includes('failed'))
          if (isDone) resolve(performance.now() - startMs)
          else requestAnimationFrame(look)
        }
        look()
      }),
  )
}

/** Submits a task. @returns milliseconds from the host's answer to its row */
async function eventToRow(page: Page, cluster: LocalCluster, name: string): Promise<number> {
  const shown = page.evaluate(
    (name) =>
      new Promise<number>((resolve) => {
        const look = () => {
          if (document.querySelector('main')?.textContent?.includes(name)) resolve(Date.now())
          else requestAnimationFrame(look)
        }
        look()
      }),
    name,
  )
  await cluster.api.submit({ command: 'true', name })
  const doneMs = Date.now()
  return Math.max(0, (await shown) - doneMs)
}

/** Milliseconds between frames, so many of them. */
function framesUntil(page: Page, count: number): Promise<number[]> {
  return page.evaluate(
    (count) =>
      new Promise<number[]>((resolve) => {
        const waits: number[] = []
        let beforeMs = performance.now()
        const frame = (nowMs: number) => {
          waits.push(nowMs - beforeMs)
          beforeMs = nowMs
          if (waits.length < count) requestAnimationFrame(frame)
          else resolve(waits.slice(1))
        }
        requestAnimationFrame(frame)
      }),
    count,
  )
}

async function tellHeld(page: Page, what: string, budgetMb: number): Promise<void> {
  const { nodes, heapBytes } = await heldBy(page)
  atMost(`web, heap of ${what}`, heapBytes / MB, budgetMb, 'MB', ` (${nodes} DOM nodes)`)
}
