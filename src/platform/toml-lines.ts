/** Where a key stands in a TOML text: the parser tells values, not places. */

const header = /^\s*\[\s*([^[\]]+?)\s*\]\s*(?:#.*)?$/
const assignment =
  /^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*=/

/**
 * The line, from 1, that sets `section.name`, written below `[section]`, with dots, or in an inline table of the
 * section. Of a text that parses; 1 where it cannot be told.
 */
export function lineOfKey(text: string, key: string): number {
  const dot = key.indexOf('.')
  const section = dot < 0 ? key : key.slice(0, dot)
  let inSection = ''
  for (const [at, line] of text.split('\n').entries()) {
    const [, opened] = header.exec(line) ?? []
    if (opened !== undefined) {
      inSection = plainKey(opened)
      if (inSection === key) return at + 1
      continue
    }
    const [, name] = assignment.exec(line) ?? []
    if (name === undefined) continue
    const full = inSection === '' ? plainKey(name) : `${inSection}.${plainKey(name)}`
    if (full === key || full.startsWith(`${key}.`) || (inSection === '' && full === section)) return at + 1
  }
  return 1
}

/** `"a" . b` as `a.b`. */
function plainKey(text: string): string {
  return text
    .split('.')
    .map((part) => part.trim().replace(/^(["'])(.*)\1$/, '$2'))
    .join('.')
}
