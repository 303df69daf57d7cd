/** What others wrote stays text, wherever it is shown; no address leads away; no other page gets at anything. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { printable } from '../../src/core/text.ts'
import { waitFor } from '../../src/platform/wait.ts'
import { LocalCluster } from '../support/cluster.ts'
import { describeInBrowser, startBrowser, type Visit, visit } from './browser.ts'
import { hostileNexts, hostileOutput, hostileTexts, longName } from './hostile-texts.ts'

const texts = Object.values(hostileTexts)
const shownTexts = texts.map(printable)
const { script, image, vector, direction } = hostileTexts
/** High enough that a list shows all of its rows. */
const viewport = { width: 1360, height: 1700 }

describeInBrowser('a page of hostile texts', () => {
  let cluster: LocalCluster
  let browser: Browser
  let opened: Visit[] = []
  let ids: { named: string[]; output: string; killed: string; unnamed: string; batch: string }

  beforeAll(async () => {
    cluster = await LocalCluster.start({ nodes: ['n1', 'n2'] })
    browser = await startBrowser()
    ids = await fill(cluster)
  })
  afterEach(async () => {
    await Promise.all(opened.map(({ context }) => context.close()))
    opened = []
  })
  afterAll(async () => {
    await browser?.close()
    await cluster?.close()
  })

  const origin = () => cluster.api.url
  async function linkTo(path = '/login'): Promise<string> {
    const { url } = await cluster.api.client.makeLoginLink({ body: {} })
    return `${origin()}${path}#${url.split('#')[1]}`
  }
  async function arriveIn(options: Parameters<typeof visit>[2] = {}): Promise<Visit> {
    const arrived = await visit(browser, origin(), { viewport, ...options })
    opened.push(arrived)
    await arrived.page.goto(await linkTo())
    await arrived.page.getByRole('navigation', { name: 'Pages' }).waitFor()
    return arrived
  }
  /** Opens a view, waits until it shows these texts as texts, and looks for what they have become besides. */
  async function look(page: Page, path: string, wanted: readonly string[]): Promise<void> {
    await page.goto(path)
    await shows(page, wanted)
    expect(await madeOfTexts(page), path).toEqual([])
    expect(new URL(page.url()).origin).toBe(origin())
  }

  it('shows them as texts in every list', { timeout: 120_000 }, async () => {
    const { page, faults } = await arriveIn()
    const reason = printable(`${script} ${direction}`)
    await look(page, '/', [reason])
    await look(page, '/nodes', [reason])
    await look(page, '/nodes/n2', [reason])
    await look(page, '/nodes/n1', [])
    await look(page, '/tasks', [...shownTexts, longName.slice(0, 150)])
    await look(page, '/tasks?status=killed', [printable(image)])
    await look(page, '/batches', [printable(script)])
    await look(page, `/batches/${ids.batch}`, shownTexts)
    await look(page, `/batches/${ids.batch}?tab=log`, [])
    expect(faults).toEqual([])
  })

  it('shows them as texts in all that is told of a task', { timeout: 180_000 }, async () => {
    const { page, faults } = await arriveIn()
    for (const [at, id] of ids.named.entries()) {
      await look(page, `/tasks/${id}`, [shownTexts[at] ?? ''])
      // the title of the tab too
      expect(await page.title()).toContain(shownTexts[at])
    }
    await look(page, `/tasks/${ids.unnamed}`, shownTexts)
    await page.getByRole('button', { name: /values/i }).click()
    await shows(page, ['constructor', 'toString', ...shownTexts])
    expect(await madeOfTexts(page)).toEqual([])
    await page.getByRole('button', { name: /json/i }).first().click()
    const json = (await page.locator('main pre').textContent()) ?? ''
    expect(json).toContain('\\u202egnp.eleven')
    expect(JSON.parse(json)).toMatchObject({
      specs: [{ arguments: ['-c', 'exit 3', ...texts, longName] }],
    })
    // and nothing in it is unseen
    expect(json.split('\n').filter((line) => printable(line) !== line)).toEqual([])
    expect(await madeOfTexts(page)).toEqual([])
    await look(page, `/tasks/${ids.killed}`, [printable(image)])
    for (const tab of ['usage', 'events']) await look(page, `/tasks/${ids.killed}?tab=${tab}`, [])
    await shows(page, [printable(image)])
    expect(faults).toEqual([])
  })

  it('shows an output as text, whatever it says to a terminal', { timeout: 120_000 }, async () => {
    const { page, context, faults } = await arriveIn()
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.evaluate(() => navigator.clipboard.writeText('mine'))
    for (const stream of ['stdout', 'stderr', 'both']) {
      await look(page, `/tasks/${ids.output}?tab=log&stream=${stream}`, ['the last line'])
      await look(page, `/tasks/${ids.output}?tab=log&stream=${stream}&line=1`, [script])
      expect(await page.title()).not.toContain('eight')
    }
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('mine')
    expect(faults).toEqual([])
  })

  it('takes them over into a new submit unchanged', async () => {
    const { page, faults } = await arriveIn()
    await look(page, `/submit?clone=${ids.unnamed}`, [])
    await page.waitForFunction(
      (text) => [...document.querySelectorAll('textarea')].some(({ value }) => value.includes(text)),
      script,
    )
    expect(await madeOfTexts(page)).toEqual([])
    await look(page, `/submit?rerun=${ids.batch}`, [])
    expect(faults).toEqual([])
  })

  it('finds them by the palette and by a search', { timeout: 120_000 }, async () => {
    const { page, faults } = await arriveIn()
    for (const text of [script, image, vector, hostileTexts.template, hostileTexts.link]) {
      await look(page, '/', [])
      await page.keyboard.press('Control+k')
      await page.getByRole('dialog').waitFor()
      await page.keyboard.insertText(text)
      await page.getByRole('option', { name: text }).first().waitFor()
      expect(await madeOfTexts(page)).toEqual([])
      await look(page, `/tasks?q=${encodeURIComponent(text)}`, [text])
    }
    expect(faults).toEqual([])
  })

  it('makes nothing of a hostile address', { timeout: 120_000 }, async () => {
    // what is not there is answered so
    const { page, faults } = await arriveIn({ isCut: true })
    const word = encodeURIComponent(script)
    const addresses = [
      `/tasks?q=${word}&status=${word}&node=${word}&batch=${word}&sort=__proto__&order=constructor`,
      `/tasks?q=${word}&q=${word}&status=__proto__&sort=ended`,
      `/tasks?batch=9999999999999999`,
      `/nodes/${word}`,
      '/nodes/__proto__',
      '/nodes/%2e%2e%2f%2e%2e%2fapi%2fv1%2ftasks',
      '/nodes/%00',
      '/tasks/999',
      `/tasks/${ids.killed}?tab=${word}&stream=javascript:alert(1)&line=1e999&q=${word}`,
      `/tasks/${ids.output}?tab=log&stream=${word}&line=-1&q=${word}`,
      `/tasks/${word}`,
      '/batches/1',
      `/batches/${ids.batch}?tab=${word}`,
      `/submit?clone=${word}`,
      `/submit?rerun=${word}&clone=__proto__`,
      `/no/such/${word}`,
      `/help?${word}=${word}#${word}`,
    ]
    for (const address of addresses) {
      await page.goto(address)
      await shows(page, [])
      await page.waitForLoadState('networkidle').catch(() => {})
      expect(await madeOfTexts(page), address).toEqual([])
      expect(new URL(page.url()).origin, address).toBe(origin())
    }
    expect(faults).toEqual([])
  })

  it('stays here after a login, wherever the address says to go', { timeout: 120_000 }, async () => {
    for (const next of hostileNexts) {
      const arrived = await visit(browser, origin())
      await arrived.page.goto(await linkTo(`/login?next=${encodeURIComponent(next)}`))
      await arrived.page.getByRole('navigation', { name: 'Pages' }).waitFor()
      expect(new URL(arrived.page.url()).origin, next).toBe(origin())
      expect(arrived.faults, next).toEqual([])
      await arrived.context.close()
    }
  })

  it('is nothing to a page of another origin', { timeout: 120_000 }, async () => {
    const { page, context } = await arriveIn()
    const before = (await cluster.api.client.listTasks({ query: { limit: 1 } })).items[0]?.id
    const elsewhere = await serveElsewhere()
    try {
      // another port of this machine, from which the browser sends the cookie along; and another site
      for (const [host, refusal] of [
        ['127.0.0.1', 403],
        ['localhost', 401],
      ] as const) {
        const other = await context.newPage()
        const statuses = await statusesOf(other, origin())
        await other.goto(`http://${host}:${elsewhere.port}/`)
        const got = await other.evaluate(attack, origin())
        expect(got, host).toEqual({
          read: 'TypeError',
          blind: 'TypeError',
          write: 'TypeError',
          blindWrite: 'TypeError',
          logout: 'TypeError',
          events: 'error',
          link: 'error',
          script: 'error',
          frame: 'unreadable',
          opened: 'closed',
        })
        // nothing was answered but refusals, the public page aside
        expect(statuses, host).toMatchObject({
          'GET /api/v1/tasks': refusal,
          'POST /api/v1/batches': refusal,
          'GET /api/v1/live': refusal,
        })
        const frame = other.frames().find((each) => each !== other.mainFrame())
        expect(await frame?.evaluate(() => document.querySelector('#app'))).toBeNull()
        // a form that is sent by somebody's click goes there, and is refused
        await other.evaluate((to) => {
          const form = document.createElement('form')
          form.method = 'post'
          form.enctype = 'text/plain'
          form.action = `${to}/api/v1/batches`
          const input = document.createElement('input')
          input.name = '{"specs":[{"command":"true","name":"'
          input.value = '"}]}'
          form.append(input)
          document.body.append(form)
          form.submit()
        }, origin())
        await other.waitForURL(`${origin()}/api/v1/batches`)
        expect(statuses['POST /api/v1/batches']).toBe(refusal)
        await other.close()
      }
    } finally {
      elsewhere.server.closeAllConnections()
      elsewhere.server.close()
    }
    const after = (await cluster.api.client.listTasks({ query: { limit: 1 } })).items[0]?.id
    expect(after).toBe(before)
    // still logged in
    await page.goto('/tasks')
    await shows(page, shownTexts.slice(0, 1))
  })

  it('is shown in no frame, and so answered', async () => {
    const answer = await cluster.api.raw({ path: '/', headers: { accept: 'text/html' } })
    expect(answer.headers['content-security-policy']).toContain("frame-ancestors 'none'")
  })
})

/** Puts the texts wherever the cluster takes one. */
async function fill(cluster: LocalCluster) {
  const { api } = cluster
  const file = join(cluster.dir, 'output')
  writeFileSync(file, hostileOutput(), { mode: 0o644 })
  const output = await api.run({ command: 'sh', arguments: ['-c', `cat ${file}; cat ${file} >&2`] }, 'n1')
  const unnamed = await api.run(
    {
      command: 'sh',
      arguments: ['-c', 'exit 3', ...texts, longName],
      env: { constructor: script, toString: image, hasOwnProperty: vector, A: texts.join(' ') },
    },
    'n1',
  )
  const killed = await api.submit(
    { command: 'sh', arguments: ['-c', 'exec sleep 600', longName], name: longName },
    'n1',
  )
  await api.reached(killed, 'running')
  await api.client.killTask({ params: { id: killed }, body: { reason: `${image} ${direction}` } })
  await api.reached(killed, 'killed')
  const { batchId, tasks } = await api.client.submitBatch({
    body: {
      name: script,
      specs: texts.map((name) => ({ command: 'sh', arguments: ['-c', 'exit 1', name], name })),
      targets: ['n1'],
    },
  })
  const named = tasks.flatMap(({ taskId }) => taskId ?? [])
  for (const id of named) await api.ended(id, 60_000)
  await api.client.drainNode({ params: { name: 'n2' }, body: { reason: `${script} ${direction}` } })
  return { named, output: output.id, killed, unnamed: unnamed.id, batch: batchId ?? '' }
}

/** Waits until the page shows all of these. */
async function shows(page: Page, wanted: readonly string[]): Promise<void> {
  const head = page.locator('h1').first()
  await head.waitFor({ state: 'attached' }).catch(() => {
    throw new Error(`${page.url()} has no heading`)
  })
  await page.locator('main [aria-busy=true]').first().waitFor({ state: 'detached' })
  let missing: string[] = []
  await waitFor(
    'the texts are shown',
    async () => {
      const shown = (await page.locator('main').first().textContent()) ?? ''
      missing = wanted.filter((text) => !shown.includes(text))
      return missing.length === 0
    },
    { deadlineMs: 15_000 },
  ).catch((error: unknown) => {
    throw new Error(`${String(error)} at ${page.url()}: not ${JSON.stringify(missing)}`)
  })
}

/** Elements and links that only a text could have made; the page has none of them itself. */
function madeOfTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const made = document.querySelectorAll(
      'main script, script:not([src]), img, iframe, object, embed, b b, [onerror], [onload], [srcdoc]',
    )
    const links = [...document.querySelectorAll<HTMLAnchorElement>('a[href]')].filter(
      ({ href }) => !href.startsWith(`${location.origin}/`) && !href.startsWith('blob:'),
    )
    return [...made, ...links].map((element) => element.outerHTML.slice(0, 200))
  })
}

/** What the host has answered, also where the browser keeps it from the page. By method and path. */
async function statusesOf(page: Page, origin: string): Promise<Record<string, number>> {
  const devTools = await page.context().newCDPSession(page)
  const asked = new Map<string, string>()
  const statuses: Record<string, number> = {}
  devTools.on('Network.requestWillBeSent', ({ requestId, request }) => {
    if (request.url.startsWith(origin))
      asked.set(requestId, `${request.method} ${new URL(request.url).pathname}`)
  })
  devTools.on('Network.responseReceivedExtraInfo', ({ requestId, statusCode }) => {
    const what = asked.get(requestId)
    if (what !== undefined) statuses[what] = statusCode
  })
  await devTools.send('Network.enable')
  return statuses
}

async function serveElsewhere(): Promise<{ server: Server; port: number }> {
  const server = createServer((_, answer) => {
    answer.setHeader('content-type', 'text/html')
    answer.end('<!doctype html><title>elsewhere</title><body></body>')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

/** Runs in a page of another origin, with the cookie of who is logged in. */
async function attack(origin: string): Promise<Record<string, string>> {
  const nameOf = (error: unknown) => (error instanceof Error ? error.name : String(error))
  const asked = (path: string, init: RequestInit) =>
    fetch(`${origin}${path}`, { credentials: 'include', ...init }).then(({ type }) => type, nameOf)
  const body = JSON.stringify({ specs: [{ command: 'true', name: 'from elsewhere' }] })
  const json = { 'content-type': 'application/json' }
  const outcome = (start: (done: (word: string) => void) => void) =>
    new Promise<string>((resolve) => {
      start(resolve)
      setTimeout(() => resolve('nothing'), 10_000)
    })
  const frame = document.createElement('iframe')
  const inFrame = await outcome((done) => {
    frame.onload = () => {
      try {
        done(frame.contentDocument === null ? 'unreadable' : 'readable')
      } catch {
        done('unreadable')
      }
    }
    frame.src = `${origin}/`
    document.body.append(frame)
  })
  return {
    read: await asked('/api/v1/tasks', {}),
    blind: await asked('/api/v1/tasks', { mode: 'no-cors' }),
    write: await asked('/api/v1/batches', { method: 'POST', headers: json, body }),
    blindWrite: await asked('/api/v1/batches', { method: 'POST', mode: 'no-cors', body }),
    logout: await asked('/api/v1/session', { method: 'DELETE' }),
    events: await outcome((done) => {
      const source = new EventSource(`${origin}/api/v1/live`, { withCredentials: true })
      source.onopen = () => done('open')
      source.onerror = () => {
        source.close()
        done('error')
      }
    }),
    link: await outcome((done) => {
      const socket = new WebSocket(`${origin.replace('http', 'ws')}/link/v1`)
      socket.onopen = () => done('open')
      socket.onerror = () => done('error')
    }),
    script: await outcome((done) => {
      const element = document.createElement('script')
      element.src = `${origin}/api/v1/tasks`
      element.onload = () => done('loaded')
      element.onerror = () => done('error')
      document.head.append(element)
    }),
    frame: inFrame,
    opened: await outcome((done) => {
      const opened = window.open(`${origin}/`)
      const look = setInterval(() => {
        if (opened === null || !opened.closed) return
        clearInterval(look)
        done('closed')
      }, 50)
    }),
  }
}
