/** `hakuriver completion`: the script of a shell, printed or put where that shell looks for it. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AppError, exitCodes } from '../../core/errors.ts'
import type { Io } from '../../platform/io.ts'
import type { Context } from '../context.ts'
import { ownFile } from '../sibling.ts'

export type Shell = keyof typeof scripts

export interface CompletionOptions {
  install: boolean
}

/** The script of each shell, below `completions` beside this program. */
const scripts = { bash: 'hakuriver.bash', zsh: '_hakuriver', fish: 'hakuriver.fish' } as const
/** bash and fish look for a file of the name of what is completed. */
const programs = ['hakuriver', 'hakuriver.client', 'hakuriver.host', 'hakuriver.runner', 'hakurun']

/** Prints the script, or installs it for this user. `own` is this program's file. */
export async function completion(
  asked: Shell | undefined,
  options: CompletionOptions,
  context: Context,
  own: string = ownFile(),
): Promise<number> {
  const shell = asked ?? shellOf(context.io)
  const script = await readFile(join(dirname(own), 'completions', scripts[shell]), 'utf8')
  if (!options.install) {
    await context.io.stdout.write(script)
    return exitCodes.ok
  }
  const files = filesOf(shell, context.io)
  for (const path of files) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, script)
  }
  if (context.json) await context.printJson({ shell, files })
  else {
    await context.print(files.map((path) => `Wrote ${path}`))
    await context.note(hints[shell])
  }
  return exitCodes.ok
}

const hints: Record<Shell, string> = {
  bash: 'It works in the next shell, where the package bash-completion is installed.',
  zsh: 'It works in the next shell, where ~/.zshrc has, before compinit:\n  fpath=(~/.local/share/zsh/site-functions $fpath)',
  fish: 'It works at once.',
}

function shellOf({ env }: Pick<Io, 'env'>): Shell {
  const name = basename(env.SHELL ?? '')
  if (name === 'bash' || name === 'zsh' || name === 'fish') return name
  throw new AppError(
    'invalid_request',
    `there is no completion for ${name === '' ? 'an unknown shell' : name}`,
    {
      details: { fix: 'Name the shell: hakuriver completion bash, zsh or fish.' },
    },
  )
}

/** Where bash-completion, zsh and fish look for what a user has put there. */
function filesOf(shell: Shell, { env, userHome }: Pick<Io, 'env' | 'userHome'>): string[] {
  const data = env.XDG_DATA_HOME || join(userHome, '.local/share')
  switch (shell) {
    case 'bash':
      return programs.map((name) => join(data, 'bash-completion/completions', name))
    case 'zsh':
      return [join(data, 'zsh/site-functions/_hakuriver')]
    case 'fish':
      return programs.map((name) =>
        join(env.XDG_CONFIG_HOME || join(userHome, '.config'), 'fish/completions', `${name}.fish`),
      )
  }
}
