/** What a page costs: the scripts that it loads, and what it holds in memory. */
import { gzipSync } from 'node:zlib'
import type { Page, Request } from 'playwright-core'

/** Bytes, gzipped, of all scripts that the page asks for until `action` is through, those in its cache included. */
export async function scriptBytes(page: Page, action: () => Promise<unknown>): Promise<number> {
  const urls = new Set<string>()
  const note = (request: Request) => {
    if (request.resourceType() === 'script') urls.add(request.url())
  }
  page.on('request', note)
  await action()
  page.off('request', note)
  const sizes = await Promise.all(
    [...urls].map(async (url) => gzipSync(await (await page.request.get(url)).body()).length),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

export interface Held {
  /** DOM nodes of the page, those included that only a script still holds. */
  nodes: number
  heapBytes: number
}

/** What the page holds once its garbage is collected. */
export async function heldBy(page: Page): Promise<Held> {
  const devTools = await page.context().newCDPSession(page)
  try {
    await devTools.send('Performance.enable')
    await devTools.send('HeapProfiler.collectGarbage')
    const { metrics } = await devTools.send('Performance.getMetrics')
    const of = (wanted: string) => metrics.find(({ name }) => name === wanted)?.value ?? Number.NaN
    return { nodes: of('Nodes'), heapBytes: of('JSHeapUsedSize') }
  } finally {
    await devTools.detach()
  }
}
