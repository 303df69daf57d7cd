/**
 * Loaded into a program before its own code (`NODE_OPTIONS=--require`): its wall clock is so many milliseconds beside
 * the machine's as the file CLOCK_FILE says at the moment, and so are the times of files. Timers and the monotonic clock stay what they are.
 */
const fs = require('node:fs')

const { now } = Date
const { readFileSync, statSync } = fs
const offset = () => Number(readFileSync(process.env.CLOCK_FILE, 'utf8') || 0)
Date.now = () => now() + offset()
// files are dated by the same clock
fs.statSync = (...args) => {
  const found = statSync(...args)
  if (found !== undefined) found.mtimeMs += offset()
  return found
}
