import fc from 'fast-check'
import { Value } from 'typebox/value'
import { describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import { forms } from '../core/submit-form.suite.ts'
import { SpecInput, SubmitBody } from './schemas.ts'
import { bodyOfForm, formOfBody } from './submit-body.ts'
import { formOfJson } from './submit-json.ts'

/** Takes what is typed; null where it is refused in a sentence. */
function taken(body: unknown): unknown {
  try {
    return formOfJson(JSON.stringify(body) ?? '')
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}

/** How large a value may be is left to the host: where they are of the right kind, these are of the right size. */
const odd = fc.constantFrom<unknown>(null, true, 1, 1.5, 'abcdefgh', ['x'], [1], {}, { A: 'x' }, { A: 1 })

describe('the form of a body in JSON', () => {
  it('is that of the body', () => {
    fc.assert(
      fc.property(forms, (form) => {
        const body = bodyOfForm(form)
        if (body.specs.length === 1) expect(formOfJson(JSON.stringify(body))).toEqual(formOfBody(body))
      }),
    )
  })

  it('takes nothing that is of another kind than the contract says, whatever key it is', () => {
    const bodyKeys = fc.constantFrom(...Object.keys(SubmitBody.properties), 'other')
    const specKeys = fc.constantFrom(...Object.keys(SpecInput.properties), 'other')
    fc.assert(
      fc.property(fc.boolean(), bodyKeys, specKeys, odd, (isOfSpec, bodyKey, specKey, value) => {
        const spec = { command: 'a', ...(isOfSpec && { [specKey]: value }) }
        const body: Record<string, unknown> = { specs: [spec], ...(!isOfSpec && { [bodyKey]: value }) }
        const isRight = Value.Check(SubmitBody, body)
        // a form has no name for a batch
        expect(taken(body) !== null).toBe(isRight && (body.name ?? null) === null)
      }),
      { numRuns: 3_000 },
    )
  })

  it.each<[string, string]>([
    ['{', 'this is not JSON: '],
    ['5', 'write an object, like {"specs": [{"command": "true"}]}'],
    ['{}', '"specs" is missing'],
    ['{"specs": [{}]}', '"specs[0].command" is missing'],
    ['{"specs": [{"command": "a", "cores": "2"}]}', '"specs[0].cores" is to be a whole number'],
    ['{"specs": [{"command": "a", "core": 2}]}', 'there is no "specs[0].core": the keys there are command, '],
    ['{"specs": [{"command": "a"}], "__proto__": 1}', 'there is no "__proto__"'],
  ])('%s is refused in a sentence', (json, why) => {
    expect(() => formOfJson(json)).toThrow(AppError)
    expect(() => formOfJson(json)).toThrow(why)
  })
})
