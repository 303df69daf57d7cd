/** People with tokens on a host of a test. */
import { type CallOptions, call } from './call.suite.ts'
import type { TestHost } from './host.suite.ts'

/** Calls a host, as somebody. */
export function callerOn(host: TestHost) {
  return (method: string, path: string, options?: CallOptions) => {
    const tls = host.host.url.startsWith('https:') ? { tls: { ...host.tls, ...options?.tls } } : {}
    return call(host.host.url, method, path, { ...options, ...tls })
  }
}

/** Makes a user, and tells a token of it. */
export async function personOn(
  host: TestHost,
  name: string,
  role: string,
  body: Record<string, unknown> = {},
): Promise<string> {
  const send = callerOn(host)
  const token = host.token('admin')
  const made = await send('POST', '/api/v1/users', { token, body: { name, role } })
  if (![201, 409].includes(made.status)) throw new Error(made.text)
  return tokenOn(host, { user: name, ...body })
}

/** Makes a further token, by the admin. */
export async function tokenOn(host: TestHost, body: Record<string, unknown>): Promise<string> {
  const token = host.token('admin')
  const answer = await callerOn(host)('POST', '/api/v1/tokens', { token, body: { label: 'test', ...body } })
  if (answer.status !== 201) throw new Error(answer.text)
  return answer.json.token
}
