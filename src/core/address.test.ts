import { expect, it } from 'vitest'
import { isLoopback } from './address.ts'

it('tells addresses of this machine alone from all others', () => {
  for (const own of [
    '127.0.0.1',
    '127.0.0.2',
    '127.255.255.255',
    'localhost',
    'LOCALHOST',
    '::1',
    '[::1]',
    '::ffff:127.0.0.1',
  ])
    expect([own, isLoopback(own)]).toEqual([own, true])
  for (const other of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    '127.0.0.1.evil.example',
    '127.evil.example',
    'localhost.evil.example',
    '::11',
    '',
    '127.1',
  ])
    expect([other, isLoopback(other)]).toEqual([other, false])
})
