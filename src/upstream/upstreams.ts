/** Which codec an exchange goes upstream by; the two upstreams behind one port. */
import type { ConnectionInfo, Exchange } from '../exchange/exchange.ts'
import type { Attempt, AttemptEvents, Upstream } from '../exchange/ports.ts'
import type { Wire } from '../net/wire.ts'
import type { Destination } from './dial.ts'
import type { Http1Upstream } from './http1-upstream.ts'
import type { Http2Upstream } from './http2-upstream.ts'

/** A version of HTTP on an upstream connection. */
export type UpstreamProtocol = 'http1' | 'h2'

export interface UpstreamsOptions {
  readonly http1: Http1Upstream
  readonly http2: Http2Upstream
  /** Which one an exchange takes. */
  readonly protocolOf: (x: Exchange) => UpstreamProtocol
}

export class Upstreams implements Upstream {
  readonly http1: Http1Upstream
  readonly http2: Http2Upstream
  readonly #protocolOf: (x: Exchange) => UpstreamProtocol

  constructor(options: UpstreamsOptions) {
    this.http1 = options.http1
    this.http2 = options.http2
    this.#protocolOf = options.protocolOf
  }

  attempt(x: Exchange, events: AttemptEvents): Attempt {
    return this.#protocolOf(x) === 'h2' ? this.http2.attempt(x, events) : this.http1.attempt(x, events)
  }

  /** Make a connection that stands already the one that this client's exchanges use. */
  adopt(info: ConnectionInfo, destination: Destination, wire: Wire, protocol: UpstreamProtocol): void {
    if (protocol === 'h2') this.http2.adopt(info, destination, wire)
    else this.http1.adopt(info, destination, wire)
  }

  clientGone(info: ConnectionInfo): void {
    this.http1.clientGone(info)
    this.http2.clientGone(info)
  }

  /** Connections open now, idle ones included. */
  get connections(): number {
    return this.http1.connections + this.http2.connections
  }

  close(): void {
    this.http1.close()
    this.http2.close()
  }
}
