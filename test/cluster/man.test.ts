/** The manual pages as they are built. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { itWith } from '../support/it-with.ts'
import { root } from '../support/program.ts'

const dir = join(root, 'dist/man')

itWith(['mandoc'])('mandoc has nothing to say of any page', () => {
  const pages = readdirSync(dir).map((name) => join(dir, name))
  expect(pages.length).toBeGreaterThan(15)
  const { stdout, status } = spawnSync('mandoc', ['-Tlint', '-W', 'warning', ...pages], { encoding: 'utf8' })
  expect(stdout).toBe('')
  expect(status).toBe(0)
})

itWith(['mandoc'])('keeps what it is told, character by character', () => {
  const { stdout } = spawnSync('mandoc', ['-Tutf8', '-O', 'width=200', join(dir, 'hakurun.1')], {
    encoding: 'utf8',
  })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: bold and underlined, as a printer overstrikes
  const text = stdout.replace(/.\u0008/g, '')
  expect(text).toContain(`--lr 'span:[0.1,0.01]' --seed 'span:{1..5}'`)
  expect(text).toContain('span:["a, b",""]')
})

it('the package names each page, and each is there', () => {
  const { man } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { man: string[] }
  expect(man.map((path) => path.replace('dist/man/', '')).sort()).toEqual(readdirSync(dir).sort())
  expect(man.every((path) => existsSync(join(root, path)))).toBe(true)
})
