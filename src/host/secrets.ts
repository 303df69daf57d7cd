/** The way of secrets through the host: sealed with a submit, opened when an attempt is sent to its node. */
import { AppError } from '../core/errors.ts'
import type { SealedRef, Task } from '../core/task.ts'
import type { SubmitBody } from '../protocol/schemas.ts'
import type { SealedSet, Store } from './store/store.ts'
import type { Vault } from './vault.ts'

type Values = Readonly<Record<string, string>>

/** The different sets of secrets of one submit: what is the same is kept once. */
export class SecretSets {
  private readonly batchId: number
  private readonly sets = new Map<string, { ref: SealedRef; values: Values }>()

  constructor(batchId: number) {
    this.batchId = batchId
  }

  /** Where the secrets of a spec will lie; null: it has none. */
  refOf(values: Values): SealedRef | null {
    const names = Object.keys(values).sort()
    if (names.length === 0) return null
    const key = JSON.stringify(names.map((name) => [name, values[name]]))
    let found = this.sets.get(key)
    if (found === undefined) {
      found = { ref: { batchId: this.batchId, set: this.sets.size, names }, values }
      this.sets.set(key, found)
    }
    return found.ref
  }

  /** @throws AppError `conflict` where the host has no key */
  seal(owner: string, vault: Vault): SealedSet[] {
    return [...this.sets.values()].map(({ ref, values }) => ({
      set: ref.set,
      data: vault.seal({ owner, ref }, values),
    }))
  }
}

/** All secrets of a spec of a submit: its own win over those of all specs. */
export function secretsOf(body: Pick<SubmitBody, 'secrets'>, spec: SubmitBody['specs'][number]): Values {
  return { ...body.secrets, ...spec.secrets }
}

/** The secrets of a task for its node. @throws AppError `unavailable` where they cannot be had, in words for its owner */
export async function openSecrets(
  { owner, spec }: Pick<Task, 'owner' | 'spec'>,
  store: Pick<Store, 'sealedSet'>,
  vault: Vault,
): Promise<Record<string, string>> {
  const { sealed: ref } = spec
  if (ref === undefined) return {}
  const data = await store.sealedSet(ref.batchId, ref.set)
  if (data === null)
    throw new AppError('unavailable', 'its secrets are not in the database any more: submit it again')
  return vault.open({ owner, ref }, data)
}
