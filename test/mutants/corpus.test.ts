/** The mutants follow the programs: what each of them changes is there, once. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { corpus } from './corpus.ts'

it.each(corpus)('$name finds what it changes in $file', ({ file, find, put }) => {
  expect(readFileSync(file, 'utf8').split(find)).toHaveLength(2)
  expect(put).not.toBe(find)
})

it('no two have one name', () => {
  expect(new Set(corpus.map(({ name }) => name)).size).toBe(corpus.length)
})
