/** Puts the data path together for one listener: listener → (detection) → codec → driver → stages → upstream. */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/schema.ts'
import { grpcStatusNumber } from '../core/grpc.ts'
import { plainAddress } from '../core/ip-address.ts'
import type { Logger } from '../core/log.ts'
import { Sweeper } from '../core/timers.ts'
import { compileStages } from '../exchange/compile.ts'
import { Driver } from '../exchange/driver.ts'
import type { ConnectionInfo, Endpoint } from '../exchange/exchange.ts'
import type { Stage } from '../exchange/stage.ts'
import { FirstBytes } from '../http/first-bytes.ts'
import { failureTrailers } from '../http/grpc-answer.ts'
import { rescue } from '../http/rescue.ts'
import { Http1Server } from '../http/server-http1.ts'
import { Http2Server, type Http2ServerOptions } from '../http/server-http2.ts'
import { Listener } from '../net/listener.ts'
import type { Wire } from '../net/wire.ts'
import type { Idempotency } from '../stages/idempotency/stage.ts'
import { stack } from '../stages/stack.ts'
import type { TlsRules } from '../stages/tls-rules.ts'
import { putSpan, type SampleDecision, type StateOf } from '../stages/trace-context.ts'
import type { Destination, DialOptions } from '../upstream/dial.ts'
import type { DispatchRoute } from '../upstream/dispatch-route.ts'
import { GrpcWebUpstream } from '../upstream/grpc-web.ts'
import { NameResolver } from '../upstream/resolver.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { type IdempotencyParts, idempotencyStage } from './idempotency.ts'
import { upstreams } from './upstreams.ts'

/** What differs between the places in which the same data path serves. */
export interface Placement {
  readonly listen: { readonly host: string; readonly port: number; readonly fd?: number }
  /** Where exchanges of a connection go. */
  readonly destinationOf: (info: ConnectionInfo) => Destination
  /** Takes a fresh wire to where HTTP begins: at once, or after detection. */
  readonly admit: (wire: Wire, plane: DataPlane) => void
  readonly serverTiming: boolean
  /** Whether TLS of clients ends here, and whether they may speak clear text as well; default: none. */
  readonly clientTls?: 'none' | 'terminated' | 'required'
  /** In clear text, what a client speaks is spoken to its destination too. */
  readonly keepsProtocol: boolean
  /** Whether a connection that was dialled came back to this proxy, which listens at `listener`. */
  readonly leadsBack: (socket: Socket, listener: { readonly host: string; readonly port: number }) => boolean
  /** At drain, whether the listener closes at a third of the deadline even if clients keep coming. */
  readonly closesEarly: boolean
}

export interface DataPlaneOptions {
  readonly config: Config
  readonly placement: Placement
  readonly sample: SampleDecision
  readonly stateOf?: StateOf
  readonly observers: readonly Stage[]
  readonly userStages: readonly Stage[]
  /** Absent: keys of requests mean nothing here. */
  readonly idempotency?: IdempotencyParts | undefined
  /** How upstreams are dialled, beside the timeouts. */
  readonly dial?: Pick<DialOptions, 'tls' | 'onHandshake'> | undefined
  /** Present: it takes all exchanges, and nothing is dialled here. */
  readonly route?: DispatchRoute | undefined
  readonly log: Logger
  readonly onStageFault: (stage: string) => void
  readonly onRefusedConnection: () => void
}

/** How often a drain looks, and how long nothing may go on before it is over; milliseconds. */
const DRAIN_STEP_MS = 20
const DRAIN_QUIET_MS = 500
/** Sockets that are closed report in a later turn; how long a drain waits for what this ends. */
const CUT_OFF_MS = 200

let nextConnectionId = 1
const NOTHING = Buffer.alloc(0)

/** What serves one client connection, whatever it speaks. */
interface ConnectionServer {
  readonly idle: boolean
  readonly outbound: boolean
  drain(): void
  destroy(): void
}

export class DataPlane {
  readonly #servers = new Set<ConnectionServer>()
  readonly #driver: Driver
  readonly #server: Http2ServerOptions
  readonly sweeper = new Sweeper()
  /** One object that everyone reads, so that a reload is an assignment. */
  readonly #timeouts: { -readonly [K in keyof Config['timeouts']]: number }
  readonly dial: DialOptions
  readonly upstream: Upstreams
  readonly idempotency: Idempotency | undefined
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
      leadsBack: (socket) => placement.leadsBack(socket, this.address),
      ...options.dial,
    }
    this.upstream = upstreams(config, placement, this.dial, timeouts, this.sweeper, options.route)
    this.idempotency =
      options.idempotency === undefined
        ? undefined
        : idempotencyStage(config.idempotency, options.idempotency, this.sweeper, options.log)
    this.#driver = new Driver({
      stages: compileStages(
        stack({
          grpc: { sweeper: this.sweeper, expire: (x, error) => this.#driver.downstreamFailed(x, error) },
          trace: {
            sample: options.sample,
            stateOf: options.stateOf,
            b3: config.trace.b3,
            maySendTo: hostFilter(config.trace.propagateTo),
          },
          tls: tlsRulesOf(config, placement.clientTls ?? 'none'),
          stripAltSvc: config.altSvc === 'strip',
          idempotency: this.idempotency,
          forwarded: config.forwarded.mode,
          serverTiming: placement.serverTiming,
          userStages: options.userStages,
          observers: options.observers,
        }),
      ),
      upstream: config.grpc.web === 'translate' ? new GrpcWebUpstream(this.upstream) : this.upstream,
      rescue,
      failureTrailers,
      retryCallsOn: new Set(config.grpc.retryOn.map(grpcStatusNumber)),
      sentAgain: putSpan,
      log: options.log,
      onStageFault: options.onStageFault,
      sweeper: this.sweeper,
      detachedMs: config.idempotency.detachedMs,
    })
    this.#server = {
      driver: this.#driver,
      limits,
      timeouts,
      sweeper: this.sweeper,
      connectMode: config.connect,
      draining: () => this.draining,
      http2: {
        maxStreams: config.http2.maxStreams,
        streamWindowBytes: config.http2.windowBytes,
        idleMs: config.http2.idleMs,
        pingMs: config.http2.pingMs,
      },
    }
  }

  /** Listen. Rejects with the bind error. */
  static async start(options: DataPlaneOptions): Promise<DataPlane> {
    const plane = new DataPlane(options)
    const { config, placement } = options
    plane.#listener = await Listener.start({
      ...placement.listen,
      maxConnections: config.limits.connections,
      // Of several processes at one socket none shall take all that dial.
      acceptsAtOnce: config.concurrency > 1 ? 4 : 32,
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

  /**
   * Serve HTTP on a wire. `early` are bytes read already. `protocol` is known where TLS agreed on one (ALPN); in clear
   * text the first bytes tell.
   */
  serve(wire: Wire, info: ConnectionInfo, early: Buffer = NOTHING, protocol?: 'http1' | 'h2'): void {
    if (protocol !== undefined) {
      this.#serveAs(protocol, wire, info, early, 0, early.length)
      return
    }
    const first = new FirstBytes(wire, {
      sweeper: this.sweeper,
      timeouts: this.#timeouts,
      onDecided: (decided, buf, start, end) => {
        this.#servers.delete(waiting)
        this.#serveAs(decided, wire, info, buf, start, end)
      },
      onClosed: () => this.#servers.delete(waiting),
    })
    const waiting: ConnectionServer = {
      get idle() {
        return first.idle
      },
      outbound: info.direction === 'outbound',
      drain: () => {
        if (info.direction !== 'outbound') first.drain(DRAIN_STEP_MS * 50)
      },
      destroy: () => wire.destroy(),
    }
    this.#servers.add(waiting)
    if (early.length > 0) first.onBytes(early, 0, early.length)
    if (wire.handler !== first) return
    if (wire.ended) first.onEnd()
    else wire.resume()
    if (this.draining) waiting.drain()
  }

  #serveAs(protocol: 'http1' | 'h2', wire: Wire, info: ConnectionInfo, buf: Buffer, start: number, end: number): void {
    const server = protocol === 'h2' ? this.#serveHttp2(wire, info) : this.#serveHttp1(wire, info)
    this.#servers.add(server)
    if (protocol === 'h2' || end > start) server.onBytes(buf, start, end)
    if (wire.ended) server.onEnd()
    else wire.resume()
    if (this.draining) server.drain()
  }

  #serveHttp1(wire: Wire, info: ConnectionInfo): Http1Server {
    const server = new Http1Server(wire, info, this.#server, () => {
      this.#servers.delete(server)
      this.upstream.clientGone(info)
    })
    return server
  }

  #serveHttp2(wire: Wire, info: ConnectionInfo): Http2Server {
    const server = new Http2Server(wire, info, this.#server, () => {
      this.#servers.delete(server)
      this.upstream.clientGone(info)
    })
    return server
  }

  /**
   * Run out: what is in flight finishes, connections that clients use once more say `Connection: close`, and new ones
   * are still taken until none has come for a moment, for a load balancer needs time to learn of it. The app's own
   * outbound calls are served as ever. Resolves when nothing goes on any more; at the deadline the rest is closed and
   * has finished as `draining`.
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
    const closedMs = performance.now()
    while (this.active + this.connections > 0 && performance.now() - closedMs < CUT_OFF_MS) await sleep(1)
    this.#driver.detached.endAll()
  }

  /** Say `Connection: close` from now on; everything else goes on. */
  startDraining(): void {
    this.draining = true
    for (const server of this.#servers) server.drain()
  }

  /** Close everything at once. */
  close(): void {
    this.draining = true
    this.#driver.closing = true
    this.#listener?.close()
    for (const server of this.#servers) server.destroy()
    // Tunnels, handshakes, and what has not said yet what it is.
    this.#listener?.closeConnections()
    this.upstream.close()
  }

  /** Something goes on that should finish: exchanges, inbound connections, tunnels. Idle outbound ones do not count. */
  #busy(): boolean {
    let idleOutbound = 0
    for (const server of this.#servers) if (server.outbound && server.idle) idleOutbound++
    // An exchange may outlive its client.
    return this.#driver.active > 0 || this.connections > idleOutbound
  }
}

function tlsRulesOf({ tls }: Config, clientTls: NonNullable<Placement['clientTls']>): TlsRules {
  return {
    required: clientTls === 'required',
    checkAuthority: tls.checkAuthority && clientTls !== 'none',
    allowedIdentities: tls.allowedIdentities,
  }
}

/** `example.com` and `*.example.com` patterns → test of a host name. */
function hostFilter(patterns: readonly string[] | undefined): ((host: string) => boolean) | undefined {
  if (patterns === undefined) return undefined
  const exact = new Set(patterns.filter((pattern) => !pattern.startsWith('*.')))
  const suffixes = patterns.filter((pattern) => pattern.startsWith('*.')).map((pattern) => pattern.slice(1))
  return (host) => exact.has(host) || suffixes.some((suffix) => host.endsWith(suffix))
}
