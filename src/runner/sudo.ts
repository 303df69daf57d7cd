/** What this user may do through sudo. */
import { runBriefly } from '../platform/run-briefly.ts'

const programs = ['systemd-run', 'systemctl'] as const
const deadlineMs = 5_000

/**
 * Why this user cannot start units through sudo without a password; null: it can. Tried, as no listing of rights
 * tells it for sure.
 */
export async function sudoProblem(): Promise<string | null> {
  for (const program of programs) {
    const ran = await runBriefly(['sudo', '-n', program, '--version'], deadlineMs)
    if (ran.code === 0) continue
    if (ran.startError !== null) return 'there is no sudo here'
    if (ran.isLate) return `sudo ${program} took longer than ${deadlineMs / 1000} s`
    const said = ran.stderr.trim().split('\n').at(-1) ?? ''
    return `sudo ${program} is refused: ${said.replace(/^sudo: /, '')}`
  }
  return null
}

/** Words before a command that run it as a user through sudo and systemd, as tasks are run. */
export function becomeBySudo(user: string): string[] {
  const how = ['--quiet', '--pipe', '--wait', '--collect', '--service-type=exec']
  return ['sudo', '-n', 'systemd-run', ...how, `--property=User=${user}`, '--']
}
