/** All that `hakuriver submit` and `hakuriver sweep` can say of tasks, as one value: for a form, and the command line. */
import { AppError } from './errors.ts'
import { type Combination, combinationsOf, type Sweep, type SweepMode } from './sweep.ts'
import type { TaskSpec } from './task.ts'

export interface SubmitForm {
  /** The command and its arguments, as they are. */
  words: string[]
  /** As `parseTarget` reads them; empty: any. */
  targets: string[]
  cores: number
  /** null: no limit. */
  memoryBytes: number | null
  /** null: no limit. */
  timeoutMs: number | null
  env: Record<string, string>
  /** Variables that only the task sees. Their values are in no line and no text that is made of a form. */
  secrets: Record<string, string>
  cwd: string | null
  /** null: none; a sweep then names each task by its values. */
  name: string | null
  privateNetwork: boolean
  privatePids: boolean
  /** false: a target that is busy refuses it. */
  queue: boolean
  /** How often at most it is started again because its node was lost. */
  requeue: number
  allOrNothing: boolean
  /** How the spans of the words are read: a task for each combination; null: they are not. */
  sweep: SweepMode | null
}

/** A form with nothing in it but the defaults. */
export function emptyForm(): SubmitForm {
  return {
    words: [],
    targets: [],
    cores: 1,
    memoryBytes: null,
    timeoutMs: null,
    env: {},
    secrets: {},
    cwd: null,
    name: null,
    privateNetwork: false,
    privatePids: false,
    queue: true,
    requeue: 0,
    allOrNothing: false,
    sweep: null,
  }
}

/** The same form without what its secrets are: they have still to be written. */
export function withoutSecrets(form: SubmitForm): SubmitForm {
  return { ...form, secrets: blanked(form.secrets) }
}

/** Secrets of which only the names are left. */
export function blanked(secrets: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.keys(secrets).map((name) => [name, '']))
}

/** What a form says of each task. Secrets are the same for all, and sent once. */
export type FormOfTask = Omit<SubmitForm, 'words' | 'targets' | 'allOrNothing' | 'sweep' | 'secrets'>

/** The task of a command with its arguments. @throws AppError `invalid_request` where there is none */
export function specOfWords(words: readonly string[], form: FormOfTask): TaskSpec {
  const [command, ...rest] = words
  if (command === undefined || command === '') {
    throw new AppError('invalid_request', 'there is no command to run', {
      details: { fix: 'Write it after --, like: hakuriver submit -- python train.py' },
    })
  }
  const { env, cores, memoryBytes, timeoutMs, cwd, name, privateNetwork, privatePids, queue, requeue } = form
  return {
    command,
    arguments: rest,
    env,
    cores,
    memoryBytes,
    timeoutMs,
    cwd,
    name,
    privateNetwork,
    privatePids,
    queue,
    ...(requeue > 0 && { requeue }),
  }
}

/** The tasks of a sweep in their order, each named by its values where the form has no name. @throws AppError `invalid_request` */
export function* specsOfSweep(sweep: Sweep, form: FormOfTask): Generator<TaskSpec> {
  for (const combination of combinationsOf(sweep)) {
    const words = combination.words.map(({ text }) => text)
    yield specOfWords(words, { ...form, name: form.name ?? nameOf(combination) })
  }
}

/** As long as the name of a task may be. */
const nameLength = 200

function nameOf({ values }: Combination): string | null {
  const name = values.join(' ').slice(0, nameLength)
  return name === '' ? null : name
}
