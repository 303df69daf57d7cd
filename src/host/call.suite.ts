/** One request to a host with just the headers that a test gives it, as `fetch` would not send them. */
import http, { type IncomingHttpHeaders } from 'node:http'
import https from 'node:https'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  bytes: Buffer
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever it is, the test says what it wants
  json: any
}

export interface CallOptions {
  token?: string
  cookie?: string
  /** Sent as JSON. */
  body?: unknown
  /** Sent as it is. */
  raw?: string
  headers?: Record<string, string>
  /** Of an https URL. */
  tls?: { ca: string; servername?: string; cert?: string; key?: string }
}

/** The whole answer; of a stream only the head. `path` goes out as it is written. */
export function call(
  url: string,
  method: string,
  path: string,
  { token, cookie, body, raw, headers, tls }: CallOptions = {},
): Promise<Answer> {
  const { hostname, port, protocol } = new URL(url)
  const { request } = protocol === 'https:' ? https : http
  return new Promise((resolve, reject) => {
    const sending = request({
      hostname,
      port,
      path,
      method,
      agent: false,
      ...tls,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(cookie === undefined ? {} : { cookie }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
    })
    sending.on('error', reject)
    sending.on('upgrade', ({ statusCode, headers: told }, socket) => {
      socket.destroy()
      resolve({ status: statusCode ?? 0, headers: told, bytes: Buffer.alloc(0), text: '', json: null })
    })
    sending.on('response', (answer) => {
      const chunks: Buffer[] = []
      const done = () => {
        const bytes = Buffer.concat(chunks)
        const text = bytes.toString()
        const isJson = String(answer.headers['content-type']).startsWith('application/json')
        const json = isJson && text.startsWith('{') ? JSON.parse(text) : null
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, bytes, text, json })
      }
      if (answer.headers['content-type'] === 'text/event-stream') {
        sending.destroy()
        return done()
      }
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', done)
    })
    sending.end(raw ?? (body === undefined ? undefined : JSON.stringify(body)))
  })
}

/** What a browser would send back of an answer's cookies. */
export function cookieOf({ headers }: Answer): string {
  return (headers['set-cookie'] ?? []).map((text) => text.split(';')[0]).join('; ')
}
