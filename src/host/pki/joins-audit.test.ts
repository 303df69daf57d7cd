import { afterEach, beforeEach, expect, it } from 'vitest'
import type { AuditRow } from '../../core/audit.ts'
import { makePrivateKey, makeRequest } from '../../platform/x509.ts'
import { routes } from '../../protocol/routes.ts'
import { call } from '../call.suite.ts'
import { TestHost } from '../host.suite.ts'
import { inviteTo, joinAs, linkAs, tryJoin } from './join.suite.ts'

let host: TestHost

beforeEach(async () => {
  host = await TestHost.start('--tls', 'on')
})
afterEach(() => host.close())

/** What is written of calls by this name. */
async function rowsOf(action: string): Promise<AuditRow[]> {
  const { text } = await call(host.host.url, 'GET', '/api/v1/audit/export', {
    token: host.token('admin'),
    tls: host.tls,
  })
  const rows = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as AuditRow]))
  return rows.filter((row) => row.action === action)
}

it('tells who invited machines, and who joined by which name, without secret and key', async () => {
  const secret = await inviteTo(host, { node: 'n1', ttlSeconds: 600 })
  expect(await rowsOf('makeJoinTokens')).toMatchObject([
    { who: 'admin', target: 'n1', details: '{"count":1,"ttlSeconds":600}', result: 'ok' },
  ])
  const { nodeId } = await joinAs(host, 'n1', { secret })
  await tryJoin(host, { secret, node: 'n1' })
  const joins = await rowsOf('joinCluster')
  expect(joins[0]).toMatchObject({ who: 'node n1', target: 'n1', details: JSON.stringify({ nodeId }) })
  expect(JSON.stringify(joins)).not.toMatch(/hakuriver_join_|CERTIFICATE/)
})

it('tells of renewals by the node itself, of revoked nodes, and of a changed authority', async () => {
  const machine = await joinAs(host, 'n1')
  const csr = await makeRequest(makePrivateKey(), 'n1')
  const path = routes.renewCertificate.path
  expect((await call(host.host.url, 'POST', path, { body: { csr }, tls: machine.tls })).status).toBe(201)
  expect(await rowsOf('renewCertificate')).toMatchObject([
    { who: 'node n1', via: 'node', target: 'n1', details: '{}', result: 'ok' },
  ])
  const link = await linkAs(host, machine)
  await host.client.revokeNode({ params: { name: 'n1' }, body: {} })
  await link.closed()
  expect(await rowsOf('revokeNode')).toMatchObject([{ who: 'admin', target: 'n1', result: 'ok' }])
  await host.client.rotateAuthority({ body: {} })
  await host.client.finishAuthority({ body: { force: true } })
  expect(await rowsOf('rotateAuthority')).toMatchObject([{ who: 'admin', result: 'ok' }])
  expect(await rowsOf('finishAuthority')).toMatchObject([{ who: 'admin', details: '{"force":true}' }])
})
