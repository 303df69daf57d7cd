/** What the files that declare commands are handed: how to make one, and how to run it. */
import type { Command } from 'commander'
import type { Context } from './context.ts'

/** Makes a command below a parent, with the options that all have. */
export type Declare = (parent: Command, usage: string, description: string) => Command
/** Makes a commander action of a function: it is handed the arguments, the options and the context. */
export type Act = <Arguments extends unknown[]>(
  run: (context: Context, ...given: Arguments) => Promise<number>,
) => (...given: unknown[]) => Promise<void>
