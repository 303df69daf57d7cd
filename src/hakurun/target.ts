/** What is to be run: a program, or a Python module or function with the Python of the user's environment. */
import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '../core/errors.ts'
import type { SpanValue } from '../core/span.ts'
import { printable } from '../core/text.ts'

const execute = promisify(execFile)

/** Makes the command line of one combination. */
export type Target = (words: readonly SpanValue[]) => { file: string; args: string[] }

type Env = Readonly<Record<string, string | undefined>>

const pythonName = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?::[A-Za-z_]\w*)?$/

/**
 * Finds out what a word names. What has a slash is a file, what lies on PATH a program; anything else is looked up
 * by Python from the current directory.
 * @throws AppError `invalid_request` where it is none of these
 */
export async function findTarget(word: string, python: string | null, env: Env): Promise<Target> {
  if (word.includes('/')) {
    checkProgram(word)
    return program
  }
  if (!word.includes(':') && onPath(word, env) !== null) return program
  const isPython = pythonName.test(word)
  const interpreter = isPython ? findPython(python, env) : null
  if (interpreter !== null && (await hasModule(interpreter, word.split(':')[0] ?? '')))
    return (words) => pythonCommand(interpreter, word, words)
  const also = isPython
    ? interpreter === null
      ? ', and there is no Python to look for a module'
      : ', nor a Python module from here'
    : ''
  throw new AppError('invalid_request', `there is no program "${printable(word)}" on PATH${also}`, {
    details: { fix: 'Write ./name for a file of this directory, or mymod:myfunc for a Python function.' },
  })
}

const program: Target = (words) => {
  const [file = '', ...args] = words.map(({ text }) => text)
  return { file, args }
}

function checkProgram(path: string): void {
  if (isProgram(path)) return
  const isThere = statSync(path, { throwIfNoEntry: false })?.isFile() === true
  const why = isThere ? 'is not executable' : 'is not there'
  const fix = path.endsWith('.py')
    ? `Write it as: python ${path}`
    : `Run chmod +x ${path}, or name its interpreter.`
  throw new AppError('invalid_request', `${printable(path)} ${why}`, isThere ? { details: { fix } } : {})
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function onPath(name: string, env: Env): string | null {
  const dirs = (env.PATH ?? '').split(delimiter).map((dir) => join(dir || '.', name))
  return dirs.find(isProgram) ?? null
}

/** The one that was named (--python, HAKURIVER_PYTHON), that of the active virtual environment, or the first on PATH. */
function findPython(named: string | null, env: Env): string | null {
  const wanted = named ?? env.HAKURIVER_PYTHON
  if (wanted) return wanted
  const own = env.VIRTUAL_ENV ? join(env.VIRTUAL_ENV, 'bin', 'python') : null
  if (own !== null && isProgram(own)) return own
  return onPath('python3', env) ?? onPath('python', env)
}

/** Here is looked first, also where PYTHONSAFEPATH is set: `hakurun` is asked for what lies here. */
const herePath = "import sys\nif sys.path[:1] != ['']: sys.path.insert(0, '')\n"

/** A package that cannot be imported for another reason is there: the run itself shows its traceback. */
const finder = `${herePath}
import importlib.util
name = sys.argv[1]
try:
    found = importlib.util.find_spec(name) is not None
except ModuleNotFoundError as error:
    found = not f'{name}.'.startswith(f'{error.name}.')
except BaseException:
    found = True
sys.exit(0 if found else 3)
`

async function hasModule(python: string, name: string): Promise<boolean> {
  try {
    await execute(python, ['-c', finder, name], { timeout: 20_000 })
    return true
  } catch (error) {
    const exit = error instanceof Error && 'code' in error ? error.code : null
    if (exit === 3) return false
    throw new AppError(
      'invalid_request',
      `cannot run ${python} to look for the module ${name}: ${String(exit)}`,
    )
  }
}

/**
 * A function gets ranges of numbers as numbers, everything else as text, and `name=value` by name. A module is run
 * as `python -m` runs it. Nothing of the user's is ever part of the code.
 */
const helper = `${herePath}
import importlib, json, runpy
target, words = sys.argv[1], json.loads(sys.argv[2])
name, _, function = target.partition(':')
if not function:
    sys.argv = [name] + [word['text'] for word in words]
    runpy.run_module(name, run_name='__main__', alter_sys=True)
else:
    def number(text):
        try:
            return int(text)
        except ValueError:
            return float(text)
    args, named = [], {}
    for word in words:
        key, equals, value = word['text'].partition('=')
        is_named = equals == '=' and key.isidentifier()
        text = value if is_named else word['text']
        found = number(text) if word['isNumber'] else text
        if is_named:
            named[key] = found
        else:
            args.append(found)
    sys.argv = [target] + [word['text'] for word in words]
    getattr(importlib.import_module(name), function)(*args, **named)
`

function pythonCommand(python: string, target: string, words: readonly SpanValue[]) {
  return { file: python, args: ['-u', '-c', helper, target, JSON.stringify(words.slice(1))] }
}
