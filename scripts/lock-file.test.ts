import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { type LockFile, problemsOf } from './lock-file.ts'

it.each(['package-lock.json', 'tools/node/package-lock.json'])(
  '%s names no registry, and runs nothing of others',
  (path) => {
    const lock = JSON.parse(readFileSync(path, 'utf8')) as LockFile
    expect(Object.keys(lock.packages).length).toBeGreaterThan(1)
    expect(problemsOf(lock)).toEqual([])
  },
)

it('of what is wrong is told', () => {
  const integrity = 'sha512-x'
  const packages = {
    '': {},
    'node_modules/good': { integrity },
    'node_modules/from': { integrity, resolved: 'https://mirror.example/from.tgz' },
    'node_modules/any': {},
    'node_modules/ran': { integrity, hasInstallScript: true },
    'node_modules/tool': { integrity, hasInstallScript: true, dev: true },
    'node_modules/esbuild': { integrity, hasInstallScript: true, dev: true },
    'node_modules/good/node_modules/esbuild': { integrity, hasInstallScript: true },
  }
  expect(problemsOf({ lockfileVersion: 3, packages }).map((line) => line.split(':')[0])).toEqual([
    'from names where it was fetched from',
    'any has no checksum',
    'ran runs a script when it is installed',
    'tool runs a script when it is installed',
    'esbuild runs a script when it is installed',
  ])
})
