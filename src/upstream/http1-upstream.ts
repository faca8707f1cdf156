/** Upstream port over HTTP/1.1: picks or dials a connection for each attempt, and keeps idle ones, by reuse policy. */
import { nowUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import type { ConnectionInfo, Exchange } from '../exchange/exchange.ts'
import type { Attempt, AttemptEvents, Upstream } from '../exchange/ports.ts'
import { isIdempotent } from '../exchange/retry-policy.ts'
import type { Wire } from '../net/wire.ts'
import { type Destination, Dial, type DialOptions, type DialTimes } from './dial.ts'
import { Http1Attempt } from './http1-attempt.ts'
import { Http1Connection } from './http1-connection.ts'
import type { Http1ConnectionOptions } from './http1-connection-options.ts'
import { DestinationPool } from './pool.ts'
import { WaitingLine } from './waiting-line.ts'

/**
 * Who may use a connection again. `client`: only the client connection it was opened for (NTLM stays safe, no
 * response can reach another client). `after-first`: anyone, but the first request of a client connection gets a
 * fresh one, unless it could be sent again (ADR 86). `always`: anyone.
 */
export type ReusePolicy = 'client' | 'after-first' | 'always'

export interface Http1UpstreamOptions extends DialOptions {
  readonly reuse: ReusePolicy
  /** Where an exchange goes. */
  readonly destinationOf: (x: Exchange) => Destination
  /** What was offered by ALPN is not what the server has. True: another attempt would offer something else. */
  readonly noSharedProtocol: (x: Exchange, destination: Destination) => boolean
  readonly connection: Pick<Http1ConnectionOptions, 'limits' | 'timeouts' | 'sweeper' | 'idleMs'>
  /** Bounds per destination; more attempts than `maxConnections` wait, more than `maxPending` waiting are refused. */
  readonly maxConnections: number
  readonly maxPending: number
}

/** At most this many destinations have a pool; one with neither connections nor waiters is forgotten. */
export class Http1Upstream implements Upstream {
  readonly #options: Http1UpstreamOptions
  readonly #pools = new Map<string, DestinationPool>()
  #lastDestination: Destination | undefined
  #lastPool: DestinationPool | undefined
  /** Begin at the end of this turn of the event loop. */
  #soon: Http1Attempt[] = []
  /** Connections open now, idle ones included. */
  connections = 0

  constructor(options: Http1UpstreamOptions) {
    this.#options = options
  }

  attempt(x: Exchange, events: AttemptEvents): Attempt {
    const attempt = new Http1Attempt(x, events)
    const kept = this.#options.reuse === 'client' ? this.#keptFor(x) : undefined
    if (kept !== undefined) {
      this.#reuse(attempt, kept)
      return attempt
    }
    const destination = this.#options.destinationOf(x)
    const pool = this.#pool(destination)
    const idle = this.#pickIdle(x, pool)
    if (idle !== undefined) this.#reuse(attempt, idle)
    else if (pool.open < this.#options.maxConnections) this.#dial(attempt, destination, pool)
    else this.#atLimit(attempt, destination, pool)
    return attempt
  }

  /** Take over a connection that stands already: for this client's exchanges, or for all. */
  adopt(info: ConnectionInfo, destination: Destination, wire: Wire): void {
    const pool = this.#pool(destination)
    const connection = this.#connection(destination, pool, wire, info)
    if (this.#options.reuse !== 'client') pool.keepIdle(connection)
  }

  clientGone(info: ConnectionInfo): void {
    const kept = info.affinity
    info.affinity = undefined
    if (kept instanceof Http1Connection) kept.retire()
  }

  /** Close idle connections and refuse waiters. */
  close(): void {
    for (const pool of this.#pools.values()) pool.closeIdle()
  }

  #pool(destination: Destination): DestinationPool {
    // A reverse proxy has one destination: no key to build, nothing to look up.
    if (destination === this.#lastDestination) return this.#lastPool!
    this.#lastPool = this.#findPool(destination)
    this.#lastDestination = destination
    return this.#lastPool
  }

  #findPool(destination: Destination): DestinationPool {
    const { tls, host, port, serverName = '' } = destination
    const key = `${tls ? 'https' : 'http'}:${host}:${port}:${serverName}`
    let pool = this.#pools.get(key)
    if (pool === undefined) {
      const { sweeper } = this.#options.connection
      const waiting = new WaitingLine<Http1Attempt>(sweeper, () => this.#options.timeouts.connectMs, giveUp)
      pool = new DestinationPool(waiting, () => {
        this.#pools.delete(key)
        this.#lastDestination = undefined
      })
      this.#pools.set(key, pool)
    }
    return pool
  }

  /** The connection that only this client uses, where it stands and is free. */
  #keptFor(x: Exchange): Http1Connection | undefined {
    const kept = x.connection.affinity
    return kept instanceof Http1Connection && kept.usable(x.timing.queuedUs) ? kept : undefined
  }

  #pickIdle(x: Exchange, pool: DestinationPool): Http1Connection | undefined {
    if (this.#options.reuse === 'client') return undefined
    // The handshake that settled the protocol was made for this exchange: what it brought is as fresh as any.
    if (x.timing.connectUs >= 0) return pool.takeIdle(x.timing.queuedUs)
    // A replay gets a connection that was not used before: the other idle ones may be as dead as the first.
    if (x.attempts > 1) return undefined
    if (this.#options.reuse === 'always' || !isDelicateFirst(x)) return pool.takeIdle(x.timing.queuedUs)
    // One goes for the one that comes: clients that ask once would else leave a connection behind each.
    pool.closeOldestIdle()
    return undefined
  }

  /**
   * A connection may have died since the last turn of the event loop. Where the request could not be repeated, look
   * at what the poll brings first: one turn costs microseconds, a lost POST does not. Nor does a response that nobody
   * asked for, if it reaches another client than the one that was served before.
   */
  #reuse(attempt: Http1Attempt, connection: Http1Connection): void {
    const waits = mustWait(attempt.exchange, connection)
    attempt.use(connection, undefined)
    if (waits) this.#startSoon(attempt)
    // At once: the clock was read when the wait for a connection began.
    else attempt.markReady(attempt.exchange.timing.queuedUs)
  }

  /** Begin at the end of this turn, if the connection still stands then; one callback for all who wait for it. */
  #startSoon(attempt: Http1Attempt): void {
    if (this.#soon.push(attempt) === 1) setImmediate(this.#startAll)
  }

  readonly #startAll = (): void => {
    const attempts = this.#soon
    this.#soon = []
    for (const attempt of attempts) if (attempt.connection !== undefined) this.#begin(attempt)
  }

  #dial(attempt: Http1Attempt, destination: Destination, pool: DestinationPool): void {
    pool.dialling++
    const info = attempt.exchange.connection
    const dial = new Dial(
      destination,
      this.#options,
      (wire) => {
        pool.dialling--
        attempt.onCancel = undefined
        const connection = this.#connection(destination, pool, wire, info)
        this.#start(attempt, connection, dial.times)
      },
      (error) => {
        pool.dialling--
        attempt.onCancel = undefined
        this.#stampDial(attempt.exchange, dial.times)
        this.#serveNext(pool, destination)
        pool.retire()
        if (error.code === 'tls_no_shared_protocol') {
          attempt.outdated = this.#options.noSharedProtocol(attempt.exchange, destination)
        }
        attempt.fail(error, 0)
      },
    )
    attempt.onCancel = () => {
      pool.dialling--
      this.#stampDial(attempt.exchange, dial.times)
      dial.cancel()
      this.#serveNext(pool, destination)
      pool.retire()
    }
  }

  /** A dial that failed has phases too. */
  #stampDial(x: Exchange, times: DialTimes): void {
    x.timing.dnsUs = times.dnsUs
    x.timing.connectUs = times.connectUs
    x.timing.tlsUs = times.tlsUs
  }

  #start(attempt: Http1Attempt, connection: Http1Connection, times: DialTimes | undefined): void {
    attempt.use(connection, times)
    this.#begin(attempt)
  }

  #begin(attempt: Http1Attempt): void {
    attempt.markReady(nowUs())
    attempt.events.onAttemptReady(attempt)
  }

  #connection(destination: Destination, pool: DestinationPool, wire: Wire, info: ConnectionInfo): Http1Connection {
    this.connections++
    const { host, port } = destination
    const name = host.includes(':') ? `[${host}]` : host
    const affine = this.#options.reuse === 'client'
    const connection = new Http1Connection(wire, nowUs(), {
      ...this.#options.connection,
      hostFallback: port === (destination.tls ? 443 : 80) ? name : `${name}:${port}`,
      onIdle: (free) => {
        if (affine) info.affinity = free
        else pool.keepIdle(free)
        this.#serveNext(pool, destination)
      },
      onClosed: (gone) => {
        this.connections--
        if (info.affinity === gone) info.affinity = undefined
        pool.forget(gone)
        this.#serveNext(pool, destination)
        pool.retire()
      },
    })
    pool.add(connection)
    if (affine) info.affinity = connection
    return connection
  }

  /** A fresh connection was wanted and cannot be had: one that is free is better than to wait for its end. */
  #atLimit(attempt: Http1Attempt, destination: Destination, pool: DestinationPool): void {
    const idle = this.#freeFor(attempt, pool)
    if (idle !== undefined) this.#reuse(attempt, idle)
    // What is idle now is kept for other clients, which can dial again.
    else if (pool.evict()) this.#dial(attempt, destination, pool)
    else this.#wait(attempt, pool)
  }

  #wait(attempt: Http1Attempt, pool: DestinationPool): void {
    if (pool.waiting.length >= this.#options.maxPending) {
      const error = new ProxyError('overloaded', 'queue', 'too many requests wait for a connection')
      queueMicrotask(() => attempt.fail(error, 0))
      return
    }
    pool.waiting.push(attempt)
    attempt.onCancel = () => pool.waiting.remove(attempt)
  }

  /** A connection came free or closed: the longest waiting attempt goes on. */
  #serveNext(pool: DestinationPool, destination: Destination): void {
    const attempt = pool.waiting.first
    if (attempt === undefined) return
    const idle = this.#freeFor(attempt, pool)
    if (idle === undefined && pool.open >= this.#options.maxConnections && !pool.evict()) return
    pool.waiting.shift()
    attempt.onCancel = undefined
    if (idle === undefined) this.#dial(attempt, destination, pool)
    else if (!mustWait(attempt.exchange, idle)) this.#start(attempt, idle, undefined)
    else {
      attempt.use(idle, undefined)
      // It came free in this turn: what is right behind its response is read in the next one.
      setImmediate(() => this.#startSoon(attempt))
    }
  }

  /** What is idle, but for a replay: see {@link #pickIdle}. */
  #freeFor(attempt: Http1Attempt, pool: DestinationPool): Http1Connection | undefined {
    return attempt.exchange.attempts > 1 ? undefined : pool.takeIdle(nowUs())
  }
}

/** It has waited as long as a connection may take that is made. */
function giveUp(attempt: Http1Attempt): void {
  attempt.onCancel = undefined
  attempt.fail(new ProxyError('queue_timeout', 'queue', 'all connections to the upstream are in use'), 0)
}

/** Whether what the connection has not told yet could do harm, see `#reuse`. */
function mustWait(x: Exchange, connection: Http1Connection): boolean {
  return connection.lastClient !== x.connection.id || !isIdempotent(x.request.method)
}

/** The first request of a client that could not be sent again, if a connection turned out to be dead. */
function isDelicateFirst(x: Exchange): boolean {
  const { method, bodyLength } = x.request
  return x.connection.exchanges === 1 && !(isIdempotent(method) && bodyLength === 0 && x.guard === undefined)
}
