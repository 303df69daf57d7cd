/** Reading what a child writes, to its end. */
import type { Readable } from 'node:stream'

/** Takes a part of an output; the reading waits for it, so that a slow reader of ours slows the child. */
export type OnData = (stream: 'stdout' | 'stderr', data: Buffer) => Promise<void>

interface Drained {
  /** What `onData` has thrown; null: nothing. The child then finds its reader gone. */
  error: unknown
  /** All was read, up to the end. */
  isSilent: boolean
}

export interface Drain {
  /** Resolves where `onData` throws, and never else. */
  failed: Promise<void>
  /** The child has ended: waits for the end of its output, or until nothing comes any more. */
  finish(): Promise<Drained>
}

/**
 * What is silent for so long after the end has nothing more to say, even where a process that has left the session
 * holds the output open.
 */
const silenceMs = 1_000
const lookMs = 50

/** Hands on all that comes. */
export function drain(stream: Readable | null, name: 'stdout' | 'stderr', onData: OnData): Drain {
  const failure = Promise.withResolvers<void>()
  if (stream === null)
    return { failed: failure.promise, finish: () => Promise.resolve({ error: null, isSilent: true }) }
  let isBusy = false
  let isGivenUp = false
  let lastMs = 0
  const read = async (): Promise<Drained> => {
    try {
      for await (const chunk of stream) {
        isBusy = true
        await onData(name, chunk)
        isBusy = false
        lastMs = performance.now()
      }
      return { error: null, isSilent: true }
    } catch (error) {
      if (isGivenUp) return { error: null, isSilent: false }
      failure.resolve()
      return { error, isSilent: false }
    }
  }
  const drained = read()
  return {
    failed: failure.promise,
    finish() {
      lastMs = performance.now()
      const timer = setInterval(() => {
        if (isBusy || performance.now() - lastMs < silenceMs) return
        isGivenUp = true
        stream.destroy()
      }, lookMs)
      return drained.finally(() => clearInterval(timer))
    },
  }
}
