/** Loaded into a program before its own code: as soon as the file HOG_FILE is there, it takes all memory it can get. */
const fs = require('node:fs')

const kept = []
setInterval(() => {
  while (fs.existsSync(process.env.HOG_FILE)) kept.push(new Array(1_000_000).fill(kept.length + 0.5))
}, 50).unref()
