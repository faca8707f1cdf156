/**
 * What proxies and the aggregator say to each other of traces that are wanted: `hopscope.recorder.v1.Recorder/Watch`, a
 * gRPC call in which both sides stream, beside OTLP on the same connection. Proxy to aggregator: these failed here.
 * Aggregator to proxy: these are wanted. Both are one message, `Traces { repeated bytes trace_id = 1 }`.
 */
import { MessageWriter } from './protobuf.ts'

export const WATCH_PATH = '/hopscope.recorder.v1.Recorder/Watch'
/** Traces of one message. */
export const MAX_TRACES = 256
/** A field of 16 bytes takes 18. */
export const MAX_MESSAGE_BYTES = MAX_TRACES * 18
const TRACE_BYTES = 16
const TAG = 0x0a

/** `traceIds`: 32 hex characters each. */
export function writeTraces(traceIds: readonly string[]): Buffer {
  const message = new MessageWriter()
  for (const traceId of traceIds.slice(0, MAX_TRACES)) message.bytes(1, Buffer.from(traceId, 'hex'))
  return message.finish()
}

/** Undefined where it is not such a message. Fields of later versions are none of ours, and there are none yet. */
export function readTraces(message: Buffer): string[] | undefined {
  if (message.length > MAX_MESSAGE_BYTES || message.length % (TRACE_BYTES + 2) !== 0) return undefined
  const traceIds: string[] = []
  for (let at = 0; at < message.length; at += TRACE_BYTES + 2) {
    if (message[at] !== TAG || message[at + 1] !== TRACE_BYTES) return undefined
    traceIds.push(message.toString('hex', at + 2, at + 2 + TRACE_BYTES))
  }
  return traceIds
}

/** At most so many a second on average, and twice as many at once. */
export class RateLimit {
  readonly #perMs: number
  readonly #burst: number
  #left: number
  #at: number

  constructor(perSecond: number, nowMs: number) {
    this.#perMs = perSecond / 1000
    this.#burst = perSecond * 2
    this.#left = this.#burst
    this.#at = nowMs
  }

  take(nowMs: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + (nowMs - this.#at) * this.#perMs)
    this.#at = nowMs
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
