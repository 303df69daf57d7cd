/** Who this process is. */
import { userInfo } from 'node:os'

/** Name of the user of this process; its number where the machine has no name for it. */
export function ownUserName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'unknown')
  }
}
