/**
 * Loaded into a runner before its own code (`NODE_OPTIONS=--require`), so that it dies by SIGKILL at the point that
 * KILL_AT names: what production has no switch for.
 */
const childProcess = require('node:child_process')
const fs = require('node:fs')
const promises = require('node:fs/promises')

const die = () => process.kill(process.pid, 'SIGKILL')
const point = process.env.KILL_AT

if (point === 'before-handle' || point === 'after-handle') {
  const { writeFileSync } = fs
  fs.writeFileSync = (path, ...rest) => {
    const isHandle = String(path).endsWith('/handle.json')
    if (isHandle && point === 'before-handle') die()
    writeFileSync(path, ...rest)
    if (isHandle) die()
  }
}
if (point === 'before-spawn' || point === 'after-spawn') {
  const { spawn } = childProcess
  childProcess.spawn = (command, args, options) => {
    const isTask = String(args?.[0]).endsWith('/supervise.sh')
    if (isTask && point === 'before-spawn') die()
    const child = spawn(command, args, options)
    if (isTask) die()
    return child
  }
}
if (point === 'before-outbox' || point === 'after-outbox') {
  const { open } = promises
  promises.open = async (path, ...rest) => {
    const file = await open(path, ...rest)
    if (!String(path).endsWith('outbox.jsonl')) return file
    const { appendFile } = file
    file.appendFile = async (data, ...more) => {
      const isExit = String(data).includes('"exited"')
      if (isExit && point === 'before-outbox') die()
      await appendFile.call(file, data, ...more)
      if (isExit) die()
    }
    return file
  }
}
