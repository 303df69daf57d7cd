/** Large logs in a real browser: any part of one is at hand, whatever its size, and the page holds little of it. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { logPath } from '../../src/platform/log-paths.ts'
import { bigLog, bigLogLine } from '../support/big-log.ts'
import { LocalCluster } from '../support/cluster.ts'
import { temporaryDir } from '../support/program.ts'
import { axe, describeInBrowser, desktop, phone, startBrowser, type Visit, visit } from './browser.ts'
import { heldBy } from './figures.ts'

/** More than any browser has room for in one element. */
const lines = 3_000_000
const rare = 1_777_777
const MB = 1024 ** 2

describeInBrowser('a log of three million lines', () => {
  const shared = temporaryDir()
  let cluster: LocalCluster
  let browser: Browser
  let seen: Visit
  let id: string

  beforeAll(async () => {
    cluster = await LocalCluster.start({
      hostArgs: ['--shared-dir', shared.path],
      runnerArgs: ['--shared-dir', shared.path],
    })
    id = await cluster.api.submit({ command: 'true', name: 'long' })
    await cluster.api.ended(id)
    bigLog(logPath(shared.path, 'stdout', Number(id)), lines, { [rare]: 'ERROR out of memory' })
    browser = await startBrowser()
    seen = await visit(browser, cluster.api.url)
    await seen.page.goto((await cluster.api.client.makeLoginLink({ body: {} })).url)
    await seen.page.getByRole('navigation', { name: 'Pages' }).waitFor()
  })
  afterAll(async () => {
    await browser?.close()
    await cluster?.close()
    shared.remove()
  })

  it('opens at a line before it is counted, and moves by the pixels of the wheel', async () => {
    const { page } = seen
    await page.goto(`/tasks/${id}?tab=log&line=1500000`)
    await page.getByText(bigLogLine(1_500_000), { exact: true }).waitFor()
    await page.getByRole('log').hover()
    for (const px of [120, 100, -40, -300, 7, 53]) {
      const before = await topPx(page)
      await page.mouse.wheel(0, px)
      await page.waitForFunction((wanted) => window.topPx() === wanted, before + px)
      expect((await shown(page)).isInOrder).toBe(true)
    }
  })

  it('moves by lines and pages of the keyboard', async () => {
    const { page } = seen
    await page.getByRole('log').focus()
    const before = await topPx(page)
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('j')
    const { rowPx, pagePx } = await sizes(page)
    expect(await topPx(page)).toBe(before + 2 * rowPx)
    await page.keyboard.press('PageUp')
    const moved = before + 2 * rowPx - (await topPx(page))
    expect(moved).toBeGreaterThan(pagePx / 2)
    expect(moved).toBeLessThan(pagePx)
    await page.keyboard.press('Home')
    await page.getByText(bigLogLine(1), { exact: true }).waitFor()
    await page.keyboard.press('End')
    await page.getByText(bigLogLine(lines), { exact: true }).waitFor()
  })

  it('shows its end at once, and numbers it when it is counted', async () => {
    const { page, faults } = seen
    await page.goto(`/tasks/${id}?tab=log`)
    await page.getByText(bigLogLine(lines), { exact: true }).waitFor()
    await counted(page)
    expect(await shown(page)).toMatchObject({ last: lines, isInOrder: true, isTrue: true })
    expect(await page.getByText('Ended', { exact: true }).count()).toBe(1)
    expect(await axe(page)).toEqual([])
    expect(faults).toEqual([])
  })

  it('comes to any place by the bar, in order, and to both ends', async () => {
    const { page } = seen
    let before = 0
    for (const share of [0, 0.02, 0.25, 0.5, 0.75, 0.98, 1]) {
      await drag(page, share)
      const { first, last, isInOrder, isTrue } = await shown(page)
      expect({ share, isInOrder, isTrue }).toEqual({ share, isInOrder: true, isTrue: true })
      expect(first).toBeGreaterThan(before)
      if (share > 0.1 && share < 0.9) expect(Math.abs(first - share * lines)).toBeLessThan(0.02 * lines)
      if (share === 1) expect(last).toBe(lines)
      before = first
    }
  })

  it('names lines in the address, one or several, and finds through all of it', async () => {
    const { page } = seen
    await page.goto(`/tasks/${id}?tab=log&line=42`)
    await page.getByRole('link', { name: '45', exact: true }).click({ modifiers: ['Shift'] })
    await page.waitForURL(/line=42-45/)
    await page.waitForFunction(() => document.querySelectorAll('.line.chosen').length === 4)
    await page.getByLabel('Go to line').fill('2999000')
    await page.keyboard.press('Enter')
    await page.getByText(bigLogLine(2_999_000), { exact: true }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('error out')
    await page.keyboard.press('Enter')
    await page.locator('.line.found mark', { hasText: 'ERROR out' }).waitFor()
    await page.getByText('1 of 1', { exact: true }).waitFor()
    expect(page.url()).toMatch(new RegExp(`line=${rare}\\b`))
    expect(await shown(page)).toMatchObject({ isInOrder: true })
  })

  it('copies text without line numbers', async () => {
    const { page } = seen
    await page.goto(`/tasks/${id}?tab=log&line=1`)
    await page.getByText(bigLogLine(3), { exact: true }).waitFor()
    const copied = await page.evaluate(() => {
      const rows = [...document.querySelectorAll('.line')].slice(0, 3)
      getSelection()?.setBaseAndExtent(rows[0]!, 0, rows[2]!, rows[2]!.childNodes.length)
      return getSelection()?.toString()
    })
    expect(copied).toBe([1, 2, 3].map((line) => bigLogLine(line)).join('\n'))
  })

  it('keeps both outputs in windows of their own on a phone', async () => {
    const { page } = seen
    await page.setViewportSize(phone)
    await page.goto(`/tasks/${id}?tab=log&stream=both`)
    await page.getByText(bigLogLine(lines), { exact: true }).waitFor()
    const heights = await page
      .getByRole('log')
      .evaluateAll((elements) => elements.map((element) => element.clientHeight))
    expect(heights).toHaveLength(2)
    for (const height of heights) expect(height).toBeLessThan(phone.height)
    await page.setViewportSize(desktop)
  })

  it('holds little of it, wherever one has been', { timeout: 120_000 }, async () => {
    const { page, faults } = seen
    await page.goto(`/tasks/${id}?tab=log`)
    await counted(page)
    for (let share = 0; share < 1; share += 0.02) await drag(page, share)
    const { nodes, heapBytes } = await heldBy(page)
    expect(nodes).toBeLessThan(6_000)
    expect(heapBytes).toBeLessThan(40 * MB)
    expect(faults).toEqual([])
  })
})

/** All lines are counted. */
async function counted(page: Page): Promise<void> {
  await page.getByText(/^3,000,000 lines/).waitFor()
}

/** As a hand that lets the bar go at a place of its way, 0 to 1; resolves when the lines there are drawn. */
async function drag(page: Page, share: number): Promise<void> {
  await look(page)
  const scrollTop = await page.getByRole('log').evaluate((element, share) => {
    element.scrollTop = share * (element.scrollHeight - element.clientHeight)
    return element.scrollTop
  }, share)
  await page.waitForFunction(
    (scrollTop) =>
      Math.abs(document.querySelector('.scroller')!.scrollTop - scrollTop) < 100 &&
      document.querySelector('.line.away') === null &&
      window.hasLines(),
    scrollTop,
  )
}

interface Shown {
  /** Numbers of the first and the last line in sight. */
  first: number
  last: number
  /** One below the other, without a gap. */
  isInOrder: boolean
  /** Each says the number that stands before it. */
  isTrue: boolean
}

async function shown(page: Page): Promise<Shown> {
  await look(page)
  return page.evaluate(() => {
    const rows = window.rowsInSight()
    const numbers = rows.map((row) => Number(row.querySelector('.number')?.textContent))
    const texts = rows.map((row) => row.querySelector('.text')?.textContent ?? '')
    return {
      first: numbers[0] ?? 0,
      last: numbers.at(-1) ?? 0,
      isInOrder: numbers.every((number, at) => number === (numbers[0] ?? 0) + at),
      isTrue: texts.every((text, at) => Number(text.slice(5, 14)) === numbers[at]),
    }
  })
}

declare global {
  interface Window {
    rowsInSight: () => Element[]
    hasLines: () => boolean
    topPx: () => number
  }
}

/** Gives the page what the tests ask it. */
async function look(page: Page): Promise<void> {
  await page.evaluate(() => {
    window.rowsInSight = () => {
      const { top, bottom } = document.querySelector('.scroller')!.getBoundingClientRect()
      return [...document.querySelectorAll('.line')].filter((row) => {
        const box = row.getBoundingClientRect()
        return box.bottom > top && box.top < bottom
      })
    }
    window.hasLines = () => window.rowsInSight().length > 5
    window.topPx = () => {
      const [row] = window.rowsInSight()
      if (row === undefined) throw new Error('no line is in sight')
      const { top, height } = row.getBoundingClientRect()
      const above = document.querySelector('.scroller')!.getBoundingClientRect().top - top
      return Math.round((Number(row.querySelector('.number')?.textContent) - 1) * height + above)
    }
  })
}

/** How many pixels of the log lie above the window. */
async function topPx(page: Page): Promise<number> {
  await look(page)
  return page.evaluate(() => window.topPx())
}

function sizes(page: Page): Promise<{ rowPx: number; pagePx: number }> {
  return page.evaluate(() => ({
    rowPx: document.querySelector('.line')!.getBoundingClientRect().height,
    pagePx: document.querySelector('.scroller')!.clientHeight,
  }))
}
