import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { currentJoinToken, loadRunnerConfig } from './config.ts'

function temporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'hakuriver-runner-config-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  return home
}

test('the token of a host that is started after its runner is found as soon as it is written', () => {
  const home = temporaryHome()
  const config = loadRunnerConfig({ argv: [], env: { HAKURIVER_HOME: home } })
  expect([config.joinToken, currentJoinToken(config)]).toEqual([null, null])
  writeFileSync(join(home, 'join-token'), 'one\n')
  expect(currentJoinToken(config)).toBe('one')
  rmSync(join(home, 'join-token'))
  expect(currentJoinToken(config)).toBeNull()
})

test('a token that was given itself stays, and a file that was named has to be there', () => {
  const home = temporaryHome()
  writeFileSync(join(home, 'join-token'), 'of the file')
  const env = { HAKURIVER_HOME: home, HAKURIVER_JOIN_TOKEN: 'given' }
  expect(currentJoinToken(loadRunnerConfig({ argv: [], env }))).toBe('given')
  const argv = ['--join-token-file', join(home, 'none')]
  expect(() => loadRunnerConfig({ argv, env: { HAKURIVER_HOME: home } })).toThrow(
    'cannot read the join token',
  )
})

test('the host is where the configuration has it', () => {
  const env = { HAKURIVER_HOME: temporaryHome() }
  const urlWith = (more: Record<string, string>) =>
    loadRunnerConfig({ argv: [], env: { ...env, ...more } }).hostUrl
  expect(urlWith({})).toBe('http://127.0.0.1:8000')
  expect(urlWith({ HAKURIVER_HOST_PORT: '81' })).toBe('http://127.0.0.1:81')
  expect(urlWith({ HAKURIVER_HOST_REACHABLE_ADDRESS: 'fd00::1' })).toBe('https://[fd00::1]:8000')
  expect(urlWith({ HAKURIVER_HOST_REACHABLE_ADDRESS: 'fd00::1', HAKURIVER_TLS: 'off' })).toBe(
    'http://[fd00::1]:8000',
  )
  expect(urlWith({ HAKURIVER_HOST_REACHABLE_ADDRESS: 'https://h:1' })).toBe('https://h:1')
  expect(urlWith({ HAKURIVER_HOST_BIND_IP: '0.0.0.0' })).toBe('https://127.0.0.1:8000')
  expect(urlWith({ HAKURIVER_TLS: 'on' })).toBe('https://127.0.0.1:8000')
  expect(urlWith({ HAKURIVER_HOST_URL: 'http://h:1' })).toBe('http://h:1')
})
