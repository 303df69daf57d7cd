/** A terminal's screen, as `tmux capture-pane -e` gives it, drawn as SVG: pure. */

interface Style {
  color: string
  isBold: boolean
  isDim: boolean
}

interface Run extends Style {
  text: string
}

const foreground = '#d8dee9'
/** Of the sixteen colours of a terminal those that the command line uses (ECMA-48, section 8.3.117). */
const colors: Record<number, string> = {
  31: '#f0787f',
  32: '#9fd08b',
  33: '#e8c87a',
  34: '#82aaf0',
  35: '#cf94e0',
  36: '#72c7d4',
  90: '#8a93a5',
}
const cell = { width: 8.43, height: 19 }
const margin = { side: 18, top: 46, bottom: 16 }

/** Draws the lines in a window with a title. */
export function terminalSvg(lines: readonly string[], columns: number, title: string): string {
  const width = Math.ceil(columns * cell.width + 2 * margin.side)
  const height = margin.top + lines.length * cell.height + margin.bottom
  const rows = lines.map((line, at) => {
    const y = margin.top + at * cell.height + 14
    return `<text x="${margin.side}" y="${y}" xml:space="preserve">${runsOf(line).map(span).join('')}</text>`
  })
  const lights = ['#e0646b', '#dfb45c', '#7dbb6c'].map(
    (color, at) => `<circle cx="${20 + at * 18}" cy="17" r="5.5" fill="${color}"/>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    '<style>text { font: 14px/1.3 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace; white-space: pre }</style>',
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="9" fill="#20242e" stroke="#3b4252"/>`,
    ...lights,
    `<text x="${width / 2}" y="22" text-anchor="middle" fill="#8a93a5">${escaped(title)}</text>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n')
}

/** The pieces of one line that look alike. */
function runsOf(line: string): Run[] {
  const runs: Run[] = []
  let style: Style = { color: foreground, isBold: false, isDim: false }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
  for (const part of line.split(/(\u001b\[[0-9;]*m)/)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
    const [, codes] = /^\u001b\[([0-9;]*)m$/.exec(part) ?? []
    if (codes === undefined) {
      if (part !== '') runs.push({ ...style, text: part })
      continue
    }
    for (const code of codes === '' ? [0] : codes.split(';').map(Number)) style = styled(style, code)
  }
  return runs
}

function styled(style: Style, code: number): Style {
  if (code === 0) return { color: foreground, isBold: false, isDim: false }
  if (code === 1) return { ...style, isBold: true }
  if (code === 2) return { ...style, isDim: true }
  if (code === 22) return { ...style, isBold: false, isDim: false }
  if (code === 39) return { ...style, color: foreground }
  return { ...style, color: colors[code] ?? style.color }
}

function span({ text, color, isBold, isDim }: Run): string {
  const fill = isDim && color === foreground ? (colors[90] ?? color) : color
  return `<tspan fill="${fill}"${isBold ? ' font-weight="700"' : ''}>${escaped(text)}</tspan>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
