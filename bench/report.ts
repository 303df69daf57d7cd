/** One line per figure, beside its budget: `ok`, `over budget`, or only told where there is no budget. */

export interface Figure {
  what: string
  /** Numbers for people: "1.42 × (46 ms over 32 ms)". */
  measured: string
  /** As DESIGN has it; null: none. */
  budget: string | null
  isOk: boolean | null
}

const rows: Figure[] = []

/** A figure that has to be at most its budget. */
export function atMost(what: string, value: number, budget: number, unit: string, detail = ''): void {
  add({
    what,
    measured: `${round(value)} ${unit}${detail}`,
    budget: `≤ ${budget} ${unit}`,
    isOk: value <= budget,
  })
}

/** A figure that has to be at least its budget. */
export function atLeast(what: string, value: number, budget: number, unit: string, detail = ''): void {
  add({
    what,
    measured: `${round(value)} ${unit}${detail}`,
    budget: `≥ ${budget} ${unit}`,
    isOk: value >= budget,
  })
}

/** A figure without a budget. */
export function told(what: string, measured: string): void {
  add({ what, measured, budget: null, isOk: null })
}

function add(figure: Figure): void {
  rows.push(figure)
  process.stderr.write(`  ${figure.what}: ${figure.measured}\n`)
}

/** Prints the table; true where nothing is over its budget. */
export function printTable(): boolean {
  const header = ['what', 'measured', 'budget', '']
  const lines = rows.map(({ what, measured, budget, isOk }) => [
    what,
    measured,
    budget ?? '–',
    isOk === null ? '' : isOk ? 'ok' : 'over budget',
  ])
  const widths = header.map((_, i) => Math.max(...[header, ...lines].map((line) => (line[i] ?? '').length)))
  const print = (line: string[]) =>
    process.stdout.write(
      `${line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    )
  print(header)
  print(widths.map((width) => '─'.repeat(width)))
  for (const line of lines) print(line)
  return rows.every(({ isOk }) => isOk !== false)
}

/** The value below which the share `p` (0–1) of the values lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN
}

export function round(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
