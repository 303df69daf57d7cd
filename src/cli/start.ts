/** `hakuriver` as it is started: what V8 made of the program is kept for the next time, a tenth of every start. */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

const { XDG_CACHE_HOME, HOME } = process.env
const caches = XDG_CACHE_HOME || (HOME ? join(HOME, '.cache') : null)
// never in a directory that others can write to: what is in it is run
if (caches !== null) enableCompileCache(join(caches, 'hakuriver'))

void import('./main.ts')
