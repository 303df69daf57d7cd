/** `hakuriver init`: writes the configuration file, with comments that explain each key. */
import { mkdir, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { AppError, exitCodes } from '../../core/errors.ts'
import { shellQuote } from '../../core/text.ts'
import { configPath } from '../../platform/config.ts'
import { configText } from '../../platform/config-text.ts'
import { isErrno, makePrivateDir } from '../../platform/files.ts'
import type { Context } from '../context.ts'

export interface InitOptions {
  force: boolean
}

/** Writes it where it is not there yet, and says what comes next. */
export async function init(options: InitOptions, context: Context): Promise<number> {
  const { io, home } = context
  const { path, isNamed } = configPath(context.configFile, { ...io.env, HAKURIVER_HOME: home })
  if (isNamed) await mkdir(dirname(path), { recursive: true })
  else await makePrivateDir(home)
  await write(path, options.force)
  if (context.json) {
    await context.printJson({ path })
    return exitCodes.ok
  }
  const named = isNamed ? ` --config ${shellQuote(path)}` : ''
  await context.print([
    `Wrote ${path}: every key is in it with what it is for, and none is set.`,
    'A cluster of this machine alone needs none:  hakuriver up',
    `For several machines, set host_bind_ip to "0.0.0.0" and host_reachable_address to a name of this one (${hostname()}?), and then`,
    `  hakuriver.host${named}                       here`,
    `  hakuriver.runner${named}                     on every machine that is to run tasks`,
    `  hakuriver init service --host --install${named}   and --runner, to start them at boot`,
    `  hakuriver doctor${named}                     to see whether all is well`,
  ])
  return exitCodes.ok
}

async function write(path: string, isForced: boolean): Promise<void> {
  try {
    await writeFile(path, configText(), { flag: isForced ? 'w' : 'wx', mode: 0o644 })
  } catch (error) {
    if (isErrno(error, 'EEXIST')) {
      throw new AppError('conflict', `${path} is there already, and was left as it is`, {
        details: { fix: 'Edit it, name another by --config, or write it anew with --force.' },
      })
    }
    throw new AppError('not_permitted', `cannot write ${path}: ${String(error)}`)
  }
}
