/** Calls and replies of a Thrift connection paired by method and sequence number, whichever side calls. */
import { type CallError, type CallSink, type CallValue, MAX_OUTSTANDING, UNANSWERED } from './call.ts'
import type { ProtocolPairs } from './protocol-pairs.ts'
import { CALL, ONEWAY, type ThriftEncoding } from './thrift-header.ts'
import { type ThriftMessage, ThriftReader } from './thrift-reader.ts'

/** One direction: what it sends, and which of its calls wait. */
class Side {
  readonly reader: ThriftReader
  /** In the order in which they were sent. */
  readonly calls: ThriftMessage[] = []

  constructor(
    encoding: ThriftEncoding,
    framed: boolean,
    onHead: (message: ThriftMessage) => void,
    onEnd: (message: ThriftMessage, endUs: number) => void,
  ) {
    this.reader = new ThriftReader(encoding, framed, { onHead, onEnd })
  }
}

export class ThriftCalls implements ProtocolPairs {
  readonly #client: Side
  readonly #server: Side
  readonly #variant: string
  readonly #onCall: CallSink
  unpaired = 0
  readonly closing = ''

  /** `variant`: `framed binary` and so on. */
  constructor(variant: string, onCall: CallSink) {
    this.#variant = variant
    this.#onCall = onCall
    const framed = variant.startsWith('framed')
    const encoding = variant.endsWith('binary') ? 'binary' : 'compact'
    const side = (fromClient: boolean): Side =>
      new Side(
        encoding,
        framed,
        (message) => this.#head(fromClient, message),
        (message, endUs) => this.#end(fromClient, message, endUs),
      )
    this.#client = side(true)
    this.#server = side(false)
  }

  feed(fromClient: boolean, buf: Buffer, start: number, end: number, now: number): boolean {
    return (fromClient ? this.#client : this.#server).reader.feed(buf, start, end, now)
  }

  finish(now: number): void {
    for (const [fromClient, side] of [
      [true, this.#client],
      [false, this.#server],
    ] as const) {
      for (const call of side.calls.splice(0)) this.#tell(fromClient, call, undefined, now, UNANSWERED)
    }
  }

  /** A reply may come before the last byte of its call. */
  #head(fromClient: boolean, message: ThriftMessage): void {
    if (message.type !== CALL) return
    const { calls } = fromClient ? this.#client : this.#server
    calls.push(message)
    if (calls.length <= MAX_OUTSTANDING) return
    calls.shift()
    this.unpaired++
  }

  #end(fromClient: boolean, message: ThriftMessage, endUs: number): void {
    if (message.type === CALL) return
    if (message.type === ONEWAY) {
      this.#tell(fromClient, message, undefined, endUs, undefined)
      return
    }
    const { calls } = fromClient ? this.#server : this.#client
    const index = calls.findIndex((call) => answers(message, call))
    if (index < 0) {
      this.unpaired++
      return
    }
    this.#tell(!fromClient, calls.splice(index, 1)[0]!, message, endUs, message.failure)
  }

  #tell(
    fromClient: boolean,
    call: ThriftMessage,
    reply: ThriftMessage | undefined,
    endUs: number,
    error: CallError | undefined,
  ): void {
    const oneway = call.type === ONEWAY
    // Whoever calls chooses the name: one that the service does not know must not become the name of a span.
    const known = error?.type !== 'unknown_method'
    const attributes: [string, CallValue][] = [
      ['rpc.system.name', 'thrift'],
      ['rpc.method', known ? call.name : '_OTHER'],
    ]
    if (!known) attributes.push(['rpc.method_original', call.name])
    attributes.push(
      ['hopscope.thrift.form', this.#variant],
      ['hopscope.thrift.message', oneway ? 'oneway' : 'call'],
      ['hopscope.thrift.sequence', call.sequence],
    )
    if (call.bytes > 0) attributes.push(['hopscope.thrift.request_bytes', call.bytes])
    if (reply !== undefined) attributes.push(['hopscope.thrift.reply_bytes', reply.bytes])
    this.#onCall({
      protocol: 'thrift',
      operation: oneway ? 'oneway' : 'call',
      name: known ? call.name : 'thrift call',
      fromClient,
      startUs: call.startUs,
      endUs,
      attributes,
      error,
      parent: undefined,
    })
  }
}

/** Servers of several services leave the service's name out of the reply: `Calculator:add` is answered with `add`. */
function answers(reply: ThriftMessage, call: ThriftMessage): boolean {
  if (reply.sequence !== call.sequence) return false
  return reply.name === call.name || call.name.endsWith(`:${reply.name}`)
}
