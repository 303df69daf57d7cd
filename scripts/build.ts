/** Bundles each program to one file below dist/, so that it starts about as fast as bare Node. */
import { rm } from 'node:fs/promises'
import { build } from 'esbuild'

const programs = { hakuriver: 'src/cli/main.ts', host: 'src/host/main.ts', runner: 'src/runner/main.ts' }

await rm('dist', { recursive: true, force: true })
await build({
  entryPoints: Object.fromEntries(Object.entries(programs).map(([name, path]) => [name, path])),
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
  logLevel: 'warning',
})
