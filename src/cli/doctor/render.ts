/** Findings for a person: a mark and a word for each, what was found, and below it what to do. */

import { count, printable } from '../../core/text.ts'
import type { Context } from '../context.ts'
import type { Finding, FindingStatus, Group } from './finding.ts'

const marks: Record<FindingStatus, string> = { ok: '✔', warning: '!', problem: '✘', not_checked: '–' }
const words: Record<FindingStatus, string> = {
  ok: 'ok',
  warning: 'warning',
  problem: 'problem',
  not_checked: 'not checked',
}
const wordWidth = 'not checked'.length
/** Below this width the text begins under its word. */
const narrow = 60

/** The lines; `width` null: nothing is wrapped. */
export function renderFindings(groups: Group[], width: number | null, colors: Context['colors']): string[] {
  const lines = groups.flatMap(({ title, findings }) => [
    colors.bold(printable(title)),
    ...findings.flatMap((finding) => renderFinding(finding, width, colors)),
    '',
  ])
  return [...lines, summary(groups.flatMap(({ findings }) => findings))]
}

function renderFinding(finding: Finding, width: number | null, colors: Context['colors']): string[] {
  const { status, found, fix } = finding
  const paint = painter(status, colors)
  const isNarrow = width !== null && width < narrow
  const head = isNarrow
    ? `${marks[status]} ${words[status]}: `
    : `  ${marks[status]} ${words[status].padEnd(wordWidth)}  `
  const indent = isNarrow ? 2 : head.length
  const [first = '', ...rest] = wrap(printable(found), width, indent, head.length)
  const told = [
    paint(head) + first,
    ...rest.map((line) => ' '.repeat(indent) + line),
    ...fixLines(fix, width, indent + 2),
  ]
  return told
}

/** Lines to copy are never broken. */
function fixLines(fix: string | null, width: number | null, indent: number): string[] {
  if (fix === null) return []
  return fix
    .split('\n')
    .flatMap((line) =>
      line.startsWith('  ') ? [printable(line)] : wrap(printable(line), width, indent, indent),
    )
    .map((line) => ' '.repeat(indent) + line)
}

function painter(status: FindingStatus, colors: Context['colors']): (text: string) => string {
  switch (status) {
    case 'ok':
      return colors.green
    case 'warning':
      return colors.yellow
    case 'problem':
      return colors.red
    case 'not_checked':
      return colors.dim
  }
}

/** Breaks a text at spaces, for lines that begin after `indent` characters, the first after `start`. */
function wrap(text: string, width: number | null, indent: number, start: number): string[] {
  if (width === null) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const room = Math.max(10, width - (lines.length === 0 ? start : indent))
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

function summary(findings: Finding[]): string {
  const number = (status: FindingStatus) => findings.filter((finding) => finding.status === status).length
  const [problems, warnings, unchecked] = [number('problem'), number('warning'), number('not_checked')]
  const parts = [
    problems === 0 ? 'No problem' : count(problems, 'problem'),
    ...(warnings === 0 ? [] : [count(warnings, 'warning')]),
    ...(unchecked === 0 ? [] : [`${unchecked} not checked`]),
    `${number('ok')} ok`,
  ]
  return `${parts.join(', ')}.`
}
