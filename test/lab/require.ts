/** Tests that need the lab: run where it can be had, reported as not run with the reason elsewhere, red in CI. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'vitest'

const here = fileURLToPath(new URL('.', import.meta.url))

/** Why the lab cannot be had here, and the cure; null where it can. */
export function labProblem(): string | null {
  if (process.platform !== 'linux') return 'it needs Linux'
  if (process.getuid?.() !== 0) return 'it needs root: run npm test as root'
  const failing = (command: string) => {
    try {
      execFileSync('bash', ['-c', command], { cwd: here, stdio: 'ignore' })
      return false
    } catch {
      return true
    }
  }
  if (failing('unshare --mount --uts --ipc --net --pid --cgroup --fork true')) {
    return 'this computer gives no new namespaces: run it outside an unprivileged container'
  }
  if (failing('. ./base.sh && test -e "$lab_base/.complete"'))
    return 'its base is missing: run sh test/lab/install.sh'
  return null
}

/** `describe` for tests on real systemd machines. */
export function describeInLab(name: string, body: () => void): void {
  const problem = labProblem()
  if (problem === null) {
    describe(name, body)
  } else if (process.env.CI) {
    describe(name, () => {
      it('has a lab of systemd machines', () => {
        throw new Error(`the lab cannot be had: ${problem}`)
      })
    })
  } else {
    describe.skip(`${name} (not run: ${problem})`, body)
  }
}
