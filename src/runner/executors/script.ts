/**
 * The one script that starts a task. What the user gave stands in it as single-quoted bytes, so that no shell
 * and no service manager ever reads a part of it as its own language.
 */
import { AppError } from '../../core/errors.ts'

/** Exit code of the script when the set-up failed before the command was tried; told apart by the note file. */
export const launchFailedExitCode = 124

export interface RunScript {
  /** Program and arguments, as text or as raw bytes. */
  argv: readonly (string | Uint8Array)[]
  /** Exported in this order. Names are checked at submit (`core/carry.ts`). */
  env: readonly (readonly [name: string, value: string | Uint8Array])[]
  /** Absolute. */
  cwd: string | Uint8Array
  /** Our own words before the command, such as `numactl --cpunodebind=0 --membind=0 --`. */
  wrapper?: readonly string[]
  /** Commands of ours that run once the working directory is entered; one line each. */
  prelude?: readonly string[]
  /** Where a set-up failure is written in one sentence. */
  notePath: string
}

/**
 * Renders the script for `/bin/sh` (dash, bash or busybox). It is one compound command, so the shell has read
 * all of it before a variable such as LC_ALL can change how bytes are read (POSIX.1-2024 XCU 2.3). `exec`
 * leaves no shell behind. A command that is not there ends with 127, one that cannot be executed with 126, as
 * from any shell.
 * @throws AppError `invalid_request` for a NUL byte
 */
export function renderRunScript(script: RunScript): Buffer {
  const lines: Buffer[] = [Buffer.from('{\n')]
  lines.push(
    concat('cd -- ', quote(script.cwd), ' 2>/dev/null || {\n'),
    concat(
      'printf "cannot enter the working directory %s\\n" ',
      quote(script.cwd),
      ' >',
      quote(script.notePath),
      '\n',
    ),
    concat('printf "hakuriver: cannot enter the working directory %s\\n" ', quote(script.cwd), ' >&2\n'),
    Buffer.from(`exit ${launchFailedExitCode}\n}\n`),
  )
  for (const line of script.prelude ?? []) lines.push(Buffer.from(`${line}\n`))
  for (const [name, value] of script.env) lines.push(concat(`export ${name}=`, quote(value), '\n'))
  const words = [...(script.wrapper ?? []), ...script.argv].map(quote)
  // bash would read such a name as an option of exec, and dash knows no `exec --`
  if (words[0]?.[1] === dash) words.unshift(Buffer.from('env'), Buffer.from('--'))
  lines.push(Buffer.from('exec '), ...words.flatMap((word) => [word, Buffer.from(' ')]), Buffer.from('\n}\n'))
  return Buffer.concat(lines)
}

const singleQuote = 0x27
const dash = 0x2d
const escapedQuote = Buffer.from("'\\''")

/** Bytes in single quotes; a single quote itself is closed, escaped and opened again. */
export function quote(value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : Buffer.from(value)
  if (bytes.includes(0)) throw new AppError('invalid_request', 'a NUL byte cannot be given to a program')
  const parts: Buffer[] = [Buffer.from("'")]
  let from = 0
  for (let at = bytes.indexOf(singleQuote); at >= 0; at = bytes.indexOf(singleQuote, from)) {
    parts.push(bytes.subarray(from, at), escapedQuote)
    from = at + 1
  }
  parts.push(bytes.subarray(from), Buffer.from("'"))
  return Buffer.concat(parts)
}

function concat(...parts: (string | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
}
