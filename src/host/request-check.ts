/** Checks what comes in against the contract's schemas: one sentence on what was wrong, where, and what to write. */
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { AppError } from '../core/errors.ts'

type Part = 'params' | 'query' | 'body'

const names: Record<Part, string> = { params: 'the path', query: 'the query', body: 'the body' }

/** Makes the checker of one part of a request. It hands back the value, and throws AppError `invalid_request`. */
export function checkerOf(part: Part, schema: TSchema): (value: unknown) => unknown {
  const validator = Compile(schema)
  return (given) => {
    const value = part === 'query' ? readQuery(schema, given) : (given ?? {})
    if (validator.Check(value)) return value
    const [first] = validator.Errors(value)
    throw new AppError('invalid_request', `cannot read ${names[part]}: ${tell(first)}`)
  }
}

interface SchemaError {
  keyword: string
  instancePath: string
  message: string
}

function tell(error: SchemaError | undefined): string {
  if (error === undefined) return 'it does not fit'
  const steps = error.instancePath.split('/').slice(1)
  // a closed object says `false` to a key that it does not have
  if (error.keyword === 'boolean') return `there is no key "${steps.pop()}" in ${placeOf(steps)}`
  return `${placeOf(steps)} ${error.message}`
}

function placeOf(steps: readonly string[]): string {
  return steps.join('.') || 'it'
}

interface PropertySchema {
  type?: string
}

/** A query has only texts: turns them into what the schema says, where they can be. */
function readQuery(schema: TSchema, given: unknown): Record<string, unknown> {
  const properties = 'properties' in schema ? (schema.properties as Record<string, PropertySchema>) : {}
  const entries = Object.entries((given ?? {}) as Record<string, unknown>)
  return Object.fromEntries(entries.map(([key, value]) => [key, readParameter(properties[key]?.type, value)]))
}

function readParameter(type: string | undefined, value: unknown): unknown {
  if (type === 'array') return Array.isArray(value) ? value : [value]
  if (typeof value !== 'string') return value
  if ((type === 'integer' || type === 'number') && /^-?\d{1,16}$/.test(value)) return Number(value)
  if (type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true'
  return value
}
