import { describe, expect, it } from 'vitest'
import { taskOf } from '../api/builders.suite.ts'
import { outcomeWords } from './outcome.ts'

const words = (given: Partial<Parameters<typeof taskOf>[0]>) => outcomeWords(taskOf({ id: '1', ...given }))

describe('how a task ended', () => {
  it('is said by code, signal, limit or reason', () => {
    expect(words({ status: 'failed', exitCode: 3 })).toBe('exit code 3')
    expect(words({ status: 'failed', signal: 'SIGSEGV', reason: 'ended by SIGSEGV' })).toBe(
      'ended by SIGSEGV',
    )
    expect(words({ status: 'failed', reason: 'cannot be started: no such file' })).toBe(
      'failed: cannot be started: no such file',
    )
    expect(words({ status: 'killed_oom', memoryBytes: 8 * 1024 ** 3 })).toBe('out of memory, with 8 GiB')
    expect(words({ status: 'timed_out', timeoutMs: 300_000 })).toBe('timed out after 5 m')
    expect(words({ status: 'lost', reason: 'its node was removed' })).toBe('lost: its node was removed')
    expect(words({ status: 'completed' })).toBe('completed')
  })

  it('draws nothing on the page', () => {
    expect(words({ status: 'killed', reason: 'a\u202eb\n' })).toBe('killed: a\\x202eb\\n')
  })
})
