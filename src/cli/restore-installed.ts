/**
 * `hakuriver restore` for the host that is installed for the whole machine. Its program runs as its own user, in whose
 * directory root must write nothing: a link there could lead anywhere. What root can read is handed to it as a copy.
 */
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, constants, copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { processIo } from '../platform/io.ts'
import { installedService } from './installed-service.ts'
import { ownFile, programFile } from './sibling.ts'

/** @returns the exit code of the host's program; null: no such host is meant, or no backup was named */
export async function restoreInstalled(words: readonly string[]): Promise<number | null> {
  const [file = '', ...rest] = words
  const installed = await installedService('host', { io: processIo(process), configFile: null })
  if (installed === null || installed.as === null || file.startsWith('-') || rest.length > 0) return null
  if (!existsSync(file)) return null
  const { home, configFile, as } = installed
  const dir = mkdtempSync(join(tmpdir(), 'hakuriver-restore-'))
  try {
    const copy = join(dir, basename(file))
    copyFileSync(file, copy, constants.COPYFILE_EXCL)
    chmodSync(copy, 0o400)
    chownSync(copy, as.uid, as.gid)
    chmodSync(dir, 0o711)
    const config = configFile === null ? [] : ['--config', configFile]
    const command = [programFile('host', ownFile()), '--restore', copy, ...config]
    const env = { ...process.env, HAKURIVER_HOME: home }
    const child = spawn(process.execPath, command, { stdio: 'inherit', cwd: '/', env, ...as })
    return await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => resolve(code ?? 1))
    })
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
