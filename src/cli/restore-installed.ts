/** `hakuriver restore` as root means the host that is installed for the whole machine, where there is one. */
import { processIo } from '../platform/io.ts'
import { installedService } from './installed-service.ts'

/** The words for the host's program, whose environment is set too; it goes on as the user of that host. */
export async function restoreWords(words: readonly string[]): Promise<string[]> {
  const [, ...rest] = words
  const own = ['--restore', ...words]
  const installed = await installedService('host', { io: processIo(process), configFile: null })
  if (installed === null || rest.length > 0) return own
  process.env.HAKURIVER_HOME = installed.home
  return installed.configFile === null ? own : [...own, '--config', installed.configFile]
}
