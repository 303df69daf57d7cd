/** Tests that show a row of a table, found by the number in their names: `row 5: …`, `rows 5 and 7: …`. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface NumberedTest {
  file: string
  /** Without its number, as it stands in a cell of a table. */
  name: string
}

/** All that carry a number, by number, in the order of their files. */
export function findNumberedTests(): Map<number, NumberedTest[]> {
  const numbered = `(['"\`])(rows? [\\d ,and]+: (?:\\\\.|(?!\\1).)*)\\1`
  const title = new RegExp(
    `\\b(?:it|test|describe)(?:\\.\\w+)*(?:<[^(]*>)?(?:\\((?:[^()]|\\([^()]*\\))*\\))?\\(\\s*${numbered}`,
    'g',
  )
  // rows of a table of tests: `['row 5: …', …]`
  const tableTitle = new RegExp(`\\[\\s*${numbered}`, 'g')
  const found = new Map<number, NumberedTest[]>()
  for (const file of testFiles()) {
    const text = readFileSync(file, 'utf8')
    for (const [, , name = ''] of [...text.matchAll(title), ...text.matchAll(tableTitle)]) {
      const [, numbers = '', rest = ''] = /^\w+ ([\d ,and]+): (.*)$/.exec(name) ?? []
      for (const number of numbers.match(/\d+/g) ?? []) {
        const row = Number(number)
        found.set(row, [...(found.get(row) ?? []), { file, name: rest.replaceAll('|', '\\|') }])
      }
    }
  }
  return found
}

/** What a cell says of them. */
export function listTests(tests: readonly NumberedTest[]): string[] {
  return tests.map(({ file, name }) => `${name} ([${file.split('/').slice(1).join('/')}](../${file}))`)
}

function testFiles(): string[] {
  return ['src', 'test', 'web/src']
    .flatMap((dir) => readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => join(dir, name)))
    .filter((name) => /\.(?:test|suite)\.ts$/.test(name))
    .sort()
}
