/** `hakuriver completion`: its arguments, options and help. */
import { Argument, type Command } from 'commander'
import type { CompletionOptions, Shell } from './commands/completion.ts'
import type { Parts } from './declare.ts'

/** Adds it to the program. */
export function declareCompletion(program: Command, { declare, act }: Parts): void {
  const about = 'print what teaches your shell to complete commands, options, nodes and tasks'
  declare(program, 'completion', about, (command) =>
    command
      .addHelpText('before', examples)
      .addArgument(new Argument('[shell]', 'default: that of SHELL').choices(['bash', 'zsh', 'fish']))
      .option('--install', 'write it to where that shell looks for it, and say where that is', false)
      .action(
        act(async (context, shell: Shell | undefined, options: CompletionOptions) => {
          const { completion } = await import('./commands/completion.ts')
          return completion(shell, options, context)
        }),
      ),
  )
}

const examples = `Examples:
  source <(hakuriver completion bash)      for this shell, or in ~/.bashrc or ~/.zshrc for each
  hakuriver completion fish | source       the same for fish
  hakuriver completion --install           once for all shells that start from now on
`
