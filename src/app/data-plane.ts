/** Puts the data path together for one listener: listener → (detection) → codec → driver → stages → upstream. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/schema.ts'
import type { Logger } from '../core/log.ts'
import { Sweeper } from '../core/timers.ts'
import { compileStages } from '../exchange/compile.ts'
import { Driver } from '../exchange/driver.ts'
import type { ConnectionInfo, Endpoint } from '../exchange/exchange.ts'
import type { Stage } from '../exchange/stage.ts'
import { rescue } from '../http/rescue.ts'
import { Http1Server, type ServerOptions } from '../http/server-http1.ts'
import { Listener } from '../net/listener.ts'
import { plainAddress, type Wire } from '../net/wire.ts'
import { stack } from '../stages/stack.ts'
import type { SampleDecision } from '../stages/trace-context.ts'
import type { Destination, DialOptions } from '../upstream/dial.ts'
import { Http1Upstream } from '../upstream/http1-upstream.ts'
import { NameResolver } from '../upstream/resolver.ts'

/** What differs between the places in which the same data path serves. */
export interface Placement {
  readonly listen: { readonly host: string; readonly port: number; readonly fd?: number }
  /** Where exchanges of a connection go. */
  readonly destinationOf: (info: ConnectionInfo) => Destination
  /** Takes a fresh wire to where HTTP begins: at once, or after detection. */
  readonly admit: (wire: Wire, plane: DataPlane) => void
  readonly serverTiming: boolean
  /** At drain, whether the listener closes at a third of the deadline even if clients keep coming. */
  readonly closesEarly: boolean
}

export interface DataPlaneOptions {
  readonly config: Config
  readonly placement: Placement
  readonly sample: SampleDecision
  readonly observers: readonly Stage[]
  readonly userStages: readonly Stage[]
  readonly log: Logger
  readonly onStageFault: (stage: string) => void
  readonly onRefusedConnection: () => void
}

/** How often a drain looks, and how long nothing may go on before it is over; milliseconds. */
const DRAIN_STEP_MS = 20
const DRAIN_QUIET_MS = 500

let nextConnectionId = 1

export class DataPlane {
  readonly #servers = new Set<Http1Server>()
  readonly #driver: Driver
  readonly #server: ServerOptions
  readonly sweeper = new Sweeper()
  /** One object that everyone reads, so that a reload is an assignment. */
  readonly #timeouts: { -readonly [K in keyof Config['timeouts']]: number }
  readonly dial: DialOptions
  readonly upstream: Http1Upstream
  #listener: Listener | undefined
  draining = false
  #accepted = 0
  /** In a reverse proxy, clients that never pause must not hold up the end; a sidecar outlives its app. */
  readonly #closesEarly: boolean

  private constructor(options: DataPlaneOptions) {
    const { config, placement } = options
    const { limits } = config
    this.#closesEarly = placement.closesEarly
    const timeouts = { ...config.timeouts }
    this.#timeouts = timeouts
    this.dial = {
      resolver: new NameResolver({ servers: config.upstream.dnsServers }),
      timeouts,
      highWater: limits.connectionBufferBytes,
    }
    this.upstream = new Http1Upstream({
      ...this.dial,
      reuse: config.upstream.reuse,
      destinationOf: (x) => placement.destinationOf(x.connection),
      connection: { limits, timeouts, sweeper: this.sweeper, idleMs: config.upstream.idleMs },
      maxConnections: config.upstream.maxConnections,
      maxPending: config.upstream.maxPending,
    })
    this.#driver = new Driver({
      stages: compileStages(
        stack({
          trace: { sample: options.sample, b3: config.trace.b3, maySendTo: hostFilter(config.trace.propagateTo) },
          forwarded: config.forwarded.mode,
          serverTiming: placement.serverTiming,
          userStages: options.userStages,
          observers: options.observers,
        }),
      ),
      upstream: this.upstream,
      rescue,
      log: options.log,
      onStageFault: options.onStageFault,
    })
    this.#server = {
      driver: this.#driver,
      limits,
      timeouts,
      sweeper: this.sweeper,
      connectMode: config.connect,
      draining: () => this.draining,
    }
  }

  /** Listen. Rejects with the bind error. */
  static async start(options: DataPlaneOptions): Promise<DataPlane> {
    const plane = new DataPlane(options)
    const { config, placement } = options
    plane.#listener = await Listener.start({
      ...placement.listen,
      maxConnections: config.limits.connections,
      highWater: config.limits.connectionBufferBytes,
      onWire: (wire) => {
        plane.#accepted++
        placement.admit(wire, plane)
      },
      onRefused: options.onRefusedConnection,
    })
    return plane
  }

  get address(): { host: string; port: number } {
    return this.#listener!.address
  }

  /** Client connections open now, tunnels included. */
  get connections(): number {
    return this.#listener?.open ?? 0
  }

  /** Exchanges begun and not finished. */
  get active(): number {
    return this.#driver.active
  }

  /** Those in effect; one object for as long as the plane lives. */
  get timeouts(): Config['timeouts'] {
    return this.#timeouts
  }

  /** Take over reloaded timeouts, for exchanges under way too. */
  setTimeouts(timeouts: Config['timeouts']): void {
    Object.assign(this.#timeouts, timeouts)
  }

  /** Facts of an accepted wire. */
  describe(wire: Wire, direction: ConnectionInfo['direction'], destination: Endpoint | undefined): ConnectionInfo {
    const { socket } = wire
    return {
      id: nextConnectionId++,
      direction,
      peer: { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 },
      local: { address: plainAddress(socket.localAddress), port: socket.localPort ?? 0 },
      originalDestination: destination,
      scheme: 'http',
      fd: wire.fd,
      affinity: undefined,
      exchanges: 0,
      tcpReadUs: 0,
    }
  }

  /** Serve HTTP/1.1 on a wire. `early` are bytes read already. */
  serve(wire: Wire, info: ConnectionInfo, early?: Buffer): void {
    const server = new Http1Server(wire, info, this.#server, () => {
      this.#servers.delete(server)
      this.upstream.clientGone(info)
    })
    this.#servers.add(server)
    if (early !== undefined && early.length > 0) server.onBytes(early, 0, early.length)
    if (wire.ended) server.onEnd()
    else wire.resume()
    if (this.draining) server.drain()
  }

  /**
   * Run out: what is in flight finishes, connections that clients use once more say `Connection: close`, and new ones
   * are still taken until none has come for a moment, for a load balancer needs time to learn of it. The app's own
   * outbound calls are served as ever. Resolves when nothing goes on any more; at the deadline the rest is closed.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.startDraining()
    const startMs = performance.now()
    let quietSinceMs = startMs
    let accepted = this.#accepted
    for (;;) {
      await sleep(DRAIN_STEP_MS)
      const nowMs = performance.now()
      if (this.#accepted !== accepted || this.#busy()) quietSinceMs = nowMs
      accepted = this.#accepted
      const elapsedMs = nowMs - startMs
      if (elapsedMs >= deadlineMs || nowMs - quietSinceMs >= Math.min(DRAIN_QUIET_MS, deadlineMs)) break
      if (this.#closesEarly && elapsedMs >= deadlineMs / 3) this.#listener?.close()
    }
    this.close()
  }

  /** Say `Connection: close` from now on; everything else goes on. */
  startDraining(): void {
    this.draining = true
    for (const server of this.#servers) server.drain()
  }

  /** Close everything at once. */
  close(): void {
    this.draining = true
    this.#listener?.close()
    for (const server of this.#servers) server.destroy()
    this.upstream.close()
  }

  /** Something goes on that should finish: exchanges, inbound connections, tunnels. Idle outbound ones do not count. */
  #busy(): boolean {
    let idleOutbound = 0
    for (const server of this.#servers) if (server.outbound && server.idle) idleOutbound++
    return this.connections > idleOutbound
  }
}

/** `example.com` and `*.example.com` patterns → test of a host name. */
function hostFilter(patterns: readonly string[] | undefined): ((host: string) => boolean) | undefined {
  if (patterns === undefined) return undefined
  const exact = new Set(patterns.filter((pattern) => !pattern.startsWith('*.')))
  const suffixes = patterns.filter((pattern) => pattern.startsWith('*.')).map((pattern) => pattern.slice(1))
  return (host) => exact.has(host) || suffixes.some((suffix) => host.endsWith(suffix))
}
