/**
 * The submit that is being written, in its three forms: fields, the `hakuriver` line, and the JSON of the API. Whichever
 * is changed, the others follow; one that cannot be read is left as it is typed, with what is wrong beside it.
 */
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import { splitShellWords } from '../../../../src/core/shell-words.ts'
import { emptyForm, type SubmitForm } from '../../../../src/core/submit-form.ts'
import { formatSubmitLine, parseSubmitLine } from '../../../../src/core/submit-line.ts'
import { shellQuote } from '../../../../src/core/text.ts'
import type { SubmitBody } from '../../../../src/protocol/schemas.ts'
import {
  bodyOfForm,
  sweepOfForm,
  tellSweepSize,
  withoutSecretValues,
} from '../../../../src/protocol/submit-body.ts'
import { formOfJson } from '../../../../src/protocol/submit-json.ts'
import { sentenceOfError } from '../../api/client.ts'

type Source = 'command' | 'line' | 'json' | 'fields'

const hasSpan = (words: readonly string[]) => words.some((word) => word.includes('span:'))

/** One draft; lives as long as its page. */
export function useDraft() {
  const form = shallowRef<SubmitForm>(emptyForm())
  /** What is typed in each place; only its own changes are read. */
  const command = ref('')
  const line = ref('')
  const json = ref('')
  const errors = ref<Partial<Record<Source, string>>>({})

  /** Takes a form over and writes it down everywhere but where it came from. */
  function take(given: SubmitForm, from: Source): void {
    const isWritten = from === 'line' || from === 'json'
    const secrets = isWritten ? keptSecrets(given.secrets, form.value.secrets) : given.secrets
    const next = { ...given, secrets }
    form.value = next
    errors.value = {}
    if (from !== 'command') command.value = next.words.map(shellQuote).join(' ')
    if (from !== 'line') line.value = next.words.length === 0 ? '' : formatSubmitLine(next)
    if (from !== 'json') json.value = jsonOf(next)
  }

  function read(from: Source, make: () => SubmitForm): void {
    try {
      take(make(), from)
    } catch (error) {
      errors.value = { [from]: sentenceOfError(error) }
    }
  }

  /** The command alone is typed: a span in it makes a sweep of it. */
  function typeCommand(text: string): void {
    command.value = text
    read('command', () => {
      const words = splitShellWords(text)
      return { ...form.value, words, sweep: hasSpan(words) ? (form.value.sweep ?? 'product') : null }
    })
  }

  function typeLine(text: string): void {
    line.value = text
    read('line', () => (text.trim() === '' ? emptyForm() : parseSubmitLine(text)))
  }

  function typeJson(text: string): void {
    json.value = text
    read('json', () => formOfJson(text))
  }

  function change(part: Partial<SubmitForm>): void {
    take({ ...form.value, ...part }, 'fields')
  }

  /** Names of secrets of which nobody has written what they are. */
  const unwritten = computed(() =>
    Object.keys(form.value.secrets).filter((name) => form.value.secrets[name] === ''),
  )

  /** What would be sent; null with the reason where it cannot be made. */
  const body = computed((): { body: SubmitBody | null; why: string | null } => {
    const first = Object.values(errors.value)[0]
    if (first !== undefined) return { body: null, why: first }
    if (form.value.words.length === 0) return { body: null, why: null }
    try {
      return { body: bodyOfForm(form.value), why: null }
    } catch (error) {
      return { body: null, why: sentenceOfError(error) }
    }
  })

  /** "40 tasks (10 × 4)"; null where it is no sweep. */
  const sweepSize = computed(() => {
    try {
      const sweep = sweepOfForm(form.value)
      return sweep === null ? null : tellSweepSize(sweep, Math.max(1, form.value.targets.length))
    } catch {
      return null
    }
  })

  /** The first names or command lines that a sweep makes, and the last. */
  const sweepSample = computed(() => {
    const specs = sweepSize.value === null ? [] : (body.value.body?.specs ?? [])
    const words = specs.map(({ command, arguments: rest = [] }) =>
      [command, ...rest].map(shellQuote).join(' '),
    )
    return words.length <= 4 ? words : [...words.slice(0, 3), '…', words.at(-1) ?? '']
  })

  return {
    form,
    command,
    line,
    json,
    errors,
    body,
    unwritten,
    sweepSize,
    sweepSample,
    take,
    typeCommand,
    typeLine,
    typeJson,
    change,
  }
}

/** A line and a JSON have the names alone: what was written for one of them before is kept. */
function keptSecrets(next: Record<string, string>, before: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(next).map(([name, value]) => [
      name,
      value === '' && Object.hasOwn(before, name) ? (before[name] ?? '') : value,
    ]),
  )
}

/** A sweep's JSON would be all its tasks: more than so many are told as a number. */
const mostShownSpecs = 200

function jsonOf(form: SubmitForm): string {
  try {
    const body = withoutSecretValues(bodyOfForm(form))
    return body.specs.length > mostShownSpecs ? '' : JSON.stringify(body, null, 2)
  } catch {
    return ''
  }
}

/** Calls back when a value has been still for a while, as long as the component lives. Returns how to stop that. */
export function watchQuiet<T>(source: () => T, waitMs: number, act: (value: T) => void): () => void {
  let timer = 0
  const unwatch = watch(source, (value) => {
    clearTimeout(timer)
    timer = window.setTimeout(() => act(value), waitMs)
  })
  const stop = () => {
    clearTimeout(timer)
    unwatch()
  }
  onScopeDispose(stop)
  return stop
}
