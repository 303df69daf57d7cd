/** The endpoints of nodes that join, and of the authority that their certificates come from. */
import { AppError } from '../../core/errors.ts'
import { printInvitation } from '../../core/invitation.ts'
import { isNodeName } from '../../core/target.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Log } from '../../platform/log.ts'
import type { Handlers } from '../../protocol/host-api.ts'
import type { AuthorityState } from '../../protocol/schemas.ts'
import type { Caller } from '../caller.ts'
import type { Links } from '../links.ts'
import type { UrlFor } from '../own-url.ts'
import { instant } from '../views.ts'
import type { WrongTries } from '../wrong-tries.ts'
import type { AuthorityRecord } from './authority.ts'
import type { Pki } from './open.ts'

export type JoinEndpoint =
  | 'makeJoinTokens'
  | 'joinCluster'
  | 'renewCertificate'
  | 'revokeNode'
  | 'getAuthority'
  | 'rotateAuthority'
  | 'finishAuthority'

export type JoinHandlers = Pick<Handlers<Caller>, JoinEndpoint>

export interface JoinDeps {
  /** null: plain HTTP, on loopback or because somebody has asked for it. */
  pki: Pki | null
  urlFor: UrlFor
  nodes: { has(name: string): boolean }
  links: Pick<Links, 'isLinked' | 'renewAll' | 'endUntrusted'>
  tries: WrongTries
  clock: Clock
  log: Log
}

const defaultTtlSeconds = 3_600

export function createJoinHandlers(deps: JoinDeps): JoinHandlers {
  const { clock, log, nodes, links, tries } = deps
  const wanted = (): Pki => {
    if (deps.pki !== null) return deps.pki
    throw new AppError(
      'conflict',
      'this host serves plain HTTP: runners join by its file join-token (--join-token-file), and it has no certificates; with network.tls = "on" it has',
      {
        details: {
          fix: 'To add machines, let them reach it: hakuriver down && HAKURIVER_HOST_BIND_IP=0.0.0.0 hakuriver up --detach',
        },
      },
    )
  }
  const state = () => stateOf(wanted())

  return {
    makeJoinTokens: async ({ body }, { visit }) => {
      const { credentials, authority } = wanted()
      const node = body.node ?? null
      if (node !== null && !isNodeName(node))
        throw new AppError(
          'invalid_request',
          `"${node}" cannot be the name of a node: use letters, digits, - and .`,
        )
      const ttlMs = (body.ttlSeconds ?? defaultTtlSeconds) * 1000
      const expiresAt = instant(clock.now() + ttlMs)
      const secrets = await credentials.makeTokens(body.count ?? 1, node, ttlMs)
      const url = deps.urlFor(visit)
      const { fingerprint } = authority.current
      return {
        items: secrets.map((secret) => ({
          invitation: printInvitation({ url, fingerprint, secret }),
          node,
          expiresAt,
        })),
      }
    },
    joinCluster: async ({ body }, { visit }) => {
      const { credentials } = wanted()
      const address = visit?.address ?? ''
      try {
        return await credentials.join(body.secret, body.csr, { node: body.node, runnerId: body.runnerId })
      } catch (error) {
        const isRefusal = error instanceof AppError && error.code !== 'store_full'
        if (isRefusal) log.warn({ address, node: body.node, why: error.message }, 'A machine may not join')
        throw isRefusal && error.code === 'unauthenticated' ? tries.refuse(address, error) : error
      }
    },
    renewCertificate: async ({ body }, { node }) => {
      if (node === undefined) throw new Error('a renewal without a certificate')
      return wanted().credentials.renew(node, body.csr)
    },
    revokeNode: async ({ params }, caller) => {
      const { credentials } = wanted()
      const { name } = params
      const wasLinked = links.isLinked(name)
      const held = await credentials.revoke(name, `${caller.name} revoked its credential`)
      if (!held && !nodes.has(name)) throw new AppError('not_found', `there is no node ${name}`)
      if (!held)
        throw new AppError(
          'conflict',
          `node ${name} has no credential that holds: there is nothing to revoke`,
        )
      log.warn({ node: name, by: caller.name }, 'The credential of a node was revoked')
      return { revoked: name, wasLinked }
    },
    getAuthority: async () => state(),
    rotateAuthority: async () => {
      const { authority, tls } = wanted()
      await authority.rotate(clock.now())
      await tls.renew()
      links.renewAll()
      return state()
    },
    finishAuthority: async ({ body }) => {
      const { authority, tls } = wanted()
      const behind = authority.next === null ? [] : state().nodes.behind
      if (behind.length > 0 && body.force !== true)
        throw new AppError(
          'conflict',
          `cannot finish: ${behind.length === 1 ? 'node' : 'nodes'} ${listed(behind)} would be cut off, as they have no certificate of the new authority yet`,
          {
            details: {
              fix: 'Nodes that are linked get one by themselves: wait, or say --force and have them join again.',
            },
          },
        )
      await authority.finish()
      await tls.renew()
      links.endUntrusted(authority.current.fingerprint)
      return state()
    },
  }
}

/** Has a node's certificate, if it has one, hold no more. */
export async function forgetCredential(pki: Pki | null, node: string, by: string): Promise<void> {
  await pki?.credentials.revoke(node, `${by} removed it`)
}

function stateOf({ authority, credentials, tls }: Pki): AuthorityState {
  const live = credentials.live()
  const { fingerprint } = authority.newest
  return {
    current: viewOf(authority.current),
    next: authority.next === null ? null : viewOf(authority.next),
    hostCertificate: { expiresAt: instant(tls.expiresAtMs), names: tls.shownNames },
    nodes: {
      joined: live.length,
      behind: live.filter((record) => record.authority !== fingerprint).map(({ node }) => node),
    },
    ca: authority.bundle,
  }
}

function viewOf({ fingerprint, parsed }: AuthorityRecord): AuthorityState['current'] {
  return {
    fingerprint,
    createdAt: instant(Date.parse(parsed.validFrom)),
    expiresAt: instant(Date.parse(parsed.validTo)),
  }
}

function listed(names: readonly string[]): string {
  const [first = '', ...rest] = names.slice(0, 6)
  const more = names.length > 6 ? ' …' : ''
  return `${[first, ...rest].join(', ')}${more}`
}
