/** A secret from whoever types it, or from a pipe: nothing of it is shown, nor stands on a command line. */
import { AppError } from '../core/errors.ts'
import type { Io } from '../platform/io.ts'

/** Longer is no token and no invitation. */
const mostChars = 1_000

/**
 * Asks on the terminal without echo; where standard input is none, its first line is the answer.
 * @param nothing what to say where there is none
 */
export async function askSecret(
  prompt: string,
  io: Io,
  nothing = 'nothing was given: no login',
): Promise<string> {
  const text = io.canAsk
    ? await typed(prompt, io)
    : firstLine(Buffer.from(await io.readStdin(mostChars * 4)).toString())
  const secret = text.trim()
  if (secret === '') throw new AppError('invalid_request', nothing)
  if (secret.length > mostChars) throw new AppError('invalid_request', 'this is too long for a token')
  return secret
}

async function typed(prompt: string, io: Io): Promise<string> {
  await io.stderr.write(prompt)
  const line = new TypedLine()
  try {
    await new Promise<void>((resolve) => {
      const stop = io.onKey((keys) => {
        if (!line.take(keys)) return
        stop()
        resolve()
      })
    })
  } finally {
    await io.stderr.write('\n')
  }
  if (line.isCancelled) throw new AppError('invalid_request', 'given up: no login')
  return line.text
}

/** A line as it is typed or pasted on a terminal in raw mode: Backspace, Ctrl-U, Ctrl-C and Ctrl-D as termios(3) has them. */
class TypedLine {
  text = ''
  isCancelled = false

  /** @returns whether the line is over */
  take(keys: string): boolean {
    for (const key of keys) {
      if (key === '\r' || key === '\n' || key === '\u0004') return true
      if (key === '\u0003') {
        this.isCancelled = true
        return true
      }
      if (key === '\u007f' || key === '\b') this.text = this.text.slice(0, -1)
      else if (key === '\u0015') this.text = ''
      else if (key >= ' ' && this.text.length <= mostChars) this.text += key
    }
    return false
  }
}

function firstLine(text: string): string {
  return text.trimStart().split(/\r?\n/)[0] ?? ''
}
