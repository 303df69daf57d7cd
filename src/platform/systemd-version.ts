/** Which systemd runs here. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Major version of systemd's programs; 0 where they do not tell. @throws where there is no systemctl */
export async function systemdVersion(): Promise<number> {
  const { stdout } = await run('systemctl', ['--version'], { timeout: 5_000 })
  return Number(/^systemd (\d+)/.exec(stdout)?.[1] ?? 0)
}
