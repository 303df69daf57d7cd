import { expect, it } from 'vitest'
import { runBriefly } from './run-briefly.ts'

it('tells code and output', async () => {
  expect(await runBriefly(['sh', '-c', 'echo out; echo err >&2; exit 3'], 5_000)).toEqual({
    code: 3,
    stdout: 'out\n',
    stderr: 'err\n',
    isLate: false,
    startError: null,
  })
})

it('tells that there is no such program', async () => {
  expect(await runBriefly(['/no/such/program'], 5_000)).toMatchObject({ code: null, startError: 'ENOENT' })
})

it('does not wait for one that does not end, nor for its children', async () => {
  const beginMs = performance.now()
  const ran = await runBriefly(['sh', '-c', 'echo begun; sleep 5 & sleep 5'], 300)
  expect(ran).toMatchObject({ isLate: true, code: null, stdout: 'begun\n' })
  expect(performance.now() - beginMs).toBeLessThan(3_000)
})
