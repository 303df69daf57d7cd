/**
 * Finds machines that run with copies of one state directory, as a cloned disk makes them: the same runner id, alive in
 * two boots at once. Neither is trusted with new tasks while both are there; the one that was not linked is refused.
 */
import type { Clock } from '../platform/clock.ts'
import type { LinkSession } from './link-session.ts'

interface Claim {
  node: string
  runnerId: string
  bootId: string
}

/** How long a linked runner may take to give a sign of life when another one claims to be it. */
const signMs = 2_000
/** A refused runner asks again sooner than this (`runner/link.ts`): when it does not, it is gone. */
const copyMs = 120_000
/** Boots of one runner that are remembered. */
const bootsKept = 20

export class Copies {
  private readonly clock: Clock
  private readonly setProblem: (node: string, reason: string | null) => void
  /** Who waits for a sign of life of a session. */
  private readonly asked = new Map<LinkSession, (() => void)[]>()
  /** When each boot of a runner was last the one that is linked, by runner id. */
  private readonly boots = new Map<string, Map<string, number>>()
  /** Until when a runner id counts as copied, and the nodes that are closed for it. */
  private readonly found = new Map<string, { untilMs: number; nodes: Set<string> }>()

  constructor(clock: Clock, setProblem: (node: string, reason: string | null) => void) {
    this.clock = clock
    this.setProblem = setProblem
  }

  /**
   * Is who says hello a copy of another, or another a copy of it? Answers null where it may be welcomed, else why it is
   * refused. A reboot looks alike until the old link is asked for a sign of life.
   */
  check(claim: Claim, linked: readonly LinkSession[], answer: (problem: string | null) => void): void {
    const { node, runnerId, bootId } = claim
    const rival = linked.find(
      (session) => session.runnerId === runnerId && (session.bootId !== bootId || session.node !== node),
    )
    if (rival === undefined) {
      const pastMs = this.sinceOther(claim)
      if (pastMs === null) return answer(this.taken(claim))
      const problem = this.copied(claim, node)
      // the copy may have been put right in the meantime
      return answer(pastMs < copyMs ? problem : this.taken(claim))
    }
    let cancel = () => {}
    const alive = () => {
      cancel()
      answer(this.copied(claim, rival.node ?? node))
    }
    cancel = this.clock.after(signMs, () => {
      this.asked.set(
        rival,
        (this.asked.get(rival) ?? []).filter((each) => each !== alive),
      )
      answer(this.taken(claim))
    })
    this.asked.set(rival, [...(this.asked.get(rival) ?? []), alive])
    rival.ping()
  }

  /** A session gave a sign of life. */
  heard(session: LinkSession): void {
    this.boots.get(session.runnerId)?.set(session.bootId, this.clock.monotonic())
    const asked = this.asked.get(session)
    if (asked === undefined) return
    this.asked.delete(session)
    for (const alive of asked) alive()
  }

  /** Opens nodes again whose copy has not been heard of for a while. */
  forgetOld(): void {
    const now = this.clock.monotonic()
    for (const [runnerId, { untilMs, nodes }] of this.found) {
      if (now < untilMs) continue
      this.found.delete(runnerId)
      for (const node of nodes) this.setProblem(node, null)
    }
  }

  /**
   * No machine goes back to an earlier boot: how long ago the later one was heard. null: this boot is new, or the
   * latest.
   */
  private sinceOther({ runnerId, bootId }: Claim): number | null {
    const boots = [...(this.boots.get(runnerId) ?? [])]
    if (!boots.some(([each]) => each === bootId)) return null
    const [latest = bootId, heardMs = 0] = boots.at(-1) ?? []
    return latest === bootId ? null : this.clock.monotonic() - heardMs
  }

  private taken({ runnerId, bootId }: Claim): null {
    const boots = this.boots.get(runnerId) ?? new Map<string, number>()
    boots.delete(bootId)
    boots.set(bootId, this.clock.monotonic())
    for (const old of boots.keys()) if (boots.size > bootsKept) boots.delete(old)
    this.boots.set(runnerId, boots)
    return null
  }

  private copied({ node, runnerId }: Claim, other: string): string {
    const found = this.found.get(runnerId) ?? { untilMs: 0, nodes: new Set<string>() }
    found.untilMs = this.clock.monotonic() + copyMs
    this.found.set(runnerId, found)
    for (const each of [node, other]) {
      found.nodes.add(each)
      this.setProblem(
        each,
        'another machine runs with a copy of its state directory: stop the runner of the copy, remove the file runner-id there, and start it again',
      )
    }
    return `another machine is linked with a copy of this state directory (as ${other}): if this is the copy, stop this runner, remove the file runner-id in its state directory, and start it again, with a name of its own`
  }
}
