/**
 * Takes the pictures of the web page below docs/pictures/web: each view in both themes, on a desktop and on a phone, of a
 * small cluster with something of everything. Needs Chromium.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { LocalCluster } from '../test/support/cluster.ts'
import { root } from '../test/support/program.ts'
import { desktop, phone, startBrowser, visit } from '../test/web/browser.ts'
import { playScenario } from '../test/web/scenario.ts'
import { views } from '../test/web/views.ts'

/** Variations that tests look at, and a reader need not. */
const left = new Set([
  'node-unreachable',
  'tasks-filtered',
  'task-waiting',
  'task-unreachable',
  'log-failed',
  'rerun',
  // on a host without tokens they say only that
  'tokens',
  'users',
])

const asked = process.argv.slice(2)
const directory = join(root, 'docs/pictures/web')
mkdirSync(directory, { recursive: true })

const cluster = await LocalCluster.start({
  nodes: [],
  hostArgs: ['--insecure-loopback'],
  heartbeatSeconds: 1,
})
const browser = await startBrowser()
try {
  const scenario = await playScenario(cluster)
  for (const theme of ['light', 'dark'] as const) {
    for (const [size, viewport] of Object.entries({ desktop, phone })) {
      const { page, context } = await visit(browser, cluster.api.url, { theme, viewport })
      for (const [name, path] of Object.entries(views)) {
        if (left.has(name) || (asked.length > 0 && !asked.includes(name))) continue
        await page.goto(path(scenario))
        await settled(page)
        await take(page, `${name}-${size}-${theme}`)
      }
      await context.close()
    }
  }
  await scenario.close()
} finally {
  await browser.close()
  await cluster.close()
}

/** Nothing is asked for any more, and the fonts are there. */
async function settled(page: Page): Promise<void> {
  await page.waitForSelector('main h1')
  await page.waitForFunction(
    'document.fonts.status === "loaded" && document.querySelector("[aria-busy=true]") === null',
  )
  // one stream and one long poll stay open for ever: no network is not a state of this page
  await page.waitForTimeout(1_200)
}

/** WebP, a fifth of the size of PNG. */
async function take(page: Page, name: string): Promise<void> {
  const session = await page.context().newCDPSession(page)
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 88 })
  await session.detach()
  writeFileSync(join(directory, `${name}.webp`), Buffer.from(data, 'base64'))
}
