/**
 * Builds twice, in two places, in another time zone and language and with other rights for new files, and compares
 * each file: from the same sources comes the same `dist` (reproducible-builds.org).
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')

function build(dir: string, env: Record<string, string>, umask: number): Map<string, string> {
  const before = process.umask(umask)
  execFileSync(process.execPath, ['scripts/build.ts'], {
    cwd: dir,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  process.umask(before)
  const dist = join(dir, 'dist')
  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    files.map((file) => {
      const path = join(file.parentPath, file.name)
      return [path.slice(dist.length + 1), createHash('sha256').update(readFileSync(path)).digest('hex')]
    }),
  )
}

/** The sources as they are now, elsewhere. */
function copyOf(source: string, to: string): void {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: source,
  })
  for (const file of listed.toString().split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(to, file)), { recursive: true })
    cpSync(join(source, file), join(to, file))
  }
  // as in a real checkout: bundlers follow a link to where it points, and write that path down
  execFileSync('cp', ['-al', join(source, 'node_modules'), join(to, 'node_modules')])
}

mkdirSync(join(root, '.cache'), { recursive: true })
const dir = mkdtempSync(join(root, '.cache', 'build-'))
try {
  const copies = ['one', 'another/place'].map((name) => join(dir, name))
  for (const copy of copies) copyOf(root, copy)
  // as long ago as the sources say, also where there is no git
  const date = execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }).trim()
  const epoch = { SOURCE_DATE_EPOCH: process.env.SOURCE_DATE_EPOCH ?? date }
  const [one, other] = [
    build(copies[0] ?? '', { ...epoch, TZ: 'UTC', LANG: 'C' }, 0o022),
    build(copies[1] ?? '', { ...epoch, TZ: 'Pacific/Kiritimati', LANG: 'tr_TR.UTF-8' }, 0o077),
  ]
  const differing = [...new Set([...one.keys(), ...other.keys()])].filter(
    (file) => one.get(file) !== other.get(file),
  )
  for (const file of differing) process.stdout.write(`differs: ${file}\n`)
  process.stdout.write(`${one.size} files, ${differing.length} of them differ between two builds\n`)
  process.exitCode = differing.length === 0 ? 0 : 1
} finally {
  rmSync(dir, { recursive: true, force: true })
}
