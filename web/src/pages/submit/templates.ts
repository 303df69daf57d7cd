/** Submits that this browser remembers: the last ones by themselves, others by a name. Each is a `hakuriver` line. */
import { ref } from 'vue'
import { readStoredJson, store } from '../../composables/stored.ts'

export interface Template {
  /** null: a recent one. */
  name: string | null
  line: string
}

const key = 'hakuriver.templates'
const mostRecent = 12
const mostSaved = 50
/** Longer ones (a list of thousands of arguments) are not kept. */
const longestLine = 20_000

function readTemplates(): Template[] {
  const stored = readStoredJson(key)
  if (!Array.isArray(stored)) return []
  return stored.flatMap((item: unknown) => {
    const { name = null, line } = (item ?? {}) as Partial<Template> // checked in the next line
    return typeof line === 'string' && (name === null || typeof name === 'string') ? [{ name, line }] : []
  })
}

/** Saved ones by name, then recent ones, newest first. */
export const templates = ref(readTemplates())

function keep(list: readonly Template[]): void {
  const saved = list.filter(({ name }) => name !== null).slice(0, mostSaved)
  const recent = list.filter(({ name }) => name === null).slice(0, mostRecent)
  saved.sort((a, b) => (a.name ?? '').localeCompare(b.name ?? ''))
  templates.value = [...saved, ...recent]
  store(key, JSON.stringify(templates.value))
}

export function rememberLine(line: string): void {
  if (line.length > longestLine) return
  const others = readTemplates().filter((known) => known.name !== null || known.line !== line)
  keep([{ name: null, line }, ...others])
}

/** One of the same name is replaced. */
export function saveTemplate(name: string, line: string): void {
  keep([{ name, line }, ...readTemplates().filter((known) => known.name !== name)])
}

export function forgetTemplate(template: Template): void {
  keep(readTemplates().filter(({ name, line }) => name !== template.name || line !== template.line))
}
