/** Serves the web page: its files, and the one page for every address of it. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { cspReportPath } from './csp-reports.ts'
import { formFor, type WebFile, type WebFiles } from './web-files.ts'

/**
 * The page runs what it was built of and nothing else, talks to this host alone, and stands in no other page. `vue` is
 * the policy of Vue's own runtime (its package runtime-dom).
 */
const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types vue',
  `report-uri ${cspReportPath}`,
].join('; ')

const headers = {
  'content-security-policy': contentPolicy,
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=()',
  vary: 'accept-encoding',
}

/** Pages whose address is also a route of the original. */
const sharedPaths = ['/nodes', '/tasks', '/submit']
/** Below these there are no pages. */
const notPages = /^\/(api|link|assets)(\/|$)/

const missing =
  'The web page is not built: type `npm run build`, then start the host again. The API works without it.\n'

export class WebRoutes {
  private readonly files: WebFiles

  constructor(files: WebFiles) {
    this.files = files
  }

  /** Answers what routes of others would answer too, but a person wants to see. false: it is not ours. */
  async sendShared(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    if (!sharedPaths.includes(pathOf(request).replace(/\/$/, '')) || !wantsPage(request)) return false
    return this.sendPage(request, reply)
  }

  /** Answers what nobody else does. false: it is not ours either. */
  async sendRest(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    if (!isReading(request)) return false
    const path = pathOf(request)
    if (path === '/') {
      if (await this.sendPage(request, reply)) return true
      await reply.code(404).header('content-type', 'text/plain; charset=utf-8').send(missing)
      return true
    }
    const file = this.files.get(path)
    if (file !== undefined) await send(file, request, reply)
    else if (notPages.test(path) || !wantsPage(request)) return false
    else return this.sendPage(request, reply)
    return true
  }

  private async sendPage(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    const page = this.files.get('/index.html')
    if (page === undefined) return false
    await send(page, request, reply)
    return true
  }
}

async function send(file: WebFile, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { encoding, body, tag } = await formFor(file, request.headers['accept-encoding'])
  reply.headers(headers).header('etag', tag)
  reply.header('cache-control', file.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache')
  if (isKnown(request.headers['if-none-match'], tag)) return void (await reply.code(304).send())
  reply.header('content-type', file.type)
  if (encoding !== null) reply.header('content-encoding', encoding)
  await reply.send(body)
}

/** Has the client what it would be sent (RFC 9110, section 13.1.2)? */
function isKnown(header: string | undefined, tag: string): boolean {
  const known = (header ?? '').split(',').map((each) => each.trim().replace(/^W\//, ''))
  return known.includes(tag) || known.includes('*')
}

function pathOf({ url }: FastifyRequest): string {
  return url.replace(/[?#].*$/s, '')
}

function isReading({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** A browser that opens an address asks for HTML first; programs ask for anything, or for JSON. */
function wantsPage(request: FastifyRequest): boolean {
  return isReading(request) && /^\s*text\/html\b/i.test(request.headers.accept ?? '')
}
