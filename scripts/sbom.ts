/**
 * The list of what is in `dist` of others (CycloneDX 1.5, from `npm sbom`): what the bundles and the page are made of,
 * whichever kind of dependency it is here. The same build makes the same list: no time, no serial number, no path.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

interface Component {
  'bom-ref': string
  name: string
  purl: string
}

/** As far as it is looked into. */
export interface Bom {
  serialNumber?: string
  metadata: { timestamp?: string; tools?: unknown; component: Component }
  components: Component[]
  dependencies: { ref: string; dependsOn: string[] }[]
}

/** Packages by `name@version` from the paths of files in them. */
export function packagesOf(files: Iterable<string>): Set<string> {
  const dirs = new Set<string>()
  for (const file of files) {
    const match = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file.replace(/[?\0].*$/s, ''))
    if (match !== null) dirs.add(match[0])
  }
  const named = [...dirs].map((dir) => {
    const { name, version } = JSON.parse(readFileSync(`${dir}/package.json`, 'utf8')) as Record<
      string,
      string
    >
    return `${name}@${version}`
  })
  return new Set(named)
}

/** The part of a list that is about these packages, without what differs from build to build. */
export function bomOf(all: Bom, name: string, packages: ReadonlySet<string>): Bom {
  const root = all.metadata.component['bom-ref']
  const isIn = (ref: string) => packages.has(ref)
  const { serialNumber: _, metadata, ...rest } = all
  const { timestamp: __, tools: ___, ...kept } = metadata
  const known = new Set(all.components.map((component) => component['bom-ref']))
  const missing = [...packages].filter((each) => !known.has(each))
  if (missing.length > 0) throw new Error(`the list of packages lacks ${missing.join(', ')}`)
  return {
    ...rest,
    metadata: { ...kept, component: { ...metadata.component, name } },
    components: all.components.filter((component) => isIn(component['bom-ref'])),
    dependencies: all.dependencies
      .filter(({ ref }) => ref === root || isIn(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter(isIn) })),
  }
}

/** The text of `sbom.cdx.json`, by the lock file alone. Also tools are listed: the page is made of some of them. */
export function sbomText(name: string, packages: ReadonlySet<string>): string {
  const words = [
    'sbom',
    '--sbom-format',
    'cyclonedx',
    '--package-lock-only',
    '--include=dev',
    '--include=optional',
  ]
  const text = execFileSync('npm', words, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, NODE_ENV: 'development' },
  })
  const bom = bomOf(JSON.parse(text) as Bom, name, packages) // npm's own words
  return `${JSON.stringify(bom, null, 2)}\n`
}
