/** `hakuriver init`: writes the configuration file, with comments that explain each key. */
import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { AppError, exitCodes } from '../../core/errors.ts'
import { shellQuote } from '../../core/text.ts'
import { configPath } from '../../platform/config.ts'
import { configText } from '../../platform/config-text.ts'
import { isErrno, makePrivateDir, writeFileAtomic, writeFileNew } from '../../platform/files.ts'
import type { Context } from '../context.ts'
import { ownAddress } from '../own-address.ts'

export interface InitOptions {
  force: boolean
}

/** Tokens are never in it. */
const fileMode = 0o644

/** Writes it where it is not there yet, and says what comes next. */
export async function init(options: InitOptions, context: Context): Promise<number> {
  const { io, home } = context
  const { path, isNamed } = configPath(context.configFile, { ...io.env, HAKURIVER_HOME: home })
  const address = ownAddress()
  const text = configText({ 'network.host_reachable_address': address, 'runner.name': hostname() })
  await write(path, text, { isForced: options.force, isNamed })
  if (context.json) {
    await context.printJson({ path })
    return exitCodes.ok
  }
  const named = isNamed ? ` --config ${shellQuote(path)}` : ''
  await context.print([
    `Wrote ${path}: every key is in it with what it is for, and none is set.`,
    'A cluster of this machine alone needs none:',
    '  hakuriver up',
    'For several machines, set on that of the host:',
    '  host_bind_ip = "0.0.0.0"',
    `  host_reachable_address = "${address}"`,
    'Then',
    `  hakuriver init service --host --install --now${named}     on that of the host`,
    '  hakuriver join-token     there: what it prints is pasted on every machine that is to run tasks',
    `  hakuriver doctor${named}     to see whether all is well`,
  ])
  return exitCodes.ok
}

async function write(
  path: string,
  text: string,
  { isForced, isNamed }: { isForced: boolean; isNamed: boolean },
): Promise<void> {
  try {
    // only a directory of our own is private
    if (isNamed) await mkdir(dirname(path), { recursive: true })
    else await makePrivateDir(dirname(path))
    if (isForced) await writeFileAtomic(path, text, { mode: fileMode })
    else await writeFileNew(path, text, fileMode)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) {
      throw new AppError('conflict', `${path} is there already, and was left as it is`, {
        details: { fix: 'Edit it, name another by --config, or write it anew with --force.' },
      })
    }
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new AppError('not_permitted', `cannot write ${path} (${code})`, {
      details: { fix: 'Name a file by --config in a directory that you may write to.' },
    })
  }
}
