/** A short time of chaos, by the same seed each time. */
import { expect, it } from 'vitest'
import { describeInLab } from '../lab/require.ts'
import { runChaos } from './chaos.ts'

describeInLab('chaos on systemd machines', () => {
  it('breaks no promise', { timeout: 400_000 }, async () => {
    const struck: string[] = []
    const { findings, tasks } = await runChaos({ ms: 40_000, seed: 4, tell: (line) => struck.push(line) })
    expect(findings, struck.join('\n')).toEqual([])
    expect(tasks).toBeGreaterThan(50)
  })
})
