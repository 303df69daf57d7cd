import { expect, it } from 'vitest'
import type { SessionView } from '../../../src/protocol/schemas.ts'
import { actorOf } from './rights.ts'

const session: SessionView = { name: null, role: null, isOpen: false, expiresAt: null, version: '0' }

it('knows who is here', () => {
  expect(actorOf(undefined)).toBeNull()
  expect(actorOf(session)).toBeNull()
  expect(actorOf({ ...session, name: 'ann', role: 'viewer' })).toEqual({ name: 'ann', role: 'viewer' })
})

it('takes everybody for the admin where the host asks for no tokens', () => {
  expect(actorOf({ ...session, isOpen: true })).toEqual({ name: 'admin', role: 'admin' })
  expect(actorOf({ ...session, isOpen: true, name: 'admin', role: 'admin' })).toEqual({
    name: 'admin',
    role: 'admin',
  })
})
