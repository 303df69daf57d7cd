/** Puts a host on this machine: directories and lock, store, tokens, engine and HTTP server. */
import { mkdirSync, rmSync } from 'node:fs'
import { type AddressInfo, isIP } from 'node:net'
import { join } from 'node:path'
import { isLoopback } from '../core/address.ts'
import { AppError, errorTable } from '../core/errors.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import { writeFileAtomic } from '../platform/files.ts'
import { lockDirectory } from '../platform/instance-lock.ts'
import type { Log } from '../platform/log.ts'
import type { Handlers } from '../protocol/host-api.ts'
import { type Caps, caps } from '../protocol/limits.ts'
import { Gate } from './access.ts'
import { Audit } from './audit.ts'
import { auditExportRoute, createAuditHandlers } from './audit-handlers.ts'
import { openIdentity } from './auth.ts'
import { backupRoute } from './backup.ts'
import type { Caller } from './caller.ts'
import { type CheckHandlers, createChecks } from './checks.ts'
import type { HostConfig } from './config.ts'
import { addCspReports } from './csp-reports.ts'
import { type Engine, startEngine } from './engine.ts'
import { eventStream } from './event-stream.ts'
import { createHandlers } from './handlers.ts'
import { createHistoryHandlers } from './history/handlers.ts'
import { History } from './history/history.ts'
import { createHttpServer, type HttpDeps } from './http.ts'
import { createIdentity } from './identity.ts'
import { createLinkServer } from './link-server.ts'
import { LiveFeed, liveRoute } from './live.ts'
import { createTaskLogs, type LogHandlers } from './log-handlers.ts'
import { createLogin, type LoginDeps } from './login.ts'
import { logRoute } from './logs.ts'
import { openapiRoute } from './openapi.ts'
import { urlForOthers } from './own-url.ts'
import { createJoinHandlers, forgetCredential } from './pki/handlers.ts'
import type { Pki, PkiDeps } from './pki/open.ts'
import { addSeedRoutes } from './seed-routes/routes.ts'
import { damageOf } from './store/damage.ts'
import { SqliteStore } from './store/sqlite.ts'
import type { Store } from './store/store.ts'
import { Vault } from './vault.ts'
import { readWebFiles } from './web-files.ts'
import { WebRoutes } from './web-routes.ts'
import { WrongTries } from './wrong-tries.ts'

export interface HostOptions {
  config: HostConfig
  log: Log
  clock?: Clock
  /** Saving has failed for good. Default: the process ends at once, for its service manager to start it again. */
  onBroken?: (error: AppError) => void
  /** Opens the store; tests hand in one that fails. */
  openStore?: (path: string) => Store
  /** Where the build of the web page lies. Left out: there is none. */
  webDir?: string
  /** Told of every route that the server has. */
  onRoute?: HttpDeps['onRoute'] & {}
  /** Other bounds than the usual ones, for tests. */
  caps?: Partial<Caps>
}

export interface Host {
  url: string
  /** Stops in order; runners and tasks go on. */
  close(): Promise<void>
}

/** @throws AppError when another host uses the state directory, the address is taken, or the database is newer */
export async function createHost(options: HostOptions): Promise<Host> {
  const { config, log } = options
  const { pendingTasks, pendingTasksPerUser } = config
  const bounds = { ...caps, pendingTasks, pendingTasksPerUser, ...options.caps }
  const clock = options.clock ?? systemClock
  const onBroken = (error: unknown) => {
    const problem = damageOf(error, config.databaseFile)
    const told = problem ?? new AppError('internal', `cannot save: ${String(error)}`, { cause: error })
    ;(options.onBroken ?? endAtOnce)(told)
  }
  refuseOpenInsecure(config)
  mkdirSync(config.stateDir, { recursive: true, mode: 0o700 })
  const lock = await lockDirectory(config.stateDir, 'host')
  const closers: (() => Promise<void> | void)[] = [() => lock.release()]
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    const store = openStoreOf(options)
    closers.push(() => store.close())
    const { sharedDir, stateDir, insecureLoopback: isOpen, isTls: isSecure } = config
    const identity = await openIdentity({ store, stateDir, clock, log, isOpen, hasJoinToken: !isSecure })
    const { users, tokens } = identity
    closers.push(() => tokens.close())
    const vault = await Vault.open(stateDir, await store.hasSealedSets(), log)
    const engine = await startEngine({ config, store, clock, log, vault, onBroken, bounds })
    const { cluster, hub, links } = engine
    const { heartbeatMs } = config
    const historyFile = join(config.stateDir, 'history.db')
    const history = new History({ path: historyFile, cluster, hub, clock, log, heartbeatMs })
    links.setUsageSink(history.usages)
    closers.push(
      () => history.close(),
      () => engine.close(),
    )
    const pki = config.isTls ? await openPki({ config, store, cluster, links, clock, log }) : null
    const linkServer = createLinkServer(links, bounds)
    const checks = createChecks({ cluster, sharedDir, now: clock.now })
    const logs = { cluster, store, hub, links, sharedDir }
    const taskLogs = createTaskLogs(logs)
    closers.push(() => taskLogs.close())
    const tries = new WrongTries(clock, log)
    let port = config.port
    const urlFor = urlForOthers(config, () => port)
    const handlers = handlersOf({
      ...{ engine, store, users, tokens, tries, isOpen, isSecure, urlFor, pki, history, checks, clock, log },
      logs: taskLogs.handlers,
    })
    const live = await LiveFeed.open({ hub, store, cluster, clock, heartbeatMs: config.heartbeatMs })
    closers.push(() => live.close())
    const nodeOf = pki === null ? null : (socket: unknown) => pki.nodeOf(socket)
    const gate = new Gate({ tokens, tries, isOpen, isSecure, nodeOf })
    const audit = new Audit({ write: (entry) => cluster.audit(entry), store, gate, clock, log })
    await audit.tellHead('start')
    closers.push(() => audit.close())
    const http = await createHttpServer({
      config,
      caps: bounds,
      gate,
      audit,
      tls: pki?.tls ?? null,
      log,
      handlers,
      web: new WebRoutes(options.webDir === undefined ? new Map() : await readWebFiles(options.webDir)),
      streams: [
        logRoute(logs),
        eventStream(hub, store),
        liveRoute(live),
        backupRoute(store, config.stateDir),
        auditExportRoute(store),
        openapiRoute,
      ],
      ...(options.onRoute === undefined ? {} : { onRoute: options.onRoute }),
      addRoutes: async (app, admit) => {
        await addSeedRoutes(app, { handlers, cluster, store, logs, admit, audit, log })
        await addCspReports(app, log, clock)
      },
      onLink: (request, socket, head, node) => linkServer.upgrade(request, socket, head, node),
    })
    closers.push(
      () => http.close(),
      () => links.close(),
      () => linkServer.close(),
      () => pki?.tls.close(),
    )
    if (!config.isTls && !isLoopback(config.bindAddress))
      log.warn({ bindAddress: config.bindAddress }, withoutTls)
    await listen(http, config)
    port = (http.server.address() as AddressInfo).port // it listens on TCP
    const url = urlOf(config, port)
    const hostFile = join(config.stateDir, 'host.json')
    const trust = pki === null ? {} : { caFile: pki.authority.caFile }
    await writeFileAtomic(hostFile, `${JSON.stringify({ url, pid: process.pid, ...trust })}\n`, {
      mode: 0o600,
    })
    closers.push(() => rmSync(hostFile, { force: true }))
    log.info({ url, stateDir: config.stateDir, nodes: cluster.nodes.size }, 'Listening')
    return { url, close: closeAll }
  } catch (error) {
    await closeAll()
    throw damageOf(error, config.databaseFile) ?? error
  }
}

interface HandlerParts extends LoginDeps {
  engine: Engine
  store: Store
  pki: Pki | null
  history: History
  checks: CheckHandlers
  logs: LogHandlers
}

/** The endpoints of the native API, each part's own. */
function handlersOf(parts: HandlerParts): Handlers<Caller> {
  const { engine, store, pki, history, checks, logs, urlFor, tries, clock, log } = parts
  const { cluster, links, submits } = engine
  const ofCluster = createHandlers(cluster, store, submits, checks, links, logs, clock)
  const fingerprint = () => pki?.authority.current.fingerprint ?? null
  return {
    ...ofCluster,
    ...createLogin(parts),
    ...createIdentity({ ...parts, fingerprint }),
    ...createAuditHandlers(store),
    ...createHistoryHandlers({ history, cluster, store }),
    ...createJoinHandlers({ pki, urlFor, nodes: cluster.nodes, links, tries, clock, log }),
    removeNode: async (input, caller) => {
      const removed = await ofCluster.removeNode(input, caller)
      await forgetCredential(pki, input.params.name, caller.name)
      return removed
    },
  }
}

const withoutTls =
  'Everything, tokens too, can be read on the network: network.tls is off. Use it only where something else encrypts'

/** With its library, only where it is needed. */
async function openPki(deps: PkiDeps): Promise<Pki> {
  const pki = await import('./pki/open.ts')
  return pki.openPki(deps)
}

/** What is in memory and not on disk must be told nobody: the next host begins with what is saved. */
function endAtOnce({ code, message }: AppError): never {
  process.stderr.write(`hakuriver host: ${message}\n`)
  process.exit(errorTable[code].exit)
}

/** @throws AppError where the database is damaged, newer, or another user's */
function openStoreOf({ config, openStore = (path) => new SqliteStore(path) }: HostOptions): Store {
  try {
    return openStore(config.databaseFile)
  } catch (error) {
    throw damageOf(error, config.databaseFile) ?? error
  }
}

function refuseOpenInsecure(config: HostConfig): void {
  if (config.insecureLoopback && !isLoopback(config.bindAddress)) {
    throw new AppError(
      'invalid_request',
      `--insecure-loopback asks for no tokens, so it may listen on 127.0.0.1 only, not on ${config.bindAddress}`,
    )
  }
}

async function listen(http: Awaited<ReturnType<typeof createHttpServer>>, config: HostConfig): Promise<void> {
  const { bindAddress, port } = config
  try {
    await http.listen({ host: bindAddress, port })
  } catch (error) {
    throw listenRefusal(error, config) ?? error
  }
}

/** Why nothing can listen at an address, as an expected failure; null: for another reason. */
export function listenRefusal(
  error: unknown,
  { bindAddress, port }: Pick<HostConfig, 'bindAddress' | 'port'>,
): AppError | null {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') {
    return new AppError(
      'conflict',
      `something else listens on ${bindAddress}:${port}: stop it, or choose another --port`,
    )
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new AppError(
      'invalid_request',
      `this machine has no address ${bindAddress}: choose another --bind`,
    )
  }
  if (code === 'EACCES')
    return new AppError('not_permitted', `this user may not listen on port ${port}: choose one above 1023`)
  return null
}

/** The address for clients on this machine: one that listens everywhere is reached on loopback. */
function urlOf(config: HostConfig, port: number): string {
  const { bindAddress, isTls } = config
  const address = bindAddress === '0.0.0.0' || bindAddress === '::' ? '127.0.0.1' : bindAddress
  return `http${isTls ? 's' : ''}://${isIP(address) === 6 ? `[${address}]` : address}:${port}`
}
