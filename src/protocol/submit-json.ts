/** The body of a submit as somebody types it, checked without the schemas: a page has no need to load those. */
import { AppError } from '../core/errors.ts'
import type { SubmitForm } from '../core/submit-form.ts'
import type { SpecInput, SubmitBody } from './schemas.ts'
import { formOfBody } from './submit-body.ts'

/** What a value is to be, in words, and whether it is that. */
interface Kind {
  is: string
  test: (value: unknown) => boolean
}

const isText = (value: unknown) => typeof value === 'string'
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const text: Kind = { is: 'a text', test: isText }
const texts: Kind = { is: 'a list of texts', test: (value) => Array.isArray(value) && value.every(isText) }
const variables: Kind = {
  is: 'an object of texts',
  test: (value) => isObject(value) && Object.values(value).every(isText),
}
const whole: Kind = { is: 'a whole number', test: Number.isSafeInteger }
const flag: Kind = { is: 'true or false', test: (value) => typeof value === 'boolean' }
const orNull = ({ is, test }: Kind): Kind => ({
  is: `${is} or null`,
  test: (value) => value === null || test(value),
})

const specKinds: Record<keyof SpecInput, Kind> = {
  command: text,
  arguments: texts,
  env: variables,
  secrets: variables,
  cwd: orNull(text),
  name: orNull(text),
  cores: whole,
  memoryBytes: orNull(whole),
  timeoutMs: orNull(whole),
  privateNetwork: flag,
  privatePids: flag,
  queue: flag,
  requeue: whole,
}

const bodyKinds: Record<keyof SubmitBody, Kind> = {
  submissionId: text,
  name: orNull(text),
  specs: { is: 'a list of objects', test: (value) => Array.isArray(value) && value.every(isObject) },
  targets: texts,
  allOrNothing: flag,
  secrets: variables,
}

/**
 * The form of a body in JSON. How large its values may be is left to the host.
 * @throws AppError `invalid_request` that names the key, or says why a form cannot hold it
 */
export function formOfJson(json: string): SubmitForm {
  const value = parse(json)
  checkKeys(value, '', bodyKinds, 'specs')
  const specs = Array.isArray(value.specs) ? value.specs : []
  for (const [at, spec] of specs.entries()) checkKeys(spec, `specs[${at}].`, specKinds, 'command')
  return formOfBody(value as unknown as SubmitBody) // every key has been looked at
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new AppError('invalid_request', `this is not JSON: ${why}`)
  }
}

function checkKeys(
  value: unknown,
  path: string,
  kinds: Record<string, Kind>,
  needed: string,
): asserts value is Record<string, unknown> {
  if (!isObject(value))
    throw new AppError('invalid_request', 'write an object, like {"specs": [{"command": "true"}]}')
  for (const [key, given] of Object.entries(value)) {
    const kind = Object.hasOwn(kinds, key) ? kinds[key] : undefined
    if (kind === undefined) {
      const known = Object.keys(kinds).join(', ')
      throw new AppError(
        'invalid_request',
        `there is no "${path}${shorten(key)}": the keys there are ${known}`,
      )
    }
    if (!kind.test(given)) throw new AppError('invalid_request', `"${path}${key}" is to be ${kind.is}`)
  }
  if (!Object.hasOwn(value, needed)) throw new AppError('invalid_request', `"${path}${needed}" is missing`)
}

function shorten(key: string): string {
  return key.length <= 60 ? key : `${key.slice(0, 60)}…`
}
