/** The programs under all their names, from a clone and as npm installs them. */
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { bundle, Program, root, temporaryDir } from '../support/program.ts'

const run = async (command: string, ...words: string[]) => {
  const program = new Program(command, words, { HAKURIVER_HOME: '/nonexistent' })
  const { code } = await program.ended
  return { code, out: program.stdout, err: program.stderr }
}

it.each([
  ['hakuriver', 'hakuriver [options] [command]'],
  ['hakuriver.client', 'hakuriver.client [options]'],
  ['hakuriver.host', 'hakuriver host'],
  ['hakuriver.runner', 'hakuriver runner'],
  ['hakuriver.init', 'hakuriver init'],
  ['hakurun', 'hakurun [options] target'],
])('bin/%s tells how it is used, also through a link', async (name, usage) => {
  const dir = temporaryDir()
  onTestFinished(dir.remove)
  symlinkSync(join(root, 'bin', name), join(dir.path, name))
  for (const path of [join(root, 'bin', name), join(dir.path, name)]) {
    expect(await run(path, '--help')).toMatchObject({ code: 0, out: expect.stringContaining(usage), err: '' })
    const wrong = await run(path, '--no-such-option')
    expect([wrong.code, wrong.out]).toEqual([2, ''])
    expect(wrong.err).toContain('--no-such-option')
  }
})

it.each(['hakuriver.client', 'hakuriver.init'])('a link of the name %s is that program', async (name) => {
  const dir = temporaryDir()
  onTestFinished(dir.remove)
  symlinkSync(bundle('hakuriver'), join(dir.path, name))
  const { code, out } = await run(process.execPath, join(dir.path, name), '--help')
  expect([code, out]).toEqual([0, expect.stringContaining(name.replace('.init', ' init'))])
})
