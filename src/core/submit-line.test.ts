import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from './errors.ts'
import { forms } from './submit-form.suite.ts'
import { emptyForm, type SubmitForm, withoutSecrets } from './submit-form.ts'
import { formatSubmitLine, parseSubmitLine } from './submit-line.ts'

function form(given: Partial<SubmitForm>): SubmitForm {
  return { ...emptyForm(), ...given }
}

const lines: [string, SubmitForm][] = [
  ['hakuriver submit -- true', form({ words: ['true'] })],
  [
    `hakuriver submit -t n1 -t n2:0 -c 4 -m 1.5G --timeout 90m -e A=1 -e 'B=x y' --cwd /tmp -n 'a b' -- sh -c 'echo "$A"'`,
    form({
      words: ['sh', '-c', 'echo "$A"'],
      targets: ['n1', 'n2:0'],
      cores: 4,
      memoryBytes: 1.5 * 1024 ** 3,
      timeoutMs: 5_400_000,
      env: { A: '1', B: 'x y' },
      cwd: '/tmp',
      name: 'a b',
    }),
  ],
  [
    'hakuriver submit --private-network --private-pid --requeue --all-or-nothing --no-queue -- -x --y',
    form({
      words: ['-x', '--y'],
      privateNetwork: true,
      privatePids: true,
      requeue: 3,
      allOrNothing: true,
      queue: false,
    }),
  ],
  [
    `hakuriver submit -e A=1 --secret TOKEN --secret DB_PASSWORD -- job`,
    form({ words: ['job'], env: { A: '1' }, secrets: { TOKEN: '', DB_PASSWORD: '' } }),
  ],
  [
    `hakuriver sweep --requeue=5 --zip -- job 'span:{1..3}' ''`,
    form({ words: ['job', 'span:{1..3}', ''], requeue: 5, sweep: 'zip' }),
  ],
]

describe('a line', () => {
  it.each(lines)('%s', (line, expected) => {
    expect(formatSubmitLine(expected)).toBe(line)
    expect(parseSubmitLine(line)).toEqual(expected)
  })

  it('says all of a form, and is read back as that', () => {
    fc.assert(
      fc.property(forms, (given) => {
        const expected = withoutSecrets(given)
        expect(parseSubmitLine(formatSubmitLine(given))).toEqual(expected)
        expect(parseSubmitLine(`  $  ${formatSubmitLine(given)}\n`)).toEqual(expected)
      }),
      { numRuns: 2_000 },
    )
  })

  it.each<[string, Partial<SubmitForm>]>([
    [
      '$ hakuriver task submit --cores=2 \\\n  --memory 500MB \\\n  make -j 2 -- x',
      { cores: 2, memoryBytes: 500e6, words: ['make', '-j', '2', '--', 'x'] },
    ],
    [
      'hakuriver submit -c2 -tn1 -m 1G -- a',
      { cores: 2, targets: ['n1'], memoryBytes: 1024 ** 3, words: ['a'] },
    ],
    ['hakuriver submit --span --zip a', { sweep: 'zip', words: ['a'] }],
    ['hakuriver submit --requeue 7 a', { requeue: 7, words: ['a'] }],
    ['hakuriver submit --requeue --no-queue a', { requeue: 3, queue: false, words: ['a'] }],
    [
      'hakuriver submit -e A=1 -e A=2 -e __proto__=x a',
      { env: { A: '2', ['__proto__']: 'x' }, words: ['a'] },
    ],
    ['hakuriver submit -n -x -5', { name: '-x', words: ['-5'] }],
    ['hakuriver submit', {}],
  ])('%j', (line, expected) => {
    expect(parseSubmitLine(line)).toEqual(form(expected))
  })

  it.each<[string, string]>([
    ['', 'the line is empty: a line begins with hakuriver submit or hakuriver sweep'],
    ['python train.py', 'at column 1: a line begins with hakuriver submit or hakuriver sweep'],
    ['$ hakuriver ps', 'at column 13: a line begins with'],
    ['hakuriver', 'at column 10: a line begins with'],
    ['hakuriver --json submit a', 'at column 11: --json is for the terminal; leave it out'],
    ['hakuriver submit -w -- a', 'at column 18: --wait is for the terminal; leave it out'],
    [
      'hakuriver submit --env-file x -- a',
      '--env-file is for the terminal; the file is read there: write -e',
    ],
    ['hakuriver submit --core 1 a', 'at column 18: there is no option --core'],
    ['hakuriver sweep --span a', 'there is no option --span'],
    ['hakuriver submit --zip a', '--zip goes with --span'],
    ['hakuriver submit --requeue -5 a', '--requeue: write a whole number from 0 on'],
    ['hakuriver submit -c 0 a', 'at column 18: --cores: write a whole number from 1 on'],
    ['hakuriver submit -m 4X a', '--memory: cannot read the size "4X"'],
    ['hakuriver submit --timeout soon a', '--timeout: cannot read the duration "soon"'],
    ['hakuriver submit -e HOME a', 'only a terminal has a value of HOME to hand on: write HOME=value'],
    ['hakuriver submit -e 2X=1 a', '"2X" is not the name of an environment variable'],
    ['hakuriver submit -c', '-c needs a value'],
    ['hakuriver submit -- a | b', 'at column 23: a shell would end the command at "|"'],
  ])('%j is refused in a sentence', (line, words) => {
    expect(() => parseSubmitLine(line)).toThrow(AppError)
    expect(() => parseSubmitLine(line)).toThrow(words)
  })
})
