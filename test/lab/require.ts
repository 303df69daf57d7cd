/** Tests that need the lab: run where it can be had, reported as not run with the reason elsewhere, red in CI. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'vitest'

const here = fileURLToPath(new URL('.', import.meta.url))
const install = 'run sh test/lab/install.sh'

let known: string | null | undefined

/** Why the lab cannot be had here, and the cure, in one sentence; null where it can be had. */
export function labProblem(): string | null {
  if (known === undefined) known = findProblem()
  return known
}

function findProblem(): string | null {
  if (process.platform !== 'linux') return 'it needs Linux: run the tests there'
  if (process.getuid?.() !== 0) return 'it needs root: run the tests as root'
  for (const command of ['bash', 'ip', 'unshare', 'nsenter', 'setpriv']) {
    if (!succeeds(`command -v ${command}`)) return `this computer has no ${command}: ${install}`
  }
  if (!succeeds('unshare --mount --uts --ipc --net --pid --cgroup --fork true'))
    return 'this computer gives no new namespaces: run the tests outside an unprivileged container'
  if (!succeeds('. ./base.sh; test -d "$(base_dir .)"')) return `its base is missing: ${install}`
  return null
}

function succeeds(command: string): boolean {
  try {
    // where an administrator's programs are is not in everyone's PATH
    const PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`
    execFileSync('sh', ['-c', command], { cwd: here, stdio: 'ignore', env: { ...process.env, PATH } })
    return true
  } catch {
    return false
  }
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
    describe.skip(`${name} (not run, the lab cannot be had: ${problem})`, body)
  }
}
