import { Argument, Command, Option } from 'commander'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shapeOfCommand, shapeOfSettings } from './command-shape.ts'
import { completeByShape, whatFits } from './completion.ts'

const root = new Command('river').helpCommand(false).enablePositionalOptions()
root
  .command('run [command...]')
  .description('run it; or not')
  .passThroughOptions()
  .addOption(new Option('-t, --target <target>', 'where').default([]))
  .addOption(new Option('-m, --mode <mode>', 'how').choices(['slow', 'quick']))
  .addOption(new Option('--look [node]', 'at one, or all'))
  .option('-w, --wait', 'wait for it')
  .option('-q, --quiet', 'say nothing')
root.command('end [task...]').description('end some')
const nodes = root.command('node [node]').description('one of them').helpCommand(false)
nodes.command('show <node>').description('all about it').option('--file <path>', 'into a file')
root.command('shell').addArgument(new Argument('<shell>').choices(['bash', 'fish']))
root.command('secret', { hidden: true })
const shape = shapeOfCommand(root)

const fits = (...words: string[]) => {
  const { words: fixed, kind, typed, prefix, commandAt } = whatFits(shape, words)
  return { fixed: fixed.map(({ value }) => value), kind, typed, prefix, commandAt }
}

describe('what fits', () => {
  it('is a command at first, but no hidden one', () => {
    expect(fits('').fixed).toEqual(['run', 'end', 'node', 'shell'])
    expect(whatFits(shape, ['']).words[0]).toEqual({ value: 'run', about: 'run it' })
  })

  it.each([
    [['node', ''], ['show'], 'node'],
    [['node', 'show', ''], [], 'node'],
    [['node', 'show', 'n1', ''], [], null],
    [['node', 'show', '--file', ''], [], 'path'],
    [['end', ''], [], 'tasks'],
    [['end', '1', '2', ''], [], 'tasks'],
    [['shell', ''], ['bash', 'fish'], null],
    [['run', '-t', ''], [], 'target'],
    [['run', '-wqt', ''], [], 'target'],
    [['run', '-tn1', '--mode', ''], ['slow', 'quick'], null],
    [['run', '--target', '-odd', '--target', ''], [], 'target'],
  ])('after %j', (words, fixed, kind) => {
    expect(fits(...words)).toMatchObject({ fixed, kind })
  })

  it('is an option where one is begun: not one that was given, unless it may be repeated', () => {
    expect(fits('run', '-w', '-t', 'n1', '--').fixed).toEqual([
      '--target',
      '--mode',
      '--look',
      '--quiet',
      '--help',
    ])
    expect(fits('run', '-').fixed).toContain('--wait')
    expect(fits('run', '-w').fixed).toContain('-w')
  })

  it('is a value behind an equals sign, too', () => {
    expect(fits('run', '--mode=q')).toMatchObject({ fixed: ['slow', 'quick'], typed: 'q', prefix: '--mode=' })
    expect(fits('run', '--look=')).toMatchObject({ kind: 'node', prefix: '--look=' })
    expect(fits('run', '--wait=')).toMatchObject({ fixed: [], kind: null })
  })

  it('is a command line of the shell from the first word that is not ours', () => {
    expect(fits('run', '')).toMatchObject({ kind: 'command', commandAt: 1 })
    expect(fits('run', '-t', 'n1', '--', '')).toMatchObject({ kind: 'command', commandAt: 4 })
    expect(fits('run', '--', 'ls', '-t', '')).toMatchObject({ kind: 'command', commandAt: 2 })
    expect(fits('run', 'ls', '--mode', '')).toMatchObject({ fixed: [], commandAt: 1 })
    expect(fits('run', '--look', '')).toMatchObject({ kind: 'command', commandAt: 2 })
  })

  it('knows what the options were given', () => {
    expect(whatFits(shape, ['run', '--mode', 'slow', '--target=n1', '']).given).toEqual({
      mode: 'slow',
      target: 'n1',
    })
  })

  it('holds for whatever is typed', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('run', 'node', 'show', 'end', '--', '-', '-t', '-wt', '--mode', '--mode=', '--look'),
    )
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const { commandAt, prefix, typed } = whatFits(shape, words)
        expect(`${prefix}${typed}`).toBe(words.at(-1) ?? '')
        expect(commandAt ?? 0).toBeLessThanOrEqual(Math.max(0, words.length - 1))
      }),
    )
  })
})

it('tells a shell in lines', () => {
  expect(completeByShape(shape, ['--', 'r'])).toBe('run\trun it\n')
  expect(completeByShape(shape, ['--', 'node', 'show', '--file', 'x'])).toBe(':files\n')
  expect(completeByShape(shape, ['--', 'run', '--', 'ls', ''])).toBe(':command 2\n')
  expect(completeByShape(shape, ['--', 'zzz'])).toBe('')
})

it('completes the flags of a table of settings', () => {
  const rest = { key: null, env: null, default: null } as const
  const table = {
    stateDir: { ...rest, flag: 'state-dir', type: 'text', doc: 'State' },
    port: { ...rest, flag: 'port', type: 'number', doc: 'Port; 0: any' },
    quick: { ...rest, flag: 'quick', type: 'switch', doc: 'Quick' },
    inFileOnly: { ...rest, flag: null, type: 'text', doc: '' },
  } as const
  const program = shapeOfSettings('river', 'a program', table)
  expect(completeByShape(program, ['--p'])).toBe('--port\tPort\n')
  expect(completeByShape(program, ['--state-dir', ''])).toBe(':directories\n')
  expect(completeByShape(program, ['--quick', '--q'])).toBe('')
})
