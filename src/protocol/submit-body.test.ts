import fc from 'fast-check'
import { Value } from 'typebox/value'
import { describe, expect, it } from 'vitest'
import { forms } from '../core/submit-form.suite.ts'
import { emptyForm, type SubmitForm } from '../core/submit-form.ts'
import { SpecInput, SubmitBody } from './schemas.ts'
import { bodyOfForm, formOfBody, formOfSpec } from './submit-body.ts'

function form(given: Partial<SubmitForm>): SubmitForm {
  return { ...emptyForm(), ...given }
}

describe('the body of a form', () => {
  it('is what the command line sends', () => {
    const words = ['job', '', 'a\nb']
    expect(bodyOfForm(form({ words, targets: ['n1'], requeue: 2, allOrNothing: true }))).toEqual({
      specs: [
        {
          command: 'job',
          arguments: ['', 'a\nb'],
          env: {},
          cores: 1,
          memoryBytes: null,
          timeoutMs: null,
          cwd: null,
          name: null,
          privateNetwork: false,
          privatePids: false,
          queue: true,
          requeue: 2,
        },
      ],
      targets: ['n1'],
      allOrNothing: true,
    })
  })

  it('of a sweep has a task for each combination, named by it where the form has no name', () => {
    const swept = form({ words: ['job', 'span:{1..2}', '--x=span:[a,b]'], sweep: 'product' })
    const told = (given: SubmitForm) =>
      bodyOfForm(given).specs.map(({ command, arguments: rest = [], name }) => [command, ...rest, name])
    expect(told(swept)).toEqual([
      ['job', '1', '--x=a', '1 a'],
      ['job', '1', '--x=b', '1 b'],
      ['job', '2', '--x=a', '2 a'],
      ['job', '2', '--x=b', '2 b'],
    ])
    expect(told({ ...swept, sweep: 'zip', name: 'mine' })).toEqual([
      ['job', '1', '--x=a', 'mine'],
      ['job', '2', '--x=b', 'mine'],
    ])
    expect(told({ ...swept, sweep: null })).toEqual([['job', 'span:{1..2}', '--x=span:[a,b]', null]])
  })

  it('is kept by the form that is made of it', () => {
    fc.assert(
      fc.property(forms, (given) => {
        const body = bodyOfForm(given)
        if (body.specs.length > 1) return
        const again = formOfBody(body)
        expect(bodyOfForm(again)).toEqual(body)
        if (given.sweep === null) expect(again).toEqual(given)
      }),
      { numRuns: 1_000 },
    )
  })

  it('keeps to the contract wherever its values do', () => {
    fc.assert(
      fc.property(forms, (given) => {
        const body = bodyOfForm({ ...given, cwd: '/tmp', name: 'x' })
        expect([...Value.Errors(SubmitBody, body)]).toEqual([])
      }),
    )
  })

  it.each<[string, Partial<SubmitForm>, string]>([
    ['no command', {}, 'there is no command to run'],
    ['an empty one', { words: [''] }, 'there is no command to run'],
    [
      'a file',
      { words: ['a', 'span:@x.txt'], sweep: 'product' },
      'the file x.txt of a span can only be read by',
    ],
    ['a wrong span', { words: ['a', 'span:{1..'], sweep: 'product' }, 'not closed'],
    [
      'too many',
      { words: ['a', 'span:{1..5001}'], targets: ['n1', 'n2'], sweep: 'product' },
      'this would make 10002 tasks (5001, on 2 targets): a batch has at most 10000',
    ],
    ['far too many', { words: ['a', 'span:{1..1000000000}'], sweep: 'product' }, 'at most 10000'],
    [
      'too large',
      { words: ['a', `${'x'.repeat(100_000)}-span:{1..5000}`], sweep: 'product' },
      'a host takes at most 4 MiB',
    ],
  ])('refuses %s', (_what, given, why) => {
    expect(() => bodyOfForm(form(given))).toThrow(why)
  })
})

describe('the form of a body or a task', () => {
  it('fills in what a body leaves out', () => {
    expect(formOfBody({ submissionId: 'abcdefgh', specs: [{ command: 'a' }] })).toEqual(
      form({ words: ['a'] }),
    )
    expect(formOfSpec({ command: 'a', arguments: ['', 'b\nc'], requeue: 3 }, 'n1:0')).toEqual(
      form({ words: ['a', '', 'b\nc'], requeue: 3, targets: ['n1:0'] }),
    )
    expect(formOfSpec({ command: 'a' }, 'any').targets).toEqual([])
  })

  it('has a place for each key of the contract', () => {
    const full: Required<SpecInput> = {
      command: 'a',
      arguments: ['b'],
      env: { A: '1' },
      secrets: { B: '2' },
      cwd: '/c',
      name: 'd',
      cores: 2,
      memoryBytes: 3,
      timeoutMs: 4,
      privateNetwork: true,
      privatePids: true,
      queue: false,
      requeue: 5,
    }
    expect(Object.keys(full).sort()).toEqual(Object.keys(SpecInput.properties).sort())
    const { secrets, ...spec } = full
    expect(bodyOfForm(formOfSpec(full))).toEqual({ specs: [spec], secrets })
    expect(Object.keys(SubmitBody.properties).sort()).toEqual(
      ['submissionId', 'name', 'specs', 'targets', 'allOrNothing', 'secrets'].sort(),
    )
  })

  it.each<[SubmitBody, string]>([
    [{ specs: [] }, 'a form holds one command, and this body has 0 commands'],
    [{ specs: [{ command: 'a' }, { command: 'b' }] }, 'this body has 2 commands'],
    [{ specs: [{ command: 'a' }], name: 'x' }, 'a form has no name for the batch'],
  ])('does not lose in silence what it cannot hold: %j', (body, why) => {
    expect(() => formOfBody(body)).toThrow(why)
  })
})
