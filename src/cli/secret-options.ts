/** The secrets that a task is given by `--secret` and `--secret-file`. No message repeats a part of one. */
import { closeSync, openSync, readSync } from 'node:fs'
import { isVariableName, maxSecretBytes, maxSecretsBytes } from '../core/carry.ts'
import { AppError } from '../core/errors.ts'
import { printable } from '../core/text.ts'
import type { Io } from '../platform/io.ts'
import { linesOf } from './environment.ts'

type Secrets = Record<string, string>

export interface SecretOptions {
  secret: string[]
  secretFile: string[]
}

/**
 * Puts the secrets together: files first, then single ones, the later wins. A single one is `NAME` (this command's own
 * variable of that name), `NAME=@FILE`, `NAME=-` (standard input) or `NAME=value`; of files and standard input one line
 * feed at the end is left off.
 * @param visible told each name whose value stands on the command line, where others can see it
 * @throws AppError `invalid_request`
 */
export async function readSecrets(
  { secret, secretFile }: SecretOptions,
  io: Pick<Io, 'env' | 'readStdin'>,
  visible: (name: string) => Promise<void>,
): Promise<Secrets> {
  const found = secretFile.flatMap((path) => entriesOf(path, io.env))
  let usesStdin = false
  for (const entry of secret) {
    const [name = ''] = entry.split('=', 1)
    const value = entry.length > name.length ? entry.slice(name.length + 1) : null
    // nothing else tells that what stands before the = is not a part of the secret
    if (!isVariableName(name))
      throw value === '-' || value?.startsWith('@') ? badName(name) : noName('--secret')
    if (value === '-') {
      if (usesStdin) throw new AppError('invalid_request', 'only one secret can come from standard input')
      usesStdin = true
      found.push([name, textOf(await io.readStdin(maxSecretBytes + 2), `standard input (${name})`)])
    } else if (value?.startsWith('@')) {
      const path = value.slice(1)
      found.push([name, textOf(readAtMost(path, `--secret ${name}=@${path}`), path)])
    } else if (value !== null) {
      await visible(name)
      found.push([name, value])
    } else found.push([name, ownOf(name, '--secret', io.env)])
  }
  return Object.fromEntries(found)
}

/** The lines of a file, as those of `--env-file`: `NAME=value`, taken literally, or `NAME` alone. */
function entriesOf(path: string, own: Io['env']): [string, string][] {
  const text = decode(
    readAtMost(path, `--secret-file ${path}`, maxSecretsBytes * 2),
    path,
    maxSecretsBytes * 2,
  )
  return linesOf(text).map((line, at) => {
    const [name = ''] = line.split('=', 1)
    if (!isVariableName(name)) throw noName(`${path}, line ${at + 1} of those with something in them`)
    return [name, line.length > name.length ? line.slice(name.length + 1) : ownOf(name, path, own)]
  })
}

function ownOf(name: string, from: string, own: Io['env']): string {
  const value = own[name]
  if (value !== undefined) return value
  throw new AppError('invalid_request', `${name} (${from}) is not set here`, {
    details: { fix: `Export ${name} first, or write --secret ${name}=@FILE.` },
  })
}

/** What was written there in place of a name may be the secret itself. */
function noName(where: string): AppError {
  return new AppError('invalid_request', `a secret has no name that a variable can have (${where})`, {
    details: { fix: 'Write NAME=@FILE, NAME=- or NAME alone; in a file NAME=value lines.' },
  })
}

function badName(name: string): AppError {
  return new AppError(
    'invalid_request',
    `"${printable(name)}" cannot be the name of a variable (--secret): letters, digits and _, not beginning with a digit`,
  )
}

/** Without the line feed at its end. */
function textOf(bytes: Uint8Array, from: string): string {
  return decode(bytes, from, maxSecretBytes + 1).replace(/\r?\n$/, '')
}

function decode(bytes: Uint8Array, from: string, most: number): string {
  if (bytes.length > most)
    throw new AppError('invalid_request', `${from} holds more than the ${maxSecretBytes} bytes of a secret`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new AppError(
      'invalid_request',
      `${from} holds bytes that are no UTF-8 text: encode it, as in base64`,
    )
  }
}

/** Also of a pipe, such as that of `<(…)`. */
function readAtMost(path: string, option: string, most = maxSecretBytes + 1): Uint8Array {
  try {
    const file = openSync(path, 'r')
    try {
      const bytes = Buffer.alloc(most + 1)
      let length = 0
      for (let got = -1; got !== 0 && length < bytes.length; length += got)
        got = readSync(file, bytes, length, bytes.length - length, null)
      return bytes.subarray(0, length)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed'
    if (code === 'ENOENT') throw new AppError('invalid_request', `there is no file ${path} (${option})`)
    throw new AppError('invalid_request', `cannot read the secret in ${path} (${code})`)
  }
}
