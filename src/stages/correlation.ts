/**
 * Which inbound exchange a call of the app belongs to, where the app does not pass the trace context on. Many old
 * apps pass on X-Request-ID: that is proof enough to make the inbound span the parent. Where nothing is passed on and
 * exactly one inbound exchange is in flight, it is a guess, and is recorded as an inferred link, never as a parent.
 */
import type { Exchange, InferredLink, TraceContext } from '../exchange/exchange.ts'

export class Correlation {
  /** Inbound exchanges in flight; bounded by the connections that carry them. */
  readonly #byRequestId = new Map<string, Exchange>()
  readonly #inFlight = new Set<Exchange>()
  /** Those of sampled traces that say by which share they were kept. */
  readonly #byTrace = new Map<string, Exchange>()

  inboundStarted(x: Exchange): void {
    this.#inFlight.add(x)
    this.#byRequestId.set(x.requestId, x)
    if (x.trace?.state.includes('ot=')) this.#byTrace.set(x.trace.traceId, x)
  }

  inboundFinished(x: Exchange): void {
    this.#inFlight.delete(x)
    if (this.#byRequestId.get(x.requestId) === x) this.#byRequestId.delete(x.requestId)
    const traceId = x.trace?.traceId
    if (traceId !== undefined && this.#byTrace.get(traceId) === x) this.#byTrace.delete(traceId)
  }

  /** Context of the inbound exchange in flight with this request id. */
  byRequestId(requestId: string): TraceContext | undefined {
    return this.#byRequestId.get(requestId)?.trace
  }

  /** tracestate of an inbound exchange in flight of this trace, '' where there is none that says its share. */
  stateOf(traceId: string): string {
    return this.#byTrace.get(traceId)?.trace?.state ?? ''
  }

  /** The one inbound exchange in flight, where there is exactly one. */
  onlyOne(): InferredLink | undefined {
    if (this.#inFlight.size !== 1) return undefined
    for (const x of this.#inFlight)
      if (x.trace !== undefined) return { traceId: x.trace.traceId, spanId: x.trace.spanId }
    return undefined
  }
}
