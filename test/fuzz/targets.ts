import { httpTarget } from './http.ts'
import { linkTarget } from './link.ts'
import { parserTarget } from './parsers.ts'
import { runnerTarget } from './runner.ts'
import type { FuzzTarget } from './target.ts'

/** All that is fuzzed. */
export const targets: readonly FuzzTarget[] = [httpTarget, linkTarget, runnerTarget, parserTarget]
