/** Tests that need programs which not every computer has. */
import { spawnSync } from 'node:child_process'
import { it } from 'vitest'

/** `it` where the programs are there; reported as not run elsewhere, red in CI. */
export function itWith(commands: string[]): typeof it | typeof it.skip {
  const missing = commands.filter((command) => spawnSync('sh', ['-c', `command -v ${command}`]).status !== 0)
  if (missing.length === 0) return it
  if (process.env.CI) throw new Error(`not installed: ${missing.join(', ')}; run sh test/lab/install.sh`)
  return it.skip
}
