import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { maxArgumentBytes } from '../../core/carry.ts'
import { AppError } from '../../core/errors.ts'
import { launchFailedExitCode, quote, type RunScript, renderRunScript } from './script.ts'

const root = mkdtempSync(join(tmpdir(), 'hakuriver-script-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const shells = [['/bin/sh'], ['dash'], ['bash'], ['bash', '--posix'], ['busybox', 'sh']].filter(
  ([program = '', ...words]) => spawnSync(program, [...words, '-c', 'exit 0']).status === 0,
)

const separator = Buffer.from('\n--- the next part ---\n')
/** Tells what arrived, straight from the kernel. What parts it is not found in these words themselves. */
const tell =
  'for part in cmdline environ; do ' +
  String.raw`/bin/cat "/proc/$$/$part"; printf '\n--- the next part ---\n'; done; readlink -n "/proc/$$/cwd"`

interface Arrived {
  argv: Buffer[]
  env: Map<string, Buffer>
  cwd: Buffer
}

interface Outcome {
  status: number | null
  stdout: Buffer
  stderr: Buffer
}

let number = 0

function execute(shell: string[], script: Partial<RunScript>, env: Record<string, string> = {}): Outcome {
  number += 1
  const path = join(root, `${number}.sh`)
  const whole: RunScript = {
    argv: ['true'],
    env: [],
    cwd: root,
    notePath: join(root, `${number}.note`),
    ...script,
  }
  writeFileSync(path, renderRunScript(whole))
  const [program = '', ...words] = shell
  const started = { PATH: process.env.PATH ?? '', ...env }
  const { status, stdout, stderr, error } = spawnSync(program, [...words, path], {
    env: started,
    maxBuffer: 8 << 20,
  })
  if (error !== undefined) throw error
  return { status, stdout, stderr }
}

function parse({ status, stdout, stderr }: Outcome): Arrived {
  if (status !== 0) throw new Error(`ended with ${status}: ${stderr.toString().slice(0, 500)}`)
  const [argv = Buffer.alloc(0), environ = Buffer.alloc(0), cwd = Buffer.alloc(0)] = split(stdout, separator)
  const env = split(environ.subarray(0, -1), Buffer.of(0)).map((pair) => {
    const at = pair.indexOf('=')
    return [pair.subarray(0, at).toString(), pair.subarray(at + 1)] as const
  })
  return { argv: split(argv.subarray(0, -1), Buffer.of(0)), env: new Map(env), cwd }
}

function split(bytes: Buffer, by: Buffer): Buffer[] {
  const parts: Buffer[] = []
  let from = 0
  for (let at = bytes.indexOf(by); at >= 0; at = bytes.indexOf(by, from)) {
    parts.push(bytes.subarray(from, at))
    from = at + by.length
  }
  return [...parts, bytes.subarray(from)]
}

/** Runs `tell` with words behind it. */
function send(shell: string[], words: (string | Uint8Array)[], more: Partial<RunScript> = {}): Arrived {
  return parse(execute(shell, { argv: ['/bin/sh', '-c', tell, 'sh', ...words], ...more }))
}

const bytesOf = (value: string | Uint8Array) =>
  typeof value === 'string' ? Buffer.from(value) : Buffer.from(value)

const awkward = fc.constantFrom(
  ...String.raw`' '' " $ $HOME $(id) ${'`id`'} % %h%% \ \\ \' -- - -x --help * ~ ! # & ; | < > } { ';id;' '\'' \c $$`.split(
    ' ',
  ),
  ...['', ' ', '\n', '\t', '\r', 'a\n}\nb', '\u0080', 'ß', '\u{1f600}', '\u3000', 'a=b', '\x7f', '\x1b[0m'],
)
const text = fc
  .oneof(
    awkward,
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.array(awkward, { maxLength: 6 }).map((parts) => parts.join('')),
  )
  .filter((value) => !value.includes('\0') && value.isWellFormed())
const bytes = fc.uint8Array({ min: 1, maxLength: 40 })
const value = fc.oneof({ weight: 3, arbitrary: text }, { weight: 1, arbitrary: bytes })
const name = fc.oneof(
  fc.constantFrom(
    'HOME',
    'IFS',
    'PS4',
    'LC_ALL',
    'LANG',
    'ENV',
    'BASH_ENV',
    'CDPATH',
    'OPTARG',
    'x',
    '_x1',
    'TERM',
  ),
  fc
    .string({ unit: fc.constantFrom(...'ABCxyz_019'), minLength: 1, maxLength: 12 })
    .map((rest) => `V${rest}`),
)
/** One name of a directory. */
const folder = fc
  .oneof(text, bytes)
  .map((part) => bytesOf(part).map((byte) => (byte === 0x2f ? 0x2b : byte)))
  .filter((part) => part.length < 200)

describe.each(shells.map((words) => ({ shell: words.join(' '), words })))(
  'start script in $shell',
  ({ words: shell }) => {
    test('arguments, environment and working directory arrive byte for byte', () => {
      let run = 0
      fc.assert(
        fc.property(
          fc.array(value, { maxLength: 8 }),
          fc.uniqueArray(fc.tuple(name, value), { maxLength: 6, selector: ([key]) => key }),
          folder,
          (words, env, part) => {
            run += 1
            const parent = join(root, `${number}-${run}`)
            const cwd = Buffer.concat([Buffer.from(`${parent}/`), Buffer.from('x'), part])
            mkdirSync(parent)
            mkdirSync(cwd)
            const arrived = send(shell, words, { env, cwd })
            expect(arrived.argv).toEqual(['/bin/sh', '-c', tell, 'sh', ...words].map(bytesOf))
            for (const [key, sent] of env) expect(arrived.env.get(key)).toEqual(bytesOf(sent))
            expect(arrived.cwd).toEqual(cwd)
          },
        ),
        { numRuns: 60 },
      )
    })

    test('every byte but NUL arrives as argument, variable and directory', () => {
      const all = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1))
      const cwd = Buffer.concat([
        Buffer.from(`${root}/every-${number}-`),
        all.filter((byte) => byte !== 0x2f).subarray(0, 200),
      ])
      mkdirSync(cwd)
      const arrived = send(shell, [all, all.toReversed()], { env: [['ALL', all]], cwd })
      expect(arrived.argv.slice(4)).toEqual([all, Buffer.from(all.toReversed())])
      expect(arrived.env.get('ALL')).toEqual(all)
      expect(arrived.cwd).toEqual(cwd)
    })

    test('the largest argument and variable arrive', () => {
      const large = "'x\n".repeat(maxArgumentBytes).slice(0, maxArgumentBytes)
      const variable = large.slice('LARGE='.length)
      const arrived = send(shell, [large], { env: [['LARGE', variable]] })
      expect(arrived.argv[4]?.equals(Buffer.from(large))).toBe(true)
      expect(arrived.env.get('LARGE')?.equals(Buffer.from(variable))).toBe(true)
    })

    test('many arguments arrive', () => {
      const words = Array.from({ length: 20_000 }, (_, index) => `${index}`)
      expect(send(shell, words).argv).toHaveLength(words.length + 4)
    })

    test('a change of the locale does not change how the rest is read', () => {
      // in Shift JIS and Big5 the second byte of a letter may be a backslash or a quote
      const word = Buffer.from([0x83, 0x5c, 0x83, 0x27, 0x81, 0x60])
      const env = [
        ['LC_ALL', 'ja_JP.SJIS'],
        ['LC_CTYPE', 'C'],
        ['AFTER', word],
      ] as const
      const arrived = send(shell, [word], { env })
      expect(arrived.argv[4]).toEqual(word)
      expect(arrived.env.get('AFTER')).toEqual(word)
    })

    test('a program with an awkward path is run', () => {
      for (const part of ["it's", 'a b\nc', '-n', '$HOME', '--', 'a=b', '%', '\\']) {
        const path = join(root, `${number}${part}`)
        symlinkSync('/bin/sh', path)
        const arrived = parse(execute(shell, { argv: [path, '-c', tell, 'sh'] }))
        expect(arrived.argv[0]?.toString()).toBe(path)
      }
    })

    test('a program whose name begins with a dash is looked up in PATH', () => {
      const bin = mkdtempSync(join(root, 'bin-'))
      for (const program of ['-n', '--', '-c']) {
        writeFileSync(join(bin, program), '#!/bin/sh\nprintf "%s|" "$0" "$@"\n', { mode: 0o755 })
        const path = `${bin}:/usr/bin:/bin`
        const { status, stdout } = execute(shell, { argv: [program, '-a', ''], env: [['PATH', path]] })
        expect({ program, status, said: stdout.toString() }).toEqual({
          program,
          status: 0,
          said: `${join(bin, program)}|-a||`,
        })
      }
    })

    test("the task's own PATH is what its program is looked up in", () => {
      const bin = mkdtempSync(join(root, 'bin-'))
      writeFileSync(join(bin, 'own'), '#!/bin/sh\necho own\n', { mode: 0o755 })
      expect(execute(shell, { argv: ['own'], env: [['PATH', bin]] }).stdout.toString()).toBe('own\n')
      expect(execute(shell, { argv: ['own'] }).status).toBe(127)
    })

    test('a word of the shell is no program', () => {
      for (const word of ['cd', 'exit', 'return', 'if', '{', ':', 'x=1', '']) {
        const { status } = execute(shell, { argv: [word], env: [['PATH', root]] })
        expect([126, 127], word).toContain(status)
      }
    })

    test('what cannot be executed ends with 126 or 127', () => {
      const path = join(root, `${number}-plain`)
      writeFileSync(path, '')
      expect(execute(shell, { argv: [path] }).status).toBe(126)
      expect(execute(shell, { argv: [join(root, 'not-there')] }).status).toBe(127)
      expect(execute(shell, { argv: ['not-there'] }).status).toBe(127)
    })

    test('no shell is left behind', () => {
      const { stdout } = execute(shell, { argv: ['/bin/sh', '-c', 'echo $PPID'] })
      expect(Number(stdout.toString())).toBe(process.pid)
    })

    test('a working directory that cannot be entered is noted, and nothing runs', () => {
      const ran = join(root, `${number}-ran`)
      for (const cwd of ['/nowhere/at all', '/etc/passwd', "/it's", '/-']) {
        const { status, stderr } = execute(shell, {
          argv: ['touch', ran],
          cwd,
          prelude: [`echo ran > '${ran}'`],
        })
        expect(status).toBe(launchFailedExitCode)
        expect(readFileSync(join(root, `${number}.note`), 'utf8')).toBe(
          `cannot enter the working directory ${cwd}\n`,
        )
        expect(stderr.toString()).toBe(`hakuriver: cannot enter the working directory ${cwd}\n`)
      }
      expect(existsSync(ran)).toBe(false)
    })

    test('a directory that is called like an option is entered', () => {
      const cwd = join(root, `${number}`, '-P')
      mkdirSync(cwd, { recursive: true })
      expect(send(shell, [], { cwd, env: [['CDPATH', '/usr']] }).cwd.toString()).toBe(cwd)
    })

    test('our own words come before the command, what we want done before them', () => {
      const mark = join(root, `${number}-mark`)
      const { stdout } = execute(shell, {
        argv: ['sh', '-c', 'cat "$1"; echo $WRAPPED', 'sh', mark],
        wrapper: ['env', '--', 'WRAPPED=1'],
        prelude: [`echo 'mark' > '${mark}'`],
      })
      expect(stdout.toString()).toBe('mark\n1\n')
    })
  },
)

describe('quoting', () => {
  test('a NUL byte is refused', () => {
    for (const broken of ['a\0b', Buffer.of(0)]) {
      expect(() => quote(broken)).toThrow(AppError)
      expect(() => renderRunScript({ argv: [broken], env: [], cwd: '/', notePath: '/n' })).toThrow(/NUL/)
      expect(() => renderRunScript({ argv: ['a'], env: [['x', broken]], cwd: '/', notePath: '/n' })).toThrow(
        /NUL/,
      )
      expect(() => renderRunScript({ argv: ['a'], env: [], cwd: broken, notePath: '/n' })).toThrow(/NUL/)
    }
  })

  test('what is quoted is one word of a shell', () => {
    fc.assert(
      fc.property(value, (word) => {
        const quoted = quote(word).toString('latin1')
        expect(quoted.replaceAll("'\\''", '')).toMatch(/^'[^']*'$/)
      }),
    )
  })
})
