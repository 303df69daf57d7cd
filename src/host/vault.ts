/**
 * Seals the secrets of tasks for the database (AES-256-GCM, NIST SP 800-38D), by a key that lies outside of it: a file
 * of mode 0600 in the state directory, one key a line, the last one for what is sealed from now on. A backup holds what
 * is sealed and not the key.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import type { SealedRef } from '../core/task.ts'
import { readTextIfThere, writeFileAtomic } from '../platform/files.ts'
import type { Log } from '../platform/log.ts'

export const keyFile = 'secret-key'

/** First byte of what is sealed: how the rest is laid out. */
const layout = 1
const keyBytes = 32
/** Names the key, so that one of several is found. */
const keyIdBytes = 4
/** Of random nonces one key may have 2^32 before two of them are alike with a chance of 2^-32 (SP 800-38D, section 8.3). */
const nonceBytes = 12
const tagBytes = 16

interface Key {
  id: string
  key: Buffer
}

/** What is sealed together, and for whom. */
export interface Sealed {
  owner: string
  ref: SealedRef
}

export class Vault {
  private readonly path: string
  private readonly keys: readonly Key[]

  /** @param path where the keys come from, for people */
  constructor(path: string, keys: readonly Uint8Array[]) {
    this.path = path
    this.keys = keys.map((each) => ({ id: idOf(each), key: Buffer.from(each) }))
  }

  /**
   * Reads the keys, and makes the first where there is no file. A file that cannot be read is left as it is: what has
   * secrets cannot be started then, and all else goes on.
   * @param hasSealed does the database hold secrets already?
   */
  static async open(stateDir: string, hasSealed: boolean, log: Log): Promise<Vault> {
    const path = join(stateDir, keyFile)
    try {
      const text = await readTextIfThere(path)
      if (text === null) return await Vault.begin(path, hasSealed, log)
      chmodSync(path, 0o600)
      const keys = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
      return new Vault(path, keys.map(keyOf))
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      log.error(
        { path, error: why },
        'The key of the secrets cannot be read: tasks with secrets do not start',
      )
      return new Vault(path, [])
    }
  }

  private static async begin(path: string, hasSealed: boolean, log: Log): Promise<Vault> {
    const key = randomBytes(keyBytes)
    await writeFileAtomic(path, `${key.toString('base64url')}\n`, { mode: 0o600, sync: true })
    if (hasSealed)
      log.warn(
        { path },
        'The key of the secrets was gone: a new one was made, which does not open the old ones',
      )
    else log.info({ path }, 'Made the key of the secrets')
    return new Vault(path, [key])
  }

  /** @throws AppError `conflict` where there is no key */
  seal(what: Sealed, values: Readonly<Record<string, string>>): Uint8Array {
    const last = this.keys.at(-1)
    if (last === undefined)
      throw new AppError('conflict', `cannot take secrets: the host cannot read its key file ${this.path}`)
    const head = Buffer.concat([Buffer.from([layout]), Buffer.from(last.id, 'hex')])
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', last.key, nonce)
    cipher.setAAD(boundTo(head, what))
    const plain = Buffer.from(JSON.stringify(what.ref.names.map((name) => values[name] ?? '')))
    const data = Buffer.concat([head, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    plain.fill(0)
    return data
  }

  /** @throws AppError `unavailable` where no key here opens it, in words for the task's owner */
  open(what: Sealed, sealed: Uint8Array): Record<string, string> {
    const data = Buffer.from(sealed)
    const head = data.subarray(0, 1 + keyIdBytes)
    const found = this.keys.find(({ id }) => id === head.subarray(1).toString('hex'))
    if (found === undefined || head[0] !== layout)
      throw new AppError(
        'unavailable',
        `its secrets cannot be opened: the host's key file ${keyFile} is not the one with which they were sealed; put that one back, or submit it again`,
      )
    try {
      const nonceEnd = head.length + nonceBytes
      const decipher = createDecipheriv('aes-256-gcm', found.key, data.subarray(head.length, nonceEnd), {
        authTagLength: tagBytes,
      })
      decipher.setAAD(boundTo(head, what))
      decipher.setAuthTag(data.subarray(-tagBytes))
      const plain = Buffer.concat([decipher.update(data.subarray(nonceEnd, -tagBytes)), decipher.final()])
      const values = JSON.parse(plain.toString()) as string[] // written by `seal`, and nobody else has the key
      plain.fill(0)
      return Object.fromEntries(what.ref.names.map((name, at) => [name, values[at] ?? '']))
    } catch {
      // the cause is not told: it may hold a part of what was opened
      throw new AppError(
        'unavailable',
        'its secrets cannot be opened: they were changed in the database, or belong to another task; submit it again',
      )
    }
  }
}

/** What is sealed is of no use for another owner, batch or set of names. */
function boundTo(head: Buffer, { owner, ref }: Sealed): Buffer {
  return Buffer.concat([head, Buffer.from(JSON.stringify([owner, ref.batchId, ref.set, ref.names]))])
}

function keyOf(line: string): Buffer {
  const key = Buffer.from(line.trim(), 'base64url')
  if (!/^[A-Za-z0-9_-]{43}$/.test(line.trim()) || key.length !== keyBytes)
    throw new Error('a line of it is no key: each is 43 characters of base64url')
  return key
}

/** Tells keys apart and nothing of them: they are 256 random bits. */
function idOf(key: Uint8Array): string {
  const hash = createHash('sha256').update('hakuriver secret key id').update(key)
  return hash.digest('hex').slice(0, 2 * keyIdBytes)
}
