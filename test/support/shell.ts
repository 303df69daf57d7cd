/** An interactive shell on a terminal of its own, typed into as a person does. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '../../src/platform/wait.ts'

export type ShellName = 'bash' | 'zsh' | 'fish'

const prompt = 'READY> '
/** What stands on the line when Ctrl-G is pressed comes between these. */
const shown = /\u00ab(.*?)\u00bb/su

/** What each shell is told first: a plain prompt, the completion, and Ctrl-G to show the line. */
const startFiles: Record<ShellName, { file: string; text: string; command: (dir: string) => string[] }> = {
  bash: {
    file: 'bashrc',
    text: `shopt -s expand_aliases
source <(hakuriver completion bash)
bind 'set show-all-if-ambiguous on'
bind 'set enable-bracketed-paste off'
bind -x '"\\C-g": printf "\u00ab%s\u00bb\\n" "$READLINE_LINE"'
PS1='${prompt}'`,
    command: (dir) => ['bash', '--noprofile', '--rcfile', join(dir, 'bashrc'), '-i'],
  },
  zsh: {
    file: '.zshrc',
    text: `autoload -Uz compinit && compinit -u -d "$ZDOTDIR/dump"
source <(hakuriver completion zsh)
show() { print -r -- "\u00ab$BUFFER\u00bb" }
zle -N show && bindkey '^G' show
PS1='${prompt}' PROMPT_SP= PROMPT_CR=`,
    command: () => ['zsh', '-i'],
  },
  fish: {
    file: 'config.fish',
    text: `hakuriver completion fish | source
function fish_prompt; printf '%s' '${prompt}'; end
bind \\cg 'printf "\u00ab%s\u00bb\\n" (commandline)'`,
    command: (dir) => ['fish', '--init-command', `source ${join(dir, 'config.fish')}`, '-i'],
  },
}

/**
 * Types a line and a Tab into a new shell (`first` is what it runs before all else); gives the line as the shell has completed it, and all that
 * was printed.
 */
export async function typeTab(
  shell: ShellName,
  line: string,
  dir: string,
  env: Record<string, string | undefined>,
  first = '',
): Promise<{ line: string; screen: string }> {
  const { file, text, command } = startFiles[shell]
  writeFileSync(join(dir, file), `${first}\n${text}\n`)
  const words = command(dir)
    .map((word) => `'${word}'`)
    .join(' ')
  const child = spawn('script', ['-qec', `stty cols 200 rows 50; exec ${words}`, '/dev/null'], {
    cwd: dir,
    env: {
      ...process.env,
      TERM: 'xterm',
      HOME: dir,
      ZDOTDIR: dir,
      XDG_CONFIG_HOME: dir,
      XDG_DATA_HOME: dir,
      ...env,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let screen = ''
  child.stdout.on('data', (data: Buffer) => {
    screen += data.toString()
  })
  try {
    await waitFor(`the prompt of ${shell}`, () => screen.includes(prompt))
    child.stdin.write(`${line}\t`)
    child.stdin.write('\u0007')
    const found = await waitFor(`the line of ${shell}`, () => shown.exec(screen))
    return { line: found[1] ?? '', screen }
  } catch (error) {
    throw new Error(`${String(error)}; on the screen: ${JSON.stringify(screen)}`)
  } finally {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
}
