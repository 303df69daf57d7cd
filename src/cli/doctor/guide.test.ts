import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { errorTable, exitCodes } from '../../core/errors.ts'
import { finalStatuses } from '../../core/task.ts'

const guide = readFileSync(join(import.meta.dirname, '../../../docs/guides/troubleshooting.md'), 'utf8')

it.each(Object.entries(errorTable))(
  'the guide tells what to do about %s, with its exit code',
  (code, { exit }) => {
    expect(guide).toMatch(new RegExp(`^\\| ${exit} \\| \`${code}\` \\|`, 'm'))
  },
)

it.each(Object.values(exitCodes).filter((code) => code !== 0))(
  'the guide tells of the exit code %i',
  (code) => {
    expect(guide).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'))
  },
)

it.each(finalStatuses)('the guide tells why a task may be %s', (status) => {
  expect(guide).toMatch(new RegExp(`^\\| \`${status}\``, 'm'))
})

it('the guide names every finding of doctor', () => {
  const sources = ['machine', 'directories', 'cluster', 'own-host', 'judge'].map((name) =>
    readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8'),
  )
  const ids = sources.flatMap((text) =>
    [...text.matchAll(/(?:\bid(?: =|:) |\b(?:ok|warning|problem|notChecked)\(\s*)'([a-z-]+)'/g)].map(
      ([, id = '']) => id,
    ),
  )
  expect(ids.length).toBeGreaterThan(20)
  expect(ids.filter((id) => !guide.includes(`\`${id}\``))).toEqual([])
})
