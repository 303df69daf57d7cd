/** `hakuriver.runner --join INVITATION`: makes this machine a node. The secret is sent to nobody but the host that the
 * invitation names, and the key never leaves this machine. */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { AppError } from '../core/errors.ts'
import { parseInvitation } from '../core/invitation.ts'
import type { Sources } from '../platform/config.ts'
import { postJson } from '../platform/https-json.ts'
import { pinnedTls, trustByFingerprint } from '../platform/tls-pin.ts'
import { routes } from '../protocol/routes.ts'
import { loadRunnerConfig } from './config.ts'
import { readRunnerId, withNextKey, writeIdentity } from './identity.ts'

const deadlineMs = 20_000
/** Longer is none. */
const invitationChars = 1_000

export interface Joined {
  node: string
  nodeId: string
  url: string
  stateDir: string
}

/** @throws AppError with why not; nothing of the identity of before is touched then */
export async function joinByInvitation(text: string, sources: Sources): Promise<Joined> {
  const { url, fingerprint, secret } = parseInvitation(text)
  const { nodeName, stateDir } = loadRunnerConfig(sources, { isJoining: true })
  const tls = fingerprint === null ? undefined : pinnedTls(await trustByFingerprint(url, fingerprint))
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const runnerId = await readRunnerId(stateDir)
  const { key, csr } = await requestFor(nodeName)
  const body = { secret, csr, node: nodeName, runnerId }
  const { node, nodeId, certificate, ca } = await withNextKey(stateDir, key, async () =>
    readNodeCertificate(
      await postJson(url, routes.joinCluster.path, body, { deadlineMs, tls }),
      nodeName,
      key,
    ),
  )
  await writeIdentity(stateDir, { node, nodeId, url, cert: certificate, ca })
  return { node, nodeId, url, stateDir }
}

/** The invitation from a pipe, where no other user of this machine can see it. */
export async function readInvitation(input: AsyncIterable<Buffer | string>): Promise<string> {
  let text = ''
  for await (const part of input) {
    text += String(part)
    if (text.length > invitationChars) break
  }
  return text.trim()
}

/** A new key, and the request for a certificate of it. Brings the library only now. */
export async function requestFor(node: string): Promise<{ key: string; csr: string }> {
  const { makePrivateKey, makeRequest } = await import('../platform/x509.ts')
  const key = makePrivateKey()
  return { key, csr: await makeRequest(key, node) }
}

/** What the host answers, checked: the certificate has to be of our key and our name. @throws AppError `unavailable` */
export function readNodeCertificate(
  answer: unknown,
  node: string,
  key: string,
): { node: string; nodeId: string; certificate: string; ca: string } {
  const given = typeof answer === 'object' && answer !== null ? answer : {}
  const { certificate, ca, nodeId } = given as Record<string, unknown>
  const isWhole = typeof certificate === 'string' && typeof ca === 'string' && typeof nodeId === 'string'
  if (!isWhole || !isOurs(certificate, node, key))
    throw new AppError(
      'unavailable',
      'the host has answered with something else than a certificate for this node',
    )
  return { node, nodeId, certificate, ca }
}

function isOurs(certificate: string, node: string, key: string): boolean {
  try {
    const parsed = new X509Certificate(certificate)
    return parsed.subject === `CN=${node}` && parsed.checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}
