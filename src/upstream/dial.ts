/** Makes one connection to an upstream: resolve, connect (happy eyeballs), TLS; each step timed and bounded. */
import type { LookupFunction, Socket, TcpNetConnectOpts } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { nowUs } from '../core/clock.ts'
import { type ErrorCode, type ErrorPhase, errnoOf, ProxyError } from '../core/errors.ts'
import { Wire } from '../net/wire.ts'
import { factsOf } from '../tls/facts.ts'
import { upstreamFailure } from '../tls/failures.ts'
import { UpstreamTls } from '../tls/upstream-tls.ts'
import type { NameResolver, ResolvedAddress } from './resolver.ts'

/** Where to. */
export interface Destination {
  /** Name or address, without brackets. */
  readonly host: string
  readonly port: number
  readonly tls: boolean
  /** What it is called in the handshake and its certificate, where that is not {@link host}. */
  readonly serverName?: string | undefined
}

/** Milliseconds. */
export interface DialTimeouts {
  readonly dnsMs: number
  readonly connectMs: number
  readonly tlsMs: number
}

/** Longest time that a dial takes, milliseconds. */
export function longestDialMs({ dnsMs, connectMs, tlsMs }: DialTimeouts): number {
  return dnsMs + connectMs + tlsMs
}

export interface DialOptions {
  readonly resolver: NameResolver
  readonly timeouts: DialTimeouts
  readonly highWater: number
  /** Default: the runtime's roots, no certificate of ours. */
  readonly tls?: UpstreamTls | undefined
  /** Offered in handshakes, the preferred one first; default: HTTP/1.1 alone. */
  readonly alpn?: readonly string[] | undefined
  /** Whether a connection that stands leads back to ourselves. */
  readonly leadsBack?: ((socket: Socket) => boolean) | undefined
  /** A handshake ended: `full`, `resumed` or an error code. */
  readonly onHandshake?: ((outcome: string, tookUs: number) => void) | undefined
}

let plainTls: UpstreamTls | undefined
const HTTP1_ONLY: readonly string[] = ['http/1.1']

/** Stamps in monotonic microseconds, -1 for a step that was not needed. */
export interface DialTimes {
  dnsUs: number
  connectUs: number
  tlsUs: number
  readyUs: number
}

/** Between two addresses of a name, milliseconds (RFC 8305 §8 "Connection Attempt Delay"). */
const ATTEMPT_DELAY_MS = 250

/**
 * A dial under way. Exactly one of the two callbacks comes, never before the constructor returns. With TLS, the wire's
 * `tls` says what was agreed on, the protocol among it; the server's first bytes may follow `onReady` at once.
 */
export class Dial {
  readonly times: DialTimes = { dnsUs: -1, connectUs: -1, tlsUs: -1, readyUs: -1 }
  readonly #destination: Destination
  readonly #options: DialOptions
  readonly #onReady: (wire: Wire) => void
  readonly #onError: (error: ProxyError) => void
  #timer: NodeJS.Timeout | undefined
  #wire: Wire | undefined
  #phase: ErrorPhase = 'dns'
  #over = false

  constructor(
    destination: Destination,
    options: DialOptions,
    onReady: (wire: Wire) => void,
    onError: (error: ProxyError) => void,
  ) {
    this.#destination = destination
    this.#options = options
    this.#onReady = onReady
    this.#onError = onError
    const addresses = options.resolver.cached(destination.host)
    if (addresses !== undefined) this.#connect(addresses)
    else this.#resolve()
  }

  /** Stop; no callback comes any more. */
  cancel(): void {
    this.#over = true
    clearTimeout(this.#timer)
    this.#wire?.destroy()
  }

  #resolve(): void {
    this.times.dnsUs = nowUs()
    this.#limit(this.#options.timeouts.dnsMs, 'dns_timeout')
    this.#options.resolver.resolve(this.#destination.host).then(
      (addresses) => {
        if (this.#over) return
        if (addresses.length === 0) this.#fail('dns_failed', new Error('no address'))
        else this.#connect(addresses)
      },
      (error) => this.#fail('dns_failed', error),
    )
  }

  #connect(resolved: readonly ResolvedAddress[]): void {
    const { order } = this.#options.resolver
    const addresses = order.sorted(resolved)
    this.#phase = 'connect'
    this.times.connectUs = nowUs()
    this.#limit(this.#options.timeouts.connectMs, 'connect_timeout')
    const { host, port, tls } = this.#destination
    const single = addresses.length === 1
    const target: TcpNetConnectOpts = {
      host: single ? addresses[0]!.address : host,
      port,
      ...(single ? {} : { lookup: answering(addresses), autoSelectFamily: true }),
      autoSelectFamilyAttemptTimeout: ATTEMPT_DELAY_MS,
    }
    const wire = tls ? this.#secureWire(target) : Wire.dial(target, this.#options.highWater)
    this.#wire = wire
    wire.handler = this.#untilReady()
    if (!single) wire.socket.once('connect', () => order.connected(addresses, wire.socket.remoteAddress))
    if (!tls) wire.socket.once('connect', () => this.#ready(wire))
    if (this.#options.leadsBack !== undefined) {
      const { leadsBack } = this.#options
      wire.socket.prependOnceListener('connect', () => {
        if (leadsBack(wire.socket)) this.#fail('loop_detected', new Error('the connection came back to this proxy'))
      })
    }
  }

  #secureWire(target: TcpNetConnectOpts): Wire {
    const { host, serverName } = this.#destination
    const { highWater, alpn = HTTP1_ONLY } = this.#options
    const tls = this.#tls
    let socket: TLSSocket | undefined
    const wire = Wire.dialSecure((onread) => {
      socket = tls.connect(target, host, serverName, alpn, onread)
      return socket
    }, highWater)
    wire.socket.once('connect', () => {
      if (this.#over) return
      this.#phase = 'tls'
      this.times.tlsUs = nowUs()
      this.#limit(this.#options.timeouts.tlsMs, 'tls_timeout')
    })
    wire.socket.once('secureConnect', () => this.#secured(wire, socket!, alpn))
    return wire
  }

  get #tls(): UpstreamTls {
    plainTls ??= new UpstreamTls()
    return this.#options.tls ?? plainTls
  }

  #secured(wire: Wire, socket: TLSSocket, offered: readonly string[]): void {
    if (this.#over) return
    const agreed = factsOf(socket, typeof socket.servername === 'string' ? socket.servername : '')
    const facts = { ...agreed, certificate: this.#tls.validity(socket) }
    wire.tls = facts
    // A server without ALPN speaks HTTP/1.1; where that was not offered, it is not what is wanted.
    if (facts.alpn === '' && !offered.includes('http/1.1')) {
      this.#fail('tls_no_shared_protocol', undefined)
      return
    }
    this.#options.onHandshake?.(facts.resumed ? 'resumed' : 'full', nowUs() - this.times.tlsUs)
    this.#ready(wire)
  }

  #ready(wire: Wire): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    this.times.readyUs = nowUs()
    this.#onReady(wire)
  }

  /** Until the new owner sets its own handler: an end here is a failed dial. Early server bytes are kept paused. */
  #untilReady(): Wire['handler'] {
    return {
      onBytes: () => this.#fail('bad_response', new Error('bytes before the request')),
      onEnd: () => {},
      onDrain: () => {},
      onClose: (error) => this.#closed(error),
    }
  }

  #closed(error: Error | undefined): void {
    const errno = errnoOf(error)
    if (this.#phase === 'tls') this.#fail(upstreamFailure(error).code, error)
    else if (errno === 'ECONNREFUSED' || refusedEverywhere(error)) this.#fail('connection_refused', error)
    // No descriptor left here: that is our limit, not the upstream's fault.
    else this.#fail(errno === 'EMFILE' || errno === 'ENFILE' ? 'overloaded' : 'connect_failed', error)
  }

  #limit(timeoutMs: number, code: ErrorCode): void {
    clearTimeout(this.#timer)
    if (timeoutMs > 0) this.#timer = setTimeout(() => this.#fail(code, undefined), timeoutMs)
  }

  #fail(code: ErrorCode, cause: unknown): void {
    if (this.#over) return
    this.cancel()
    const inTls = this.#phase === 'tls'
    if (inTls) this.#options.onHandshake?.(code, nowUs() - this.times.tlsUs)
    const detail = inTls && cause !== undefined ? upstreamFailure(cause).detail : ''
    this.#onError(new ProxyError(code, this.#phase, detail, { errno: errnoOf(cause), cause }))
  }
}

function answering(addresses: readonly ResolvedAddress[]): LookupFunction {
  return (_host, _options, callback) => callback(null, [...addresses])
}

/** Happy eyeballs reports the failures of all addresses together. */
function refusedEverywhere(error: unknown): boolean {
  return (
    error instanceof AggregateError &&
    error.errors.length > 0 &&
    error.errors.every((e) => errnoOf(e) === 'ECONNREFUSED')
  )
}
