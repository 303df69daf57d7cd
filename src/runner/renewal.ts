/** Keeps this runner's certificate fresh: at two thirds of its life, or when the host asks for it. */
import { isRenewalDue } from '../core/joining.ts'
import type { Clock } from '../platform/clock.ts'
import { postJson } from '../platform/https-json.ts'
import type { Log } from '../platform/log.ts'
import { pinnedTls } from '../platform/tls-pin.ts'
import { routes } from '../protocol/routes.ts'
import { readIdentity, withNextKey, writeIdentity } from './identity.ts'
import { readNodeCertificate, requestFor } from './join.ts'

/** Between two looks. */
const lookMs = 3_600_000
/** After a failure. */
const retryMs = 60_000
const deadlineMs = 20_000

export interface RenewalDeps {
  stateDir: string
  hostUrl: string
  clock: Clock
  log: Log
  /** There is a new certificate: link with it. */
  onRenewed: () => void
}

export class Renewal {
  private readonly deps: RenewalDeps
  private running: Promise<void> | null = null
  private readonly closing = new AbortController()
  private lastProblem = ''
  private cancelLook = () => {}

  constructor(deps: RenewalDeps) {
    this.deps = deps
  }

  /** Looks now, and from time to time. */
  start(): void {
    const { stateDir, hostUrl, clock, log } = this.deps
    if (!hostUrl.startsWith('https:')) return
    try {
      const identity = readIdentity(stateDir)
      if (identity !== null && isRenewalDue(identity.notBeforeMs, identity.notAfterMs, clock.now()))
        return this.renew()
    } catch (error) {
      log.warn({ error: String(error) }, 'Cannot look at the certificate of this node')
    }
    this.lookIn(lookMs)
  }

  /** Makes it anew, once at a time. */
  renew(): void {
    if (this.running !== null || this.closing.signal.aborted) return
    this.running = this.renewNow()
      .then(
        () => lookMs,
        (error: unknown) => {
          this.problem(String(error))
          return retryMs
        },
      )
      .then((againMs) => {
        this.running = null
        this.lookIn(againMs, againMs === retryMs)
      })
  }

  async close(): Promise<void> {
    this.closing.abort()
    this.cancelLook()
    await this.running
  }

  private async renewNow(): Promise<void> {
    const { stateDir, hostUrl, log, onRenewed } = this.deps
    const identity = readIdentity(stateDir)
    if (identity === null) return
    const { node, nodeId, url, cert, key, ca } = identity
    const next = await requestFor(node)
    const options = { deadlineMs, signal: this.closing.signal, tls: { ...pinnedTls(ca), cert, key } }
    const made = await withNextKey(stateDir, next.key, async () =>
      readNodeCertificate(
        await postJson(hostUrl, routes.renewCertificate.path, { csr: next.csr }, options),
        node,
        next.key,
      ),
    )
    await writeIdentity(stateDir, { node, nodeId, url, cert: made.certificate, ca: made.ca })
    this.lastProblem = ''
    log.info({ node }, 'Made the certificate of this node anew')
    onRenewed()
  }

  /** One line for a problem that goes on, not one for each try. */
  private problem(error: string): void {
    if (error === this.lastProblem) return
    this.lastProblem = error
    this.deps.log.warn({ error }, 'Cannot make the certificate of this node anew; trying again')
  }

  private lookIn(ms: number, isRetry = false): void {
    if (this.closing.signal.aborted) return
    this.cancelLook()
    this.cancelLook = this.deps.clock.after(ms, () => (isRetry ? this.renew() : this.start()))
  }
}
