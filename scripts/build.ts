/** Bundles each program below dist/, so that it starts about as fast as bare Node; and the web page to dist/web. */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type BuildOptions, build, type Plugin } from 'esbuild'
import { build as buildWeb } from 'vite'
import { compressWeb } from './compress-web.ts'
import { commandPages } from './docs/command-pages.ts'
import { manPages } from './docs/man.ts'
import { packagesOf, sbomText } from './sbom.ts'

const programs = {
  cli: 'src/cli/main.ts',
  host: 'src/host/main.ts',
  runner: 'src/runner/main.ts',
  'cut-log': 'src/runner/cut-log.ts',
  launcher: 'src/runner/launcher/main.ts',
  hakurun: 'src/hakurun/main.ts',
}
const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }

/** Commander wants child_process for subcommands in files of their own. We have none, and loading it takes time. */
const withoutUnused: Plugin = {
  name: 'without-unused',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      importer.includes('/commander/') ? { path: 'nothing', namespace: 'unused' } : null,
    )
    onLoad({ filter: /.*/, namespace: 'unused' }, () => ({ contents: 'module.exports = {}' }))
  },
}

/** What `hakuriver` loads after its first lines stays a file of its own: only such a one comes out of the cache. */
const ownFile: Plugin = {
  name: 'own-file',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/main\.ts$/ }, ({ importer }) =>
      importer.endsWith('/src/cli/start.ts') ? { path: './cli.cjs', external: true } : null,
    )
  },
}

/** Certificates are made by few: the library for them stays out of what everybody loads. */
const ownLibrary: Plugin = {
  name: 'own-library',
  setup({ onResolve }) {
    onResolve({ filter: /\/x509\.ts$/ }, ({ kind }) =>
      kind === 'entry-point' ? null : { path: './x509.cjs', external: true },
    )
  },
}

await rm('dist', { recursive: true, force: true })
const common = {
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  // not the identifiers: names in the stack of a failure are worth more than a few bytes
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  banner: { js: '#!/usr/bin/env node' },
  metafile: true,
  define: { HAKURIVER_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
} satisfies BuildOptions

const main = await build({ ...common, entryPoints: programs, plugins: [withoutUnused, ownLibrary] })
const library = await build({ ...common, entryPoints: { x509: 'src/platform/x509.ts' }, banner: {} })
// `require` where it says `import`: the loader of modules would cost what the cache saves
const plain = { 'dynamic-import': false }
const first = await build({
  ...common,
  entryPoints: { hakuriver: 'src/cli/start.ts' },
  plugins: [ownFile],
  supported: plain,
})
// the completion scripts lie beside the program, as they lie beside its source
await cp('src/cli/completions', 'dist/completions', { recursive: true })

const web = await buildWeb({ configFile: 'web/vite.config.ts', logLevel: 'warn' })
await compressWeb('dist/web')

const modules = [web]
  .flat()
  .flatMap((each) =>
    'output' in each
      ? each.output.flatMap((file) => ('moduleIds' in file ? file.moduleIds : file.originalFileNames))
      : [],
  )
const inputs = [main, library, first].flatMap(({ metafile }) => Object.keys(metafile.inputs))
await writeFile(
  'dist/sbom.cdx.json',
  sbomText('hakuriver', packagesOf([...inputs, ...modules.map((file) => resolve('web', file))])),
)

await mkdir('dist/man')
// the same sources make the same pages, whenever (reproducible-builds.org/specs/source-date-epoch)
const epoch = process.env.SOURCE_DATE_EPOCH
const day = new Date(epoch === undefined ? Date.now() : Number(epoch) * 1_000).toISOString().slice(0, 10)
for (const [name, page] of manPages(commandPages(), version, day)) await writeFile(`dist/man/${name}`, page)
