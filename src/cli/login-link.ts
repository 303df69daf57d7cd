/** A link that opens the web page and logs the browser in, once. */
import type { LoginLink } from '../protocol/schemas.ts'
import type { Host } from './transport.ts'

/**
 * Has the host make one. It leads to where the host was reached just now: behind a proxy that speaks TLS the host
 * itself does not know that.
 */
export async function makeLoginLink({ client, address }: Host): Promise<LoginLink> {
  const { url, expiresAt } = await client.makeLoginLink({ body: {} })
  const { pathname, hash } = new URL(url)
  return { url: `${address.url}${pathname}${hash}`, expiresAt }
}
