/** The line of a form and the command line itself say the same: their options cannot drift apart. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { splitShellWords } from '../core/shell-words.ts'
import { forms } from '../core/submit-form.suite.ts'
import { formatSubmitLine, parseSubmitLine, submitLineOptions } from '../core/submit-line.ts'
import { shellQuote } from '../core/text.ts'
import { shapeOfCommand } from '../platform/command-shape.ts'
import type { SubmitBody } from '../protocol/schemas.ts'
import { bodyOfForm } from '../protocol/submit-body.ts'
import { run, startHost, testIo } from './cli.suite.ts'
import type { FakeHost } from './fake-host.suite.ts'
import { createProgram } from './program.ts'

/** What the command line sends for a line, but for the submission id; null where it refuses it. */
async function sent(
  line: string,
  host: FakeHost,
  env: Record<string, string> = {},
): Promise<SubmitBody | null> {
  const [program, ...words] = splitShellWords(line)
  expect(program).toBe('hakuriver')
  host.seen.length = 0
  const { code } = await run(host, words, { env })
  const [body, ...others] = host.submitBodies()
  expect(others).toEqual([])
  if (body === undefined) {
    expect(code).not.toBe(0)
    return null
  }
  const { submissionId, ...rest } = body
  expect(submissionId).toMatch(/^[A-Za-z0-9_-]{8,64}$/)
  return rest
}

describe('the line of a form', () => {
  it('makes the command line send the body of the form', async () => {
    const host = await startHost()
    await fc.assert(
      fc.asyncProperty(forms, async (form) => {
        // of a secret the line has the name, and the shell the value
        expect(await sent(formatSubmitLine(form), host, form.secrets)).toEqual(bodyOfForm(form))
      }),
      { numRuns: 100 },
    )
  })

  it('is read as the command line reads it, however it is written', async () => {
    const host = await startHost()
    const part = fc.constantFrom(
      '-t', 'n1', '-tn1', '--target=n2', '-c', '2', '-c3', '--cores=4', '--cores', '-m', '1G', '-m2G', '--memory=x',
      '--timeout', '90s', '-e', 'A=1', '-eB=2', '--env=C=', '--cwd', '/x', '-n', 'name', '-nx', '--name=', '--private-network',
      '--private-pid', '--requeue', '5', '--requeue=2', '--requeue=x', '--all-or-nothing', '--no-queue', '--queue', '--span',
      '--zip', '--', '-', '-5', 'word', 'span:{1..2}', '', '-x', '--no', '-ct', '--private-network=1',
    ) // biome-ignore format: a list
    let both = 0
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('submit', 'sweep', 'task submit', 'task sweep'),
        fc.array(part, { maxLength: 6 }),
        async (verb, parts) => {
          const line = `hakuriver ${verb} ${[...parts, 'end'].map(shellQuote).join(' ')}`
          const expected = await sent(line, host)
          let body: SubmitBody | null = null
          try {
            body = bodyOfForm(parseSubmitLine(line))
          } catch (error) {
            if (!(error instanceof AppError)) throw error
          }
          expect(body).toEqual(expected)
          if (body !== null) both += 1
        },
      ),
      { numRuns: 300 },
    )
    expect(both).toBeGreaterThan(30)
  })
})

describe('each option of the command line', () => {
  it.each(['submit', 'sweep'])('is one of the line, or refused in a sentence: %s', (name) => {
    const program = createProgram({ io: testIo().io, firstWord: name, onExit: () => {}, onHelp: () => {} })
    const command = shapeOfCommand(program).commands.find((each) => each.name === name)
    const own = (command?.options ?? []).map(({ long, short, value }) => ({
      long,
      short,
      value: value === null ? 'none' : value.isOptional ? 'optional' : 'required',
    }))
    const known = submitLineOptions
      .filter((option) => option.of === 'both' || option.of === name)
      .map(({ long, short, value }) => ({ long, short, value }))
    const byName = (a: { long: string | null }, b: { long: string | null }) =>
      String(a.long).localeCompare(String(b.long))
    expect(known.sort(byName)).toEqual(own.sort(byName))
  })

  it('that is for the terminal is refused with that word, the others are taken', () => {
    for (const { long, value, effect, of } of submitLineOptions) {
      const values: Record<string, string> = {
        '--memory': '1G',
        '--timeout': '1s',
        '--env': 'A=1',
        '--secret': 'B',
      }
      const given = value === 'required' ? ` ${values[long] ?? '1'}` : ''
      const line = `hakuriver ${of === 'submit' ? 'submit' : 'sweep'} ${long}${given} -- a`
      if (typeof effect === 'string')
        expect(() => parseSubmitLine(line)).toThrow(`${long} is for the terminal; ${effect}`)
      else expect(parseSubmitLine(line).words).toEqual(['a'])
    }
  })
})
