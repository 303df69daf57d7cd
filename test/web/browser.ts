/// <reference lib="dom" />
/** A real Chromium for tests of the web page: found, started, and watched for everything that must not happen. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { describe, it } from 'vitest'

const names = ['chromium', 'chromium-browser', 'google-chrome']

/** The path of a Chromium or Chrome of this computer; null: there is none. */
export function chromiumPath(): string | null {
  for (const name of names) {
    try {
      return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
    } catch {
      // not by this name
    }
  }
  return null
}

/** `describe` for tests in a browser: reported as not run where there is none, red in CI. */
export function describeInBrowser(name: string, body: () => void): void {
  if (chromiumPath() !== null) describe(name, body)
  else if (process.env.CI) {
    describe(name, () => {
      it('has a browser', () => {
        throw new Error('there is no Chromium: run sh test/web/install.sh')
      })
    })
  } else describe.skip(`${name} (not run, there is no Chromium: run sh test/web/install.sh)`, body)
}

/** Starts Chromium. It speaks to nobody but the pages that it is sent to. `args`: further flags of it. */
export async function startBrowser(args: readonly string[] = []): Promise<Browser> {
  const executablePath = chromiumPath()
  if (executablePath === null) throw new Error('there is no Chromium')
  return chromium.launch({
    executablePath,
    args: [
      // the tests run as root in namespaces that have no room for its own
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...args,
    ],
  })
}

export const desktop = { width: 1360, height: 850 }
export const phone = { width: 360, height: 780 }

export interface Visit {
  page: Page
  context: BrowserContext
  /** What a page must never do: errors, dialogs, requests to elsewhere, violations of the content policy. */
  faults: string[]
}

export interface VisitOptions {
  viewport?: { width: number; height: number }
  theme?: 'light' | 'dark'
  isMotionReduced?: boolean
  /** A failed request is part of the test. */
  isCut?: boolean
}

/** A fresh browser profile with one tab, whose faults are collected. */
export async function visit(browser: Browser, origin: string, options: VisitOptions = {}): Promise<Visit> {
  const { viewport = desktop, theme = 'light', isMotionReduced = true, isCut = false } = options
  const context = await browser.newContext({
    viewport,
    colorScheme: theme,
    reducedMotion: isMotionReduced ? 'reduce' : 'no-preference',
    baseURL: origin,
    acceptDownloads: true,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const faults: string[] = []
  watch(page, origin, faults, isCut)
  return { page, context, faults }
}

/** Collects a page's faults. */
export function watch(page: Page, origin: string, faults: string[], isCut = false): void {
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    const isNetwork = message.text().startsWith('Failed to load resource')
    if (message.type() === 'error' && !(isCut && isNetwork)) faults.push(`console: ${message.text()}`)
  })
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(`${origin}/`) && !url.startsWith('data:image/svg+xml,'))
      faults.push(`request: ${url}`)
    if (url.includes('/csp-reports')) faults.push(`content policy: ${request.postData() ?? ''}`)
  })
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8')

interface AxeResult {
  violations: { id: string; help: string; nodes: { target: unknown[]; failureSummary?: string }[] }[]
}

/** What axe-core finds on the page as it is, by the rules of WCAG 2.2 AA; one line each. */
export async function axe(page: Page): Promise<string[]> {
  await page.evaluate(axeSource)
  const { violations } = (await page.evaluate(
    "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })",
  )) as AxeResult // axe-core's own shape
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(
      ({ target, failureSummary = '' }) =>
        `${id}: ${help}: ${target.join(' ')} ${failureSummary.replaceAll('\n', ' ')}`,
    ),
  )
}
