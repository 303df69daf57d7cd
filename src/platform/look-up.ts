/** Looks a machine's name up without keeping this process when nobody answers. */
import { lookup } from 'node:dns/promises'
import { networkReason } from './network-reason.ts'
import { runBriefly } from './run-briefly.ts'
import { withDeadline } from './wait.ts'

/**
 * The addresses of a name, in the order of the system (getent(1), and Node's own lookup where there is none): in a
 * process of its own, because Node waits at its end for a lookup that hangs.
 */
export async function lookUp(
  name: string,
  deadlineMs: number,
): Promise<{ addresses: string[]; why: string | null }> {
  const ran = await runBriefly(['getent', 'ahosts', name], deadlineMs)
  if (ran.startError !== null) return byNode(name, deadlineMs)
  if (ran.isLate) {
    return {
      addresses: [],
      why: `looking the name ${name} up took longer than ${deadlineMs / 1000} s`,
    }
  }
  const addresses = [...new Set(ran.stdout.split('\n').flatMap((line) => line.split(/\s+/)[0] || []))]
  if (addresses.length === 0) return { addresses, why: `there is no machine of the name ${name}` }
  return { addresses, why: null }
}

async function byNode(
  name: string,
  deadlineMs: number,
): Promise<{ addresses: string[]; why: string | null }> {
  try {
    const found = await withDeadline(lookup(name, { all: true }), deadlineMs, `looking the name ${name} up`)
    return { addresses: found.map(({ address }) => address), why: null }
  } catch (error) {
    return { addresses: [], why: error instanceof Error ? networkReason(error) : String(error) }
  }
}
