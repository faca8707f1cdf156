/** A request and its reply, seen inside of an opaque connection. */

export type CallValue = string | number | boolean | readonly string[]

/** A span that the request named as its cause. */
export interface CallParent {
  readonly traceId: string
  readonly spanId: string
  /** trace-flags (W3C Trace Context §3.2.2.5). */
  readonly flags: number
}

export interface CallError {
  /** Short and of a bounded number: `server_unavailable`, `unknown_method`. */
  readonly type: string
  /** In words, '' for none. */
  readonly message: string
}

/** One finished pair; times in microseconds of the monotonic clock. */
export interface ObservedCall {
  readonly protocol: 'mqtt' | 'thrift'
  /** One of few: `PUBLISH`, `call`. */
  readonly operation: string
  /** Of the span. */
  readonly name: string
  /** The request came from the side that opened the connection. */
  readonly fromClient: boolean
  /** First byte of the request. */
  readonly startUs: number
  /** Last byte of the reply that ends it. */
  readonly endUs: number
  readonly attributes: readonly (readonly [string, CallValue])[]
  readonly error: CallError | undefined
  readonly parent: CallParent | undefined
}

export type CallSink = (call: ObservedCall) => void

/** Requests of one side that wait for their reply at once; the oldest is let go for a new one beyond this. */
export const MAX_OUTSTANDING = 256

/** The connection ended before the reply. */
export const UNANSWERED: CallError = { type: 'no_reply', message: 'the connection ended before the reply' }

/** Text from the wire for a span: bounded, and without what terminals and logs would take for more than text. */
export function plainText(text: string, max = 256): string {
  const cut = text.length > max ? text.slice(0, max) : text
  let plain = ''
  for (const character of cut) {
    const code = character.codePointAt(0)!
    plain += code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0xd800 && code <= 0xdfff) ? '\ufffd' : character
  }
  return plain
}
