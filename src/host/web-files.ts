/**
 * The web page's files, as the build has left them: read once at the start, so that no path of a request ever becomes
 * one of this machine. Of what has compressed forms only those are kept.
 */
import { createHash } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, extname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { type Encoding, isAccepted } from './encoding.ts'

/** One way to send a file. */
interface Form {
  /** null: as it is. */
  encoding: Encoding | null
  body: Buffer
  /** Its entity tag (RFC 9110, section 8.8.3). */
  tag: string
}

export interface WebFile {
  type: string
  /** Its name changes with what it holds. */
  isImmutable: boolean
  /** The best first. */
  forms: Form[]
}

/** What is sent by the request's path. */
export type WebFiles = ReadonlyMap<string, WebFile>

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
}

const suffixes = { br: '.br', gzip: '.gz' } as const
const gunzipAsync = promisify(gunzip)

/** Where the build lies: `web` beside the host's bundle, `dist/web` of the repository from source. */
export function webDirOf(program: string): string {
  const own = realpathSync(program)
  return own.endsWith('.ts') ? join(dirname(own), '..', '..', 'dist', 'web') : join(dirname(own), 'web')
}

/** Reads what a build has left there, with the `.br` and `.gz` beside it. Without a build: nothing. */
export async function readWebFiles(dir: string): Promise<WebFiles> {
  const files = new Map<string, WebFile>()
  if (!existsSync(join(dir, 'index.html'))) return files
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  const isThere = new Set(paths)
  for (const path of paths) {
    const isForm = Object.values(suffixes).some(
      (suffix) => path.endsWith(suffix) && isThere.has(path.slice(0, -suffix.length)),
    )
    if (isForm) continue
    const url = `/${relative(dir, path)}`
    const plain = await readFile(path)
    const hash = createHash('sha256').update(plain).digest('base64url').slice(0, 22)
    const forms: Form[] = []
    for (const encoding of ['br', 'gzip'] as const) {
      const packed = path + suffixes[encoding]
      if (isThere.has(packed))
        forms.push({ encoding, body: await readFile(packed), tag: `"${hash}-${encoding}"` })
    }
    if (!forms.some(({ encoding }) => encoding === 'gzip'))
      forms.push({ encoding: null, body: plain, tag: `"${hash}"` })
    const type = types[extname(path)] ?? 'application/octet-stream'
    files.set(url, { type, isImmutable: url.startsWith('/assets/'), forms })
  }
  return files
}

/** The form for a client that takes these encodings: the best of them, else the file as it is. */
export async function formFor(file: WebFile, accepted: string | undefined): Promise<Form> {
  const form = file.forms.find(({ encoding }) => encoding === null || isAccepted(accepted, encoding))
  if (form !== undefined) return form
  const packed = file.forms.find(({ encoding }) => encoding === 'gzip')
  if (packed === undefined) throw new Error('a file is kept neither as it is nor by gzip')
  return { encoding: null, body: await gunzipAsync(packed.body), tag: packed.tag.replace('-gzip', '') }
}
