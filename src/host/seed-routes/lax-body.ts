/**
 * Reads a request as the original's validator did (pydantic 2 in its lax mode): texts that are numbers are numbers,
 * unknown keys are passed over, and everything that is wrong is told at once, in the shape that its clients know.
 */

import { isDeeperThan } from '../../core/json-depth.ts'
import { caps } from '../../protocol/limits.ts'

/** One thing that is wrong: an entry of the `detail` of a 422. */
export interface Issue {
  type: string
  loc: (string | number)[]
  msg: string
  input: unknown
  ctx?: Record<string, unknown>
}

/** What is wrong with a request. */
export class LaxError extends Error {
  override readonly name = 'LaxError'
  readonly issues: Issue[]

  constructor(issues: Issue[]) {
    super('the request does not fit')
    this.issues = issues
  }
}

/** The fields of a JSON body, read one by one; `done` tells what was wrong with all of them. */
export class LaxBody {
  private readonly fields: Record<string, unknown>
  private readonly issues: Issue[] = []

  /** @throws LaxError where the text is no JSON object */
  constructor(text: string) {
    this.fields = objectOf(text)
  }

  /** Is the key there at all? */
  has(name: string): boolean {
    return Object.hasOwn(this.fields, name)
  }

  text(name: string): string {
    const value = this.required(name)
    if (value === undefined) return ''
    if (typeof value === 'string') return value
    this.wrong('string_type', [name], 'Input should be a valid string', value)
    return ''
  }

  texts(name: string): string[] {
    const value = this.fields[name]
    if (value === undefined) return []
    if (!Array.isArray(value)) {
      this.wrong('list_type', [name], 'Input should be a valid list', value)
      return []
    }
    return value.map((item: unknown, at) => this.textAt(item, [name, at]))
  }

  /** null and a missing key are the same. */
  textsOrNull(name: string): string[] | null {
    return this.fields[name] === null || !this.has(name) ? null : this.texts(name)
  }

  variables(name: string): Record<string, string> {
    const value = this.fields[name]
    if (value === undefined) return {}
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.wrong('dict_type', [name], 'Input should be a valid dictionary', value)
      return {}
    }
    const entries = Object.entries(value).map(([key, item]) => [key, this.textAt(item, [name, key])] as const)
    return Object.fromEntries(entries)
  }

  /** A whole number from 1 on. */
  count(name: string, fallback: number): number {
    return this.countOrNull(name, fallback) ?? fallback
  }

  countOrNull(name: string, fallback: number | null): number | null {
    const value = this.has(name) ? this.fields[name] : fallback
    if (value === null) return null
    const number = wholeNumber(value)
    if (number === null) {
      const kind = typeof value === 'string' ? 'int_parsing' : 'int_type'
      this.wrong(kind, [name], 'Input should be a valid integer', value)
      return fallback
    }
    if (number < 1) {
      this.wrong('greater_than_equal', [name], 'Input should be greater than or equal to 1', value, { ge: 1 })
    }
    return number
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.has(name) ? this.fields[name] : fallback
    const word = typeof value === 'string' ? value.toLowerCase() : value
    if (trueWords.includes(word)) return true
    if (falseWords.includes(word)) return false
    this.wrong('bool_parsing', [name], 'Input should be a valid boolean', value)
    return fallback
  }

  /** Adds what the caller found. */
  wrong(
    type: string,
    path: (string | number)[],
    msg: string,
    input: unknown,
    ctx?: Record<string, unknown>,
  ): void {
    this.issues.push({ type, loc: ['body', ...path], msg, input, ...(ctx && { ctx }) })
  }

  /** @throws LaxError where anything was wrong */
  done(): void {
    if (this.issues.length > 0) throw new LaxError(this.issues)
  }

  private required(name: string): unknown {
    if (!this.has(name)) {
      this.issues.push({ type: 'missing', loc: ['body', name], msg: 'Field required', input: this.fields })
    }
    return this.fields[name]
  }

  private textAt(value: unknown, path: (string | number)[]): string {
    if (typeof value === 'string') return value
    this.wrong('string_type', path, 'Input should be a valid string', value)
    return ''
  }
}

const trueWords: unknown[] = [true, 1, '1', 'true', 't', 'yes', 'y', 'on']
const falseWords: unknown[] = [false, 0, '0', 'false', 'f', 'no', 'n', 'off']

/** An integer as a number or as a text; also `3.0`, which is whole. */
export function wholeNumber(value: unknown): number | null {
  const text = typeof value === 'string' ? value.trim() : null
  const number = text === null ? value : /^[+-]?\d{1,15}(\.0+)?$/.test(text) ? Number(text) : null
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : null
}

function objectOf(text: string): Record<string, unknown> {
  if (text === '')
    throw new LaxError([{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }])
  let value: unknown
  try {
    // what is wrong is shown in the answer, which cannot be deeper than the stack
    if (isDeeperThan(caps.jsonDepth, text)) throw new Error('it is nested too deep')
    value = JSON.parse(text)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const issue = { type: 'json_invalid', loc: ['body', 0], msg: 'JSON decode error', input: {} }
    throw new LaxError([{ ...issue, ctx: { error: why } }])
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  const msg = 'Input should be a valid dictionary or object to extract fields from'
  throw new LaxError([{ type: 'model_attributes_type', loc: ['body'], msg, input: value }])
}
