/** Every page, in both themes, on a desktop and on a phone: accessible, nothing sticks out, nothing goes wrong. */

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LocalCluster } from '../support/cluster.ts'
import { axe, describeInBrowser, desktop, phone, startBrowser, visit } from './browser.ts'
import { playScenario, type Scenario } from './scenario.ts'
import { views } from './views.ts'

describeInBrowser('each view', () => {
  let cluster: LocalCluster
  let browser: Browser
  let scenario: Scenario

  beforeAll(async () => {
    cluster = await LocalCluster.start({ nodes: [], hostArgs: ['--insecure-loopback'] })
    ;[browser, scenario] = await Promise.all([startBrowser(), playScenario(cluster)])
  })
  afterAll(async () => {
    await browser?.close()
    await scenario?.close()
    await cluster?.close()
  })

  for (const theme of ['light', 'dark'] as const) {
    for (const [size, viewport] of Object.entries({ desktop, phone })) {
      it(`is accessible and fits: ${size}, ${theme}`, { timeout: 180_000 }, async () => {
        const { page, context, faults } = await visit(browser, cluster.api.url, { theme, viewport })
        const found: Record<string, unknown> = {}
        for (const [name, view] of Object.entries(views)) {
          await page.goto(view(scenario))
          await shown(page)
          const problems = [...(await axe(page)), ...(await stickingOut(page))]
          if (problems.length > 0) found[name] = problems
        }
        await context.close()
        expect(found).toEqual({})
        expect(faults).toEqual([])
      })
    }
  }
})

/** The page is there, and so is what it asked for. */
async function shown(page: Page): Promise<void> {
  await page.locator('h1').first().waitFor()
  await page.waitForFunction(() => document.fonts.status === 'loaded')
  await page.locator('main [aria-busy=true]').first().waitFor({ state: 'detached' })
}

/** What makes the page scroll sideways (WCAG 2.2, 1.4.10). */
function stickingOut(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth
    if (document.documentElement.scrollWidth <= width) return []
    const wide = [...document.querySelectorAll('main *')].filter(
      (element) => element.getBoundingClientRect().right > width + 1,
    )
    return [
      `sticks out: ${wide
        .slice(0, 3)
        .map((element) => `${element.tagName}.${element.className}`)
        .join(', ')}`,
    ]
  })
}
