/** Bundles each program to one file below dist/, so that it starts about as fast as bare Node. */
import { readFile, rm } from 'node:fs/promises'
import { build } from 'esbuild'

const programs = { hakuriver: 'src/cli/main.ts', host: 'src/host/main.ts', runner: 'src/runner/main.ts' }
const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }

await rm('dist', { recursive: true, force: true })
await build({
  entryPoints: programs,
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  legalComments: 'linked',
  banner: { js: '#!/usr/bin/env node' },
  define: { HAKURIVER_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
})
