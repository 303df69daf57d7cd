/** Judges package-lock.json: what may not be in it, whoever wrote it. Pure. */

interface Entry {
  resolved?: string
  integrity?: string
  link?: boolean
  hasInstallScript?: boolean
  dev?: boolean
  devOptional?: boolean
}

export interface LockFile {
  lockfileVersion: number
  packages: Record<string, Entry>
}

/** Install scripts of tools that work without theirs: `npm ci --ignore-scripts` builds and tests all. */
const harmless = ['esbuild', 'vue-demi']

/** What is wrong with it, in one line each. */
export function problemsOf({ packages }: LockFile): string[] {
  return Object.entries(packages).flatMap(([path, entry]) => {
    if (path === '') return []
    const name = path.replace(/^.*node_modules\//, '')
    const isShipped = entry.dev !== true && entry.devOptional !== true
    const problems: string[] = []
    // it would name whichever mirror somebody has installed from
    if (entry.resolved !== undefined)
      problems.push(`${name} names where it was fetched from: ${entry.resolved}`)
    if (entry.integrity === undefined && entry.link !== true)
      problems.push(`${name} has no checksum: nobody would notice another one in its place`)
    if (entry.hasInstallScript === true && (isShipped || !harmless.includes(name)))
      problems.push(`${name} runs a script when it is installed: look at it, and do without`)
    return problems
  })
}
