/** What the files that declare commands are handed: how to make one, and how to run it. */
import type { Command } from 'commander'
import type { Context } from './context.ts'

/** Makes a command below a parent; `build` gives it its options and action, where it is asked for. */
export type Declare = (
  parent: Command,
  usage: string,
  description: string,
  build: (command: Command) => unknown,
) => Command
/** Makes a commander action of a function: it is handed the arguments, the options and the context. */
export type Act = <Arguments extends unknown[]>(
  run: (context: Context, ...given: Arguments) => Promise<number>,
) => (...given: unknown[]) => Promise<void>

/** What a declaration needs beside the command that it goes below. */
export interface Parts {
  declare: Declare
  act: Act
}

/** Commands under one heading of the help, by their names: only the one that is asked for need be made. */
export interface CommandGroup {
  heading: string
  commands: Readonly<Record<string, (program: Command, parts: Parts) => void>>
}
