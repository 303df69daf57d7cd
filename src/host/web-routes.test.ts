import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compressWeb } from '../../scripts/compress-web.ts'
import type { Log } from '../platform/log.ts'
import { type CallOptions, call } from './call.suite.ts'
import { TestHost } from './host.suite.ts'
import { webDirOf } from './web-files.ts'

const page = '<!doctype html><title>The page</title><script type="module" src="/assets/main-a1.js"></script>'
const script = `// ${'x'.repeat(5_000)}\n`
const secret = 'not for anybody'
const asBrowser = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

let dir: string
let host: TestHost
const lines: { fields: Record<string, unknown>; message: string }[] = []
const keep = (fields: Record<string, unknown>, message: string) => void lines.push({ fields, message })
const log = { debug: keep, info: keep, warn: keep, error: keep } as unknown as Log

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'hakuriver-web-'))
  const web = join(dir, 'web')
  mkdirSync(join(web, 'assets'), { recursive: true })
  writeFileSync(join(dir, 'host.json'), secret)
  writeFileSync(join(web, 'index.html'), page)
  writeFileSync(join(web, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>')
  writeFileSync(join(web, 'assets', 'main-a1.js'), script)
  writeFileSync(join(web, 'assets', 'text-b2.woff2'), Buffer.from([1, 2, 3, 0xff]))
  symlinkSync(join(dir, 'host.json'), join(web, 'assets', 'link.json'))
  await compressWeb(web)
  host = await TestHost.startWith({ webDir: web, log })
})
afterAll(async () => {
  await host.close()
  rmSync(dir, { recursive: true })
})

const send = (method: string, path: string, options?: CallOptions) =>
  call(host.host.url, method, path, options)

describe('the page', () => {
  it.each(['/', '/?x=1', '/index.html'])('is at %s for everybody', async (path) => {
    expect(await send('GET', path)).toMatchObject({ status: 200, text: page })
  })

  it.each([
    '/nodes',
    '/nodes/',
    '/nodes?x=1',
    '/nodes/n1',
    '/tasks',
    '/tasks/1',
    '/batches',
    '/batches/7',
    '/submit',
    '/login',
    '/help',
    '/nowhere',
    '/nodes/..%2f..%2fhost.json',
  ])('is at %s for a browser that opens it', async (path) => {
    // biome-ignore format: a list
    const answer = await send('GET', path, { headers: asBrowser })
    expect(answer).toMatchObject({ status: 200, text: page })
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8')
  })

  it('forbids itself everything but its own files and this host', async () => {
    const { headers } = await send('GET', '/', { headers: asBrowser })
    expect(headers).toMatchObject({
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; " +
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
        "require-trusted-types-for 'script'; trusted-types vue; report-uri /api/v1/csp-reports",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'permissions-policy': expect.stringContaining('camera=()'),
      'cache-control': 'no-cache',
    })
    expect(headers['set-cookie']).toBeUndefined()
  })

  it('is not served by a name that is not the host’s', async () => {
    for (const path of ['/', '/nodes', '/assets/main-a1.js'])
      expect(await send('GET', path, { headers: { ...asBrowser, host: 'rebound.example' } })).toMatchObject({
        status: 421,
        text: expect.stringContaining('does not go by the name'),
      })
  })

  it('is not there for what changes something', async () => {
    for (const method of ['POST', 'PUT'])
      expect((await send(method, '/', { headers: asBrowser, body: {} })).status).toBe(404)
  })
})

describe('its files', () => {
  it('are sent as the client takes them, each form under its own tag', async () => {
    const as = (encoding: string) =>
      send('GET', '/assets/main-a1.js', { headers: { 'accept-encoding': encoding } })
    const [small, middle, plain] = [
      await as('gzip, deflate, br'),
      await as('gzip;q=0.5, br;q=0'),
      await as(''),
    ]
    expect(small.headers['content-encoding']).toBe('br')
    expect(brotliDecompressSync(small.bytes).toString()).toBe(script)
    expect(middle.headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(middle.bytes).toString()).toBe(script)
    expect(plain.headers['content-encoding']).toBeUndefined()
    expect(plain.text).toBe(script)
    expect(new Set([small, middle, plain].map(({ headers }) => headers.etag)).size).toBe(3)
    for (const { headers } of [small, middle, plain])
      expect(headers).toMatchObject({
        vary: 'accept-encoding',
        'content-type': 'text/javascript; charset=utf-8',
        'cache-control': 'public, max-age=31536000, immutable',
      })
  })

  it('are not sent again to who has them', async () => {
    for (const path of ['/', '/assets/main-a1.js', '/favicon.svg']) {
      const { headers } = await send('GET', path, { headers: { 'accept-encoding': 'br' } })
      const etag = String(headers.etag)
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const again = await send('GET', path, {
          headers: { 'accept-encoding': 'br', 'if-none-match': known },
        })
        expect(again).toMatchObject({ status: 304, text: '', headers: { etag } })
      }
      const changed = await send('GET', path, { headers: { 'if-none-match': '"other"' } })
      expect(changed.status).toBe(200)
    }
  })

  it('are told of by HEAD without a body', async () => {
    for (const path of ['/', '/assets/text-b2.woff2', '/tasks']) {
      const head = await send('HEAD', path, { headers: asBrowser })
      const get = await send('GET', path, { headers: asBrowser })
      expect(head).toMatchObject({ status: 200, text: '' })
      expect(head.headers['content-length']).toBe(String(get.bytes.length))
      expect(head.headers.etag).toBe(get.headers.etag)
    }
  })

  it('hold bytes', async () => {
    const { bytes, headers } = await send('GET', '/assets/text-b2.woff2')
    expect([...bytes]).toEqual([1, 2, 3, 0xff])
    expect(headers['content-type']).toBe('font/woff2')
  })

  it.each([
    '/assets/../../host.json',
    '/assets/..%2f..%2fhost.json',
    '/assets/%2e%2e/%2e%2e/host.json',
    '/../host.json',
    '/..%5c..%5chost.json',
    '/assets//../../host.json',
    '/%2e%2e/host.json',
    '/assets/link.json',
    '/assets/nowhere.js',
    '/assets/main-a1.js%00.html',
    '/assets/main-a1.js/../../../host.json',
    '/assets/',
    '/assets',
    '//host.json',
    '/constructor',
    '/__proto__',
  ])('are all that can be had: %s', async (path) => {
    // biome-ignore format: a list
    for (const headers of [{}, asBrowser] as Record<string, string>[]) {
      const answer = await send('GET', path, { headers })
      expect(answer.text).not.toContain(secret)
      expect(answer.text === page ? 404 : answer.status).toBeGreaterThanOrEqual(400)
      if (path.startsWith('/assets')) expect(answer.status).toBeGreaterThanOrEqual(400)
    }
  })
})

describe('programs', () => {
  const python = { accept: '*/*', 'accept-encoding': 'gzip, deflate' }

  it('get from the routes of the original what they got', async () => {
    const token = host.token('admin')
    for (const headers of [python, { accept: 'application/json, text/plain, */*' }, {}] as Record<
      string,
      string
    >[])
      for (const path of ['/nodes', '/tasks', '/health', '/api/nodes', '/api/tasks']) {
        const answer = await send('GET', path, { token, headers })
        expect(answer).toMatchObject({ status: 200, text: '[]' })
        expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
      }
    expect((await send('GET', '/nodes', { headers: python })).status).toBe(401)
    expect((await send('GET', '/submit', { headers: python })).status).toBe(405)
    expect((await send('GET', '/tasks/', { headers: python })).headers.location).toBe('/tasks')
    expect((await send('GET', '/status/1', { token, headers: asBrowser })).json).toEqual({
      detail: 'Task not found',
    })
  })

  it('are told in JSON of what is not there', async () => {
    for (const path of ['/nowhere', '/batches', '/assets/x', '/nodes/n1'])
      expect(await send('GET', path, { headers: python })).toMatchObject({
        status: 404,
        json: { code: 'not_found' },
      })
    for (const path of ['/api/v1/nowhere', '/api', '/link/v9', '/link'])
      expect(await send('GET', path, { headers: asBrowser })).toMatchObject({
        status: 404,
        json: { code: 'not_found' },
      })
  })

  it('get long answers compressed where they ask for it, and none that is to be kept', async () => {
    const specs = Array.from({ length: 50 }, (_, at) => ({ command: 'echo', arguments: [`number ${at}`] }))
    await host.client.submitBatch({ body: { specs } })
    const token = host.token('admin')
    const list = (encoding: string) =>
      send('GET', '/api/v1/tasks', { token, headers: { 'accept-encoding': encoding } })
    const [plain, zipped, small] = [await list('identity'), await list('gzip'), await list('br, gzip')]
    expect(plain.headers['content-encoding']).toBeUndefined()
    expect(zipped.headers['content-encoding']).toBe('gzip')
    expect(small.headers['content-encoding']).toBe('br')
    expect(gunzipSync(zipped.bytes).toString()).toBe(plain.text)
    expect(brotliDecompressSync(small.bytes).toString()).toBe(plain.text)
    for (const { headers } of [plain, zipped, small])
      expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    const short = await send('GET', '/healthz', { headers: { 'accept-encoding': 'gzip' } })
    expect(short.headers['content-encoding']).toBeUndefined()
    const refusal = await send('GET', '/api/v1/tasks')
    expect(refusal.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    const events = await send('GET', '/api/v1/live', { token, headers: { 'accept-encoding': 'gzip' } })
    expect(events.headers['content-encoding']).toBeUndefined()
  })

  it('are told of at / where there is no page', async () => {
    const bare = await TestHost.startWith({ webDir: join(dir, 'nowhere') })
    const answer = await call(bare.host.url, 'GET', '/', { headers: asBrowser })
    expect(answer).toMatchObject({ status: 404, text: expect.stringContaining('npm run build') })
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8')
    const token = bare.token('admin')
    expect((await call(bare.host.url, 'GET', '/nodes', { token, headers: asBrowser })).text).toBe('[]')
    expect((await call(bare.host.url, 'GET', '/help', { headers: asBrowser })).status).toBe(404)
    expect((await call(bare.host.url, 'GET', '/api/v1/tasks', { token })).status).toBe(200)
    await bare.close()
  })
})

describe('reports of a broken policy', () => {
  const type = { 'content-type': 'application/csp-report' }
  const report = (fields: object) =>
    send('POST', '/api/v1/csp-reports', { raw: JSON.stringify({ 'csp-report': fields }), headers: type })
  const logged = () => lines.filter(({ message }) => message === 'The web page broke its content policy')

  it('are a line in the log each, a bounded number of them', async () => {
    const sent = await report({
      'effective-directive': 'script-src-elem',
      'violated-directive': 'script-src',
      'blocked-uri': 'http://evil.example/x.js?token=abc',
      'document-uri': 'http://127.0.0.1/tasks?q=abc#code=abc',
      'source-file': `http://127.0.0.1/${'a'.repeat(1_000)}`,
      'line-number': 3,
    })
    expect(sent).toMatchObject({ status: 204, text: '' })
    const [first] = logged()
    expect(first?.fields).toMatchObject({
      directive: 'script-src-elem',
      blocked: 'http://evil.example/x.js',
      page: 'http://127.0.0.1/tasks',
      total: 1,
    })
    expect(JSON.stringify(first)).not.toContain('abc')
    expect(JSON.stringify(first).length).toBeLessThan(700)
    for (let at = 0; at < 30; at += 1) await report({ 'effective-directive': { toString: 1 } })
    expect(logged()).toHaveLength(10)
  })

  it('may be anything, but not large', async () => {
    for (const raw of ['', '{', 'null', '[]', '{"csp-report":null}', '{"csp-report":[1]}', '"x"'])
      expect((await send('POST', '/api/v1/csp-reports', { raw, headers: type })).status).toBe(204)
    const large = await send('POST', '/api/v1/csp-reports', { raw: 'x'.repeat(8_193), headers: type })
    expect(large.status).toBe(413)
    expect((await send('GET', '/api/v1/csp-reports', { headers: asBrowser })).status).toBe(404)
  })
})

it('lies beside the bundle, or in dist of the source', () => {
  expect(webDirOf(join(import.meta.dirname, 'main.ts'))).toBe(join(import.meta.dirname, '../../dist/web'))
  const bundle = join(dir, 'host.cjs')
  writeFileSync(bundle, '')
  expect(webDirOf(bundle)).toBe(join(dir, 'web'))
})
