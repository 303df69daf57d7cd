/** Writes the compressed forms of the web page beside its files; the host serves them as they are. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

/** What is not compressed already. */
const kinds = ['.html', '.js', '.css', '.svg', '.json', '.webmanifest', '.txt']
const brotli = promisify(brotliCompress)
const zip = promisify(gzip)

/** Writes `.br` and `.gz` beside each file of the directory that gets smaller by it. */
export async function compressWeb(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !kinds.includes(extname(entry.name))) continue
    const path = join(entry.parentPath, entry.name)
    const plain = await readFile(path)
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
    }
    const forms = { '.br': await brotli(plain, { params }), '.gz': await zip(plain, { level: 9 }) }
    for (const [suffix, packed] of Object.entries(forms))
      if (packed.length < plain.length) await writeFile(path + suffix, packed)
  }
}
