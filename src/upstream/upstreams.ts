/**
 * Which codec an exchange goes upstream by; both upstreams behind one port. In clear text it is settled beforehand; by TLS
 * the first handshake with a destination settles it for those that follow.
 */
import { ProxyError } from '../core/errors.ts'
import type { ConnectionInfo, Exchange, Target } from '../exchange/exchange.ts'
import type { Attempt, AttemptEvents, Upstream } from '../exchange/ports.ts'
import type { Wire } from '../net/wire.ts'
import { type Destination, Dial, type DialOptions, type DialTimes } from './dial.ts'
import type { Http1Upstream } from './http1-upstream.ts'
import type { Http2Upstream } from './http2-upstream.ts'
import { NegotiatedAttempt } from './negotiated-attempt.ts'
import type { UndiciUpstream } from './undici-upstream.ts'

/** A version of HTTP on an upstream connection. */
export type UpstreamProtocol = 'http1' | 'h2'

export interface UpstreamsOptions {
  /** Takes all exchanges in place of both codecs. */
  readonly dispatched?: UndiciUpstream | undefined
  /** For handshakes that settle the protocol; what they offer is set here. */
  readonly dial: DialOptions
  readonly http1: Http1Upstream
  readonly http2: Http2Upstream
  readonly destinationOf: (x: Exchange) => Destination
  /** Which one an exchange takes; `negotiate`: what the server chooses. */
  readonly protocolOf: (x: Exchange, destination: Destination) => UpstreamProtocol | 'negotiate'
  /** Exchanges that may wait for one handshake. */
  readonly maxPending: number
}

/** A handshake under way and those who wait for it. */
interface Negotiation {
  readonly waiting: NegotiatedAttempt[]
}

/** Destinations whose protocol is remembered; the oldest is forgotten first. */
const REMEMBERED = 1024

export class Upstreams implements Upstream {
  readonly #options: UpstreamsOptions
  readonly #settled = new Map<string, UpstreamProtocol>()
  readonly #negotiations = new Map<string, Negotiation>()

  constructor(options: UpstreamsOptions) {
    this.#options = options
  }

  attempt(x: Exchange, events: AttemptEvents): Attempt {
    const { dispatched } = this.#options
    if (dispatched !== undefined) return dispatched.attempt(x, events)
    const destination = this.#options.destinationOf(x)
    const protocol = this.#options.protocolOf(x, destination)
    if (protocol !== 'negotiate') return this.#by(protocol).attempt(x, events)
    // A WebSocket needs HTTP/1.1, or a server that says it takes them on streams: the sure way is taken.
    if (x.request.upgrade !== '') return this.#options.http1.attempt(x, events)
    const key = keyOf(destination)
    const settled = this.#settled.get(key)
    return settled === undefined ? this.#negotiate(key, destination, x, events) : this.#by(settled).attempt(x, events)
  }

  targetOf(x: Exchange): Target {
    const { host, port, tls, serverName } = this.#options.destinationOf(x)
    return { scheme: tls ? 'https' : 'http', host: serverName ?? host, port }
  }

  #by(protocol: UpstreamProtocol): Http1Upstream | Http2Upstream {
    return protocol === 'h2' ? this.#options.http2 : this.#options.http1
  }

  #negotiate(key: string, destination: Destination, x: Exchange, events: AttemptEvents): Attempt {
    const attempt = new NegotiatedAttempt(x, events)
    const under = this.#negotiations.get(key)
    const { waiting } = under ?? this.#shakeHands(key, destination, x.connection)
    if (waiting.length >= this.#options.maxPending) {
      const error = new ProxyError('overloaded', 'queue', 'too many requests wait for a handshake')
      queueMicrotask(() => events.onAttemptError(attempt, error))
      return attempt
    }
    waiting.push(attempt)
    attempt.onCancel = () => {
      const at = waiting.indexOf(attempt)
      if (at !== -1) waiting.splice(at, 1)
    }
    return attempt
  }

  #shakeHands(key: string, destination: Destination, info: ConnectionInfo): Negotiation {
    const negotiation: Negotiation = { waiting: [] }
    this.#negotiations.set(key, negotiation)
    const dial = new Dial(
      destination,
      { ...this.#options.dial, alpn: ['h2', 'http/1.1'] },
      (wire) => {
        this.#negotiations.delete(key)
        const protocol = wire.tls?.alpn === 'h2' ? 'h2' : 'http1'
        this.#remember(key, protocol)
        this.adopt(info, destination, wire, protocol)
        this.#settleAll(negotiation, protocol, dial.times)
      },
      (error) => {
        this.#negotiations.delete(key)
        for (const attempt of negotiation.waiting.splice(0)) attempt.fail(error, dial.times)
      },
    )
    return negotiation
  }

  #settleAll({ waiting }: Negotiation, protocol: UpstreamProtocol, times: DialTimes): void {
    const upstream = this.#by(protocol)
    let first: DialTimes | undefined = times
    // One by one: what an attempt sets off may cancel another.
    for (let attempt = waiting.shift(); attempt !== undefined; attempt = waiting.shift()) {
      attempt.settle(upstream, first)
      first = undefined
    }
  }

  #remember(key: string, protocol: UpstreamProtocol): void {
    this.#settled.set(key, protocol)
    if (this.#settled.size > REMEMBERED) this.#settled.delete(this.#settled.keys().next().value!)
  }

  /**
   * A destination does not take the protocol that it had chosen (it was replaced): the next exchange asks it again. True:
   * another attempt of this one does.
   */
  forget(x: Exchange, destination: Destination, protocol: UpstreamProtocol): boolean {
    const key = keyOf(destination)
    if (this.#settled.get(key) === protocol) this.#settled.delete(key)
    return x.request.upgrade === '' && this.#options.protocolOf(x, destination) === 'negotiate'
  }

  /** Make a connection that stands already the one that this client's exchanges use. */
  adopt(info: ConnectionInfo, destination: Destination, wire: Wire, protocol: UpstreamProtocol): void {
    this.#by(protocol).adopt(info, destination, wire)
  }

  clientGone(info: ConnectionInfo): void {
    this.#options.http1.clientGone(info)
    this.#options.http2.clientGone(info)
  }

  /** Connections open now, idle ones included. */
  get connections(): number {
    return this.#options.http1.connections + this.#options.http2.connections
  }

  close(): void {
    this.#options.dispatched?.close()
    this.#options.http1.close()
    this.#options.http2.close()
  }
}

/** Servers of several names may stand at one address, and differ in what they speak. */
const keyOf = ({ host, port, serverName = '' }: Destination): string => `${host}:${port}:${serverName}`
