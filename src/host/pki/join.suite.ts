/** A machine that joins a host over TLS, as a test speaks for it. */
import { WebSocket } from 'ws'
import { parseInvitation } from '../../core/invitation.ts'
import { pinnedTls } from '../../platform/tls-pin.ts'
import { makePrivateKey, makeRequest } from '../../platform/x509.ts'
import { linkPath } from '../../protocol/routes.ts'
import { type Answer, call } from '../call.suite.ts'
import { type TestHost, TestRunner } from '../host.suite.ts'

/** What a machine has that has joined. */
export interface Machine {
  node: string
  nodeId: string
  runnerId: string
  tls: { ca: string; servername: string; cert: string; key: string }
}

export interface JoinOptions {
  node?: string
  runnerId?: string
  secret?: string
  csr?: string
}

/** The secret of a new invitation. */
export async function inviteTo(
  host: TestHost,
  body: { node?: string; ttlSeconds?: number } = {},
): Promise<string> {
  const { items } = await host.client.makeJoinTokens({ body })
  return parseInvitation(items[0]?.invitation ?? '').secret
}

/** Tries to join; the answer is whatever the host says. */
export async function tryJoin(
  host: TestHost,
  { node = 'n1', runnerId = `runner-${node}`, secret, csr }: JoinOptions = {},
  key: string = makePrivateKey(),
): Promise<Answer> {
  const body = {
    secret: secret ?? (await inviteTo(host)),
    csr: csr ?? (await makeRequest(key, node)),
    node,
    runnerId,
  }
  return call(host.host.url, 'POST', '/api/v1/join', { body, tls: host.tls })
}

/** Joins. */
export async function joinAs(host: TestHost, node = 'n1', options: JoinOptions = {}): Promise<Machine> {
  const key = makePrivateKey()
  const runnerId = options.runnerId ?? `runner-${node}`
  const { status, json } = await tryJoin(host, { ...options, node, runnerId }, key)
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(json)}`)
  return { node, nodeId: json.nodeId, runnerId, tls: { ...pinnedTls(json.ca), cert: json.certificate, key } }
}

/** Opens the link with a certificate, or none; a refusal is thrown as its status and words. */
export async function dialAs(host: TestHost, tls: Partial<Machine['tls']>): Promise<TestRunner> {
  const socket = new WebSocket(host.host.url.replace('http', 'ws') + linkPath, { ...host.tls, ...tls })
  const runner = new TestRunner(socket)
  host.runners.push(runner)
  await new Promise((resolve, reject) => {
    socket.once('open', resolve).once('error', reject)
    socket.once('unexpected-response', (_, response) => {
      let text = ''
      response.on('data', (part) => {
        text += part
      })
      response.on('end', () => reject(new Error(`${response.statusCode} ${text}`)))
    })
  })
  return runner
}

/** A linked runner. */
export async function linkAs(host: TestHost, machine: Machine): Promise<TestRunner> {
  const runner = await dialAs(host, machine.tls)
  runner.hello({ node: machine.node, runnerId: machine.runnerId })
  await runner.heard('welcome')
  return runner
}
