import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  credentialRefusal,
  isLive,
  isRenewalDue,
  type JoinToken,
  joinRefusal,
  type KnownNode,
  type NodeCredential,
} from './joining.ts'

const names = fc.constantFrom('n1', 'n2', 'n10', 'n')
const runners = fc.constantFrom('r1', 'r2', 'r3')
const times = fc.integer({ min: 0, max: 10 })
const tokens: fc.Arbitrary<JoinToken> = fc.record({
  node: fc.option(names),
  expiresAtMs: times,
  usedAtMs: fc.option(times),
})
const credentials: fc.Arbitrary<NodeCredential> = fc.record({
  nodeId: fc.uuid(),
  node: names,
  runnerId: runners,
  authority: fc.constant('a'),
  expiresAtMs: times,
  revokedAtMs: fc.option(times),
})
const nodes: fc.Arbitrary<KnownNode> = fc.record({ node: names, runnerId: runners })

describe('a join', () => {
  it('makes nobody a node whose name is taken, unless the invitation is for that very name', () => {
    fc.assert(
      fc.property(
        fc.record({ node: names, runnerId: runners }),
        fc.option(tokens),
        fc.array(credentials, { maxLength: 4 }),
        fc.array(nodes, { maxLength: 3 }),
        times,
        (request, token, held, known, nowMs) => {
          if (joinRefusal(request, token, held, known, nowMs) !== null) return
          expect(token).toMatchObject({ usedAtMs: null })
          expect(token?.expiresAtMs).toBeGreaterThan(nowMs)
          expect([null, request.node]).toContain(token?.node)
          const live = held.filter((credential) => isLive(credential, nowMs))
          const others = [...live, ...known]
          if (token?.node === null) expect(others.map(({ node }) => node)).not.toContain(request.node)
          // one machine, one node: its runner's id tells whose reports are whose
          const same = others.filter(({ runnerId }) => runnerId === request.runnerId)
          expect(same.every(({ node }) => node === request.node)).toBe(true)
        },
      ),
    )
  })

  it('goes where nothing is in the way', () => {
    const token = { node: null, expiresAtMs: 10, usedAtMs: null }
    const other = {
      nodeId: 'x',
      node: 'n1',
      runnerId: 'r1',
      authority: 'a',
      expiresAtMs: 10,
      revokedAtMs: null,
    }
    const request = { node: 'n2', runnerId: 'r2' }
    expect(joinRefusal(request, token, [other], [{ node: 'n1', runnerId: 'r1' }], 0)).toBeNull()
    const same = { node: 'n1', runnerId: 'r2' }
    expect(joinRefusal(same, { ...token, node: 'n1' }, [other], [], 0)).toBeNull()
    expect(joinRefusal(same, token, [{ ...other, revokedAtMs: 1 }], [], 2)).toBeNull()
    expect(joinRefusal(same, token, [other], [], 9)).toMatchObject({ code: 'conflict' })
    expect(joinRefusal(same, { ...token, expiresAtMs: 99 }, [other], [], 10)).toBeNull()
  })
})

describe('a certificate', () => {
  it('counts only with the credential of exactly its node and id', () => {
    fc.assert(
      fc.property(credentials, names, fc.uuid(), fc.boolean(), (credential, node, otherId, isOwn) => {
        const nodeId = isOwn ? credential.nodeId : otherId
        const refusal = credentialRefusal({ node, nodeId }, credential)
        const fits =
          nodeId === credential.nodeId && node === credential.node && credential.revokedAtMs === null
        expect(refusal === null).toBe(fits)
      }),
    )
    expect(credentialRefusal({ node: 'n1', nodeId: 'x' }, undefined)).not.toBeNull()
  })

  it('is renewed at two thirds of its life', () => {
    expect([59, 60, 90].map((day) => isRenewalDue(0, 90, day))).toEqual([false, true, true])
  })
})
