/** Upstream port over HTTP/2: streams on few connections, another one only when all are full. */
import { nowUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import type { Sweeper } from '../core/timers.ts'
import type { ConnectionInfo, Exchange } from '../exchange/exchange.ts'
import type { Attempt, AttemptEvents, Upstream } from '../exchange/ports.ts'
import type { Wire } from '../net/wire.ts'
import { type Destination, Dial, type DialOptions, type DialTimeouts, type DialTimes, longestDialMs } from './dial.ts'
import { Http2Attempt } from './http2-attempt.ts'
import { Http2Connection, type Http2ConnectionOptions, STREAMS_BEFORE_SETTINGS } from './http2-connection.ts'
import { WaitingLine } from './waiting-line.ts'

export interface Http2UpstreamOptions extends DialOptions {
  /** Connections belong to the client connection that they were opened for. */
  readonly perClient: boolean
  readonly destinationOf: (x: Exchange) => Destination
  /** What was offered by ALPN is not what the server has. True: another attempt would offer something else. */
  readonly noSharedProtocol: (x: Exchange, destination: Destination) => boolean
  readonly connection: Pick<Http2ConnectionOptions, 'limits' | 'timeouts' | 'sweeper' | 'idleMs' | 'pingMs'>
  /** Bounds per destination; attempts that find no room wait, more than `maxPending` waiting are refused. */
  readonly maxConnections: number
  readonly maxPending: number
}

/** The connections to one destination, of all clients or of one. */
export class Http2Pool {
  readonly connections: Http2Connection[] = []
  readonly waiting: WaitingLine<Http2Attempt>
  dials = 0
  /** Streams that a connection whose settings are still to come is trusted with. */
  knownMost = STREAMS_BEFORE_SETTINGS

  constructor(sweeper: Sweeper, timeouts: DialTimeouts) {
    // A dial under way has its own bounds, and may bring a place still.
    const limitMs = (): number => (this.dials > 0 ? longestDialMs(timeouts) : timeouts.connectMs)
    this.waiting = new WaitingLine(sweeper, limitMs, (attempt) => this.#giveUp(attempt))
  }

  /** The first with room: the others can run empty. `evenStalled`: nothing better is to be had. */
  withRoom(evenStalled: boolean): Http2Connection | undefined {
    for (const one of this.connections) if (one.hasRoom && (evenStalled || !one.stalled)) return one
    return undefined
  }

  /** Connections that count towards the limit. */
  get open(): number {
    return this.connections.length + this.dials
  }

  #giveUp(attempt: Http2Attempt): void {
    attempt.onCancel = undefined
    const shut = this.connections.some((one) => one.shut)
    const detail = shut ? 'the upstream takes no streams' : 'all streams that the upstream takes are in use'
    attempt.fail(new ProxyError('queue_timeout', 'queue', detail))
  }
}

export class Http2Upstream implements Upstream {
  readonly #options: Http2UpstreamOptions
  readonly #pools = new Map<string, Http2Pool>()
  readonly #clientPools = new Map<ConnectionInfo, Http2Pool>()
  #lastDestination: Destination | undefined
  #lastPool: Http2Pool | undefined
  /** Connections open now. */
  connections = 0

  constructor(options: Http2UpstreamOptions) {
    this.#options = options
  }

  attempt(x: Exchange, events: AttemptEvents): Attempt {
    const attempt = new Http2Attempt(x, events)
    const destination = this.#options.destinationOf(x)
    const pool = this.#poolOf(x.connection, destination)
    const connection = pool.withRoom(pool.open >= this.#options.maxConnections)
    if (connection !== undefined) attempt.use(connection, undefined)
    else this.#wait(attempt, pool, destination, x.connection)
    return attempt
  }

  /** Make a connection that stands already one of this client's. */
  adopt(info: ConnectionInfo, destination: Destination, wire: Wire): void {
    this.#connection(this.#poolOf(info, destination), destination, wire, info)
  }

  clientGone(info: ConnectionInfo): void {
    const pool = this.#clientPools.get(info)
    if (pool === undefined) return
    this.#clientPools.delete(info)
    for (const connection of [...pool.connections]) connection.retire()
  }

  /** Close what is idle; the rest when its last stream is over. */
  close(): void {
    for (const pool of [...this.#pools.values(), ...this.#clientPools.values()]) {
      for (const connection of [...pool.connections]) connection.retire()
    }
  }

  #poolOf(info: ConnectionInfo, destination: Destination): Http2Pool {
    if (this.#options.perClient) return this.#obtain(this.#clientPools, info)
    if (destination === this.#lastDestination) return this.#lastPool!
    const { tls, host, port, serverName = '' } = destination
    const key = `${tls ? 'https' : 'http'}:${host}:${port}:${serverName}`
    this.#lastPool = this.#obtain(this.#pools, key)
    this.#lastDestination = destination
    return this.#lastPool
  }

  #wait(attempt: Http2Attempt, pool: Http2Pool, destination: Destination, info: ConnectionInfo): void {
    if (pool.waiting.length >= this.#options.maxPending) {
      const error = new ProxyError('overloaded', 'queue', 'too many requests wait for a stream')
      queueMicrotask(() => attempt.fail(error))
      return
    }
    pool.waiting.push(attempt)
    attempt.onCancel = () => pool.waiting.remove(attempt)
    // One dial at a time: what it brings has room for many.
    this.#dialMore(pool, destination, info)
  }

  #dial(pool: Http2Pool, destination: Destination, info: ConnectionInfo): void {
    pool.dials++
    const dial = new Dial(
      destination,
      this.#options,
      (wire) => {
        pool.dials--
        const connection = this.#connection(pool, destination, wire, info)
        this.#serve(pool, connection, dial.times)
        if (pool.waiting.length > 0) this.#dialMore(pool, destination, info)
        // Its client left meanwhile: nobody else may use it.
        if (this.#options.perClient && this.#clientPools.get(info) !== pool) connection.retire()
      },
      (error) => {
        pool.dials--
        // One that stands has room, or will have it again, unless it is about to go.
        for (const one of [...pool.connections]) this.#serve(pool, one, undefined)
        if (pool.connections.some((one) => !one.ending)) return
        for (const attempt of pool.waiting.takeAll()) this.#failDial(attempt, destination, dial.times, error)
        this.#forgetEmpty(pool)
      },
    )
  }

  #dialMore(pool: Http2Pool, destination: Destination, info: ConnectionInfo): void {
    if (pool.connections.some(({ shut }) => shut)) return
    if (pool.dials === 0 && pool.open < this.#options.maxConnections) this.#dial(pool, destination, info)
  }

  /** A dial that failed has phases too. */
  #failDial(attempt: Http2Attempt, destination: Destination, times: DialTimes, error: ProxyError): void {
    const { timing } = attempt.exchange
    timing.dnsUs = times.dnsUs
    timing.connectUs = times.connectUs
    timing.tlsUs = times.tlsUs
    attempt.onCancel = undefined
    if (error.code === 'tls_no_shared_protocol') {
      attempt.outdated = this.#options.noSharedProtocol(attempt.exchange, destination)
    }
    attempt.fail(error)
  }

  /** Those who wait take the places of a connection. Only the first was kept waiting by the dial's own phases. */
  #serve(pool: Http2Pool, connection: Http2Connection, times: DialTimes | undefined): void {
    let dial = times
    while (connection.hasRoom) {
      const attempt = pool.waiting.shift()
      if (attempt === undefined) return
      attempt.onCancel = undefined
      attempt.use(connection, dial)
      dial = undefined
      attempt.events.onAttemptReady(attempt)
    }
  }

  #connection(pool: Http2Pool, destination: Destination, wire: Wire, info: ConnectionInfo): Http2Connection {
    const { host, port, tls } = destination
    const name = host.includes(':') ? `[${host}]` : host
    this.connections++
    const connection = new Http2Connection(wire, nowUs(), {
      ...this.#options.connection,
      scheme: tls ? 'https' : 'http',
      authorityFallback: port === (tls ? 443 : 80) ? name : `${name}:${port}`,
      knownMost: () => pool.knownMost,
      onLimit: (streams) => {
        pool.knownMost = Math.min(streams, STREAMS_BEFORE_SETTINGS)
      },
      onRoom: (free) => {
        if (!free.stalled || pool.dials === 0) this.#serve(pool, free, undefined)
      },
      onClosed: (gone) => {
        this.connections--
        pool.connections.splice(pool.connections.indexOf(gone), 1)
        // Who waits has nobody left to wait for.
        if (pool.waiting.length > 0) this.#dialMore(pool, destination, info)
        else this.#forgetEmpty(pool)
      },
    })
    pool.connections.push(connection)
    return connection
  }

  #forgetEmpty(pool: Http2Pool): void {
    if (pool.connections.length > 0 || pool.waiting.length > 0 || pool.dials > 0) return
    for (const [key, candidate] of this.#pools) if (candidate === pool) this.#pools.delete(key)
    for (const [info, candidate] of this.#clientPools) if (candidate === pool) this.#clientPools.delete(info)
    if (this.#lastPool === pool) this.#lastDestination = this.#lastPool = undefined
  }

  #obtain<K>(pools: Map<K, Http2Pool>, key: K): Http2Pool {
    let pool = pools.get(key)
    if (pool === undefined) {
      pool = new Http2Pool(this.#options.connection.sweeper, this.#options.timeouts)
      pools.set(key, pool)
    }
    return pool
  }
}
