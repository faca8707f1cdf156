/**
 * Records of the ring encoded as OTLP spans (opentelemetry/proto/trace/v1/trace.proto) with the attributes of
 * OpenTelemetry's HTTP conventions 1.44, without objects in between. Whatever repeats is encoded once and copied.
 */
import { ERROR_CODES } from '../core/errors.ts'
import { writeFixed32, writeNanosFixed64 } from '../core/protobuf.ts'
import { callSpan } from './call-record.ts'
import { ConnectionBlocksTable, originOf, writeAgent, writeHost, writeUpstream } from './connection-blocks.ts'
import { type AttemptContext, attemptSpan } from './otlp-attempt.ts'
import { AttributeSink, textOf } from './otlp-attributes.ts'
import { outcomeBlock, writeLink } from './otlp-idempotency.ts'
import * as K from './otlp-keys.ts'
import { KIND_CLIENT, KIND_SERVER, STATUS_ERROR, status, userFields } from './otlp-rare.ts'
import { writeRequestId } from './otlp-request-id.ts'
import { writeRpc, writeRpcName } from './otlp-rpc.ts'
import * as L from './record-layout.ts'
import { readTail, retriedUs } from './record-tail.ts'
import { findQuery, type Redactor } from './redact.ts'
import type { RingMemory } from './ring.ts'
import { isSpanError } from './span-error.ts'
import { tunnelSpan } from './tunnel-record.ts'

const VERSIONS = new Map([
  [10, '1.0'],
  [11, '1.1'],
  [20, '2'],
])
const MAX_BLOCKS = 2048
/** Flags beside the W3C ones: whether the parent is remote is known, and it is (trace.proto SpanFlags). */
const PARENT_KNOWN = 0x100
const PARENT_REMOTE = 0x300
/** Bits of the key of a block of common attributes. */
const NO_STATUS = 1 << 18
const OWN_VERDICT = 1 << 19
const CLIENT = 1 << 20
const SLASH = 0x2f

/** Most bytes that one record can become, attempts included. */
export const MAX_ENCODED_BYTES = 192 * 1024

export class SpanEncoder {
  readonly #memory: RingMemory
  readonly #bytes: Buffer
  readonly #sink: AttributeSink
  readonly #scratch = new AttributeSink(Buffer.alloc(16_384))
  readonly #connections = new ConnectionBlocksTable()
  readonly #blocks = new Map<number, Uint8Array>()
  readonly #names: Uint8Array[]
  readonly #reused: readonly [Uint8Array, Uint8Array]
  readonly #redactor: Redactor
  /** Of the last exchange, where it had several attempts. */
  #attempted: AttemptContext = { state: '', path: '' }
  /** Encoded attributes that the next exchange's span has beside its own. */
  extra: Uint8Array | undefined = undefined
  /** Microseconds to add to a record's clock to get Unix time. */
  originUs: number

  constructor(memory: RingMemory, redactor: Redactor, originUs: number) {
    this.#memory = memory
    this.#bytes = memory.bytes
    this.#redactor = redactor
    this.originUs = originUs
    this.#sink = new AttributeSink(memory.bytes)
    this.#names = L.METHODS.map((method, index) => nameField(index === 0 ? 'HTTP' : method))
    const reused = (value: boolean): Uint8Array => {
      this.#scratch.bool(K.REUSED, value)
      return this.#scratch.cut(0)
    }
    this.#reused = [reused(false), reused(true)]
  }

  /** The position after the spans that the last call wrote. */
  get end(): number {
    return this.#sink.at
  }

  /** Remember the facts of a connection that later records refer to. */
  facts(facts: L.ConnectionFactsRecord): void {
    this.#connections.put(facts, this.#scratch)
  }

  /** Encode the EXCHANGE record at word `at` into `out` from `position`; {@link end} says where it ended. Gives spans. */
  exchange(at: number, out: Buffer, position: number): number {
    const sink = this.#sink
    sink.out = out
    sink.at = position
    const { int32 } = this.#memory
    const half = at * 2
    const tailLength = int32[half + L.H_TAIL]!
    const start = this.#open()
    const tail = this.#span(at, tailLength)
    this.#close(start)
    const attempts = tail?.attempts
    if (attempts === undefined) return 1
    for (let i = 0; i < attempts.length; i++)
      this.#field(2, attemptSpan(this.#memory, at, attempts[i]!, i, this.originUs, this.#attempted).finish())
    return 1 + attempts.length
  }

  /** Encode a TUNNEL or CALL record at word `at`, like {@link exchange}. */
  plain(at: number, kind: number, out: Buffer, position: number): number {
    this.#sink.out = out
    this.#sink.at = position
    const span = kind === L.CALL ? callSpan : tunnelSpan
    this.#field(2, span(this.#memory, at, this.originUs).finish())
    return 1
  }

  /** Begin a span of ScopeSpans.spans = 2: room for a length of two bytes, which nearly all have. */
  #open(): number {
    const start = this.#sink.at
    this.#sink.at = start + 3
    return start
  }

  #close(start: number): void {
    const sink = this.#sink
    const { out } = sink
    const length = sink.at - start - 3
    out[start] = 0x12
    const shift = length < 0x80 ? -1 : length < 0x4000 ? 0 : 1
    if (shift !== 0) out.copyWithin(start + 3 + shift, start + 3, sink.at)
    const end = sink.at + shift
    sink.at = start + 1
    sink.varint(length)
    sink.at = end
  }

  #span(at: number, tailLength: number): L.RecordTail | undefined {
    const sink = this.#sink
    const bytes = this.#bytes
    const { int32, float64 } = this.#memory
    const half = at * 2
    const flags = int32[half + L.H_FLAGS]!
    const statusMethod = int32[half + L.H_STATUS]!
    const errorBits = int32[half + L.H_ERROR]!
    const pathRequestId = int32[half + L.H_PATH_REQUEST_ID]!
    const stateMethod = int32[half + L.H_STATE_METHOD]!
    const hostAgent = int32[half + L.H_HOST_AGENT]!
    const errnoDetail = int32[half + L.H_ERRNO_DETAIL]!
    const upstream = int32[half + L.H_UPSTREAM]!
    const method = statusMethod >>> 16
    const code = statusMethod & 0xffff
    const outbound = (flags & L.F_OUTBOUND) !== 0
    const hasParent = (flags & L.F_PARENT) !== 0
    const traceBits = int32[half + L.H_TRACE_FLAGS]!
    const rpc = traceBits >>> L.RPC_SHIFT

    const ids = (at + L.W_STRINGS) * 8
    const requestIdAt = ids + ((flags & L.F_TRACE) === 0 ? 0 : hasParent ? 64 : 48)
    const pathAt = requestIdAt + (pathRequestId >>> 16)
    const methodAt = pathAt + (pathRequestId & 0xffff)
    const hostAt = methodAt + (stateMethod >>> 16)
    const agentAt = hostAt + (hostAgent & 0xffff)
    const upstreamAt = agentAt + (hostAgent >>> 16)
    const stateAt = upstreamAt + (upstream & 0xffff)
    const errnoAt = stateAt + (stateMethod & 0xffff)
    const detailAt = errnoAt + (errnoDetail & 0xffff)
    const linkAt = detailAt + (errnoDetail >>> 16)
    const tailAt = linkAt + ((flags & L.F_LINK) === 0 ? 0 : 48)
    const tail = tailLength === 0 ? undefined : readTail(bytes, tailAt, tailLength)
    const user = tail?.user
    if (tail?.attempts !== undefined) {
      const path = this.#redactor.path(textOf(bytes, pathAt, methodAt))
      this.#attempted = { state: textOf(bytes, stateAt, errnoAt), path }
    }

    sink.id(0x0a, 16, bytes, ids)
    sink.id(0x12, 8, bytes, ids + 32)
    if (errnoAt > stateAt) this.#text(0x1a, stateAt, errnoAt)
    if (hasParent) sink.id(0x22, 8, bytes, ids + 48)
    if (user?.name !== undefined) sink.block(nameField(user.name))
    else if (rpc === 0 || !writeRpcName(sink, bytes, pathAt, methodAt)) sink.block(this.#names[method]!)
    const startUs = float64[at + L.W_START]! + this.originUs
    const durationUs = Math.max(0, float64[at + L.W_DURATION]!)
    sink.byte(0x39)
    sink.at = writeNanosFixed64(sink.out, sink.at, startUs)
    sink.byte(0x41)
    sink.at = writeNanosFixed64(sink.out, sink.at, startUs + durationUs)

    const errorNumber = errorBits & 0xff
    const version = (errorBits >>> 16) & 0xff
    sink.block(
      this.#common(
        code |
          (method << 10) |
          (version << 21) |
          (outbound ? CLIENT : 0) |
          ((flags & L.F_RESPONSE) === 0 ? NO_STATUS : 0) |
          (errorNumber !== 0 || user?.status !== undefined || rpc !== 0 ? OWN_VERDICT : 0),
        version,
      ),
    )
    if (hostAt > methodAt) sink.range(K.METHOD_ORIGINAL, bytes, methodAt, hostAt)
    this.#connection(int32[half + L.H_CONNECTION]!, flags, hostAt, agentAt, upstreamAt, upstream)
    this.#url(outbound, int32[half + L.H_CONNECTION]!, flags, hostAt, agentAt, pathAt, methodAt)
    if (pathAt > requestIdAt) writeRequestId(sink, bytes, requestIdAt, pathAt)
    this.#timings(at, durationUs, tail?.attempts)
    sink.block((flags & L.F_REUSED) === 0 ? this.#reused[0] : this.#reused[1])
    const requestBytes = float64[at + L.W_REQUEST_BYTES]!
    const responseBytes = float64[at + L.W_RESPONSE_BYTES]!
    if (requestBytes > 0) sink.int(K.REQUEST_SIZE, requestBytes)
    if (responseBytes > 0) sink.int(K.RESPONSE_SIZE, responseBytes)
    if ((flags & L.F_TCP) !== 0) this.#tcp(half)
    if (L.outcomeOf(flags) !== undefined) sink.block(outcomeBlock(L.outcomeOf(flags)!))
    if (errorNumber !== 0)
      this.#error(at, errorBits, code, outbound, user?.status !== undefined, errnoAt, detailAt, linkAt)
    if (rpc !== 0) {
      const judged = errorNumber !== 0 || user?.status !== undefined
      const failed = writeRpc(sink, bytes, pathAt, methodAt, rpc - L.RPC_STATUS, outbound, judged)
      if (failed) this.#field(15, status(STATUS_ERROR, '').finish())
    }
    if ((flags & L.F_LINK) !== 0) writeLink(sink, bytes, linkAt, (flags & L.F_ORIGINAL) !== 0)
    if (user !== undefined) this.#user(user)
    if (this.extra !== undefined) sink.block(this.extra)
    const parent = hasParent ? PARENT_REMOTE : PARENT_KNOWN
    sink.byte(0x85)
    sink.byte(0x01)
    sink.at = writeFixed32(sink.out, sink.at, (traceBits & 0xff) | parent)
    return tail
  }

  #text(tag: number, start: number, end: number): void {
    const sink = this.#sink
    const begin = sink.at
    sink.byte(tag)
    sink.varint(end - start)
    // Not ASCII would be a tracestate that no validation let through: left out, since bad UTF-8 fails a whole batch.
    if (!sink.ascii(this.#bytes, start, end)) sink.at = begin
  }

  /** Kind, method, version, status, and the verdict where the status alone gives it: a block by its key. */
  #common(key: number, version: number): Uint8Array {
    const known = this.#blocks.get(key)
    if (known !== undefined) return known
    const scratch = this.#scratch
    const client = (key & CLIENT) !== 0
    const code = key & 0x3ff
    scratch.byte(0x30)
    scratch.byte(client ? KIND_CLIENT : KIND_SERVER)
    scratch.string(K.METHOD, L.METHODS[(key >>> 10) & 0xf] ?? '_OTHER')
    const versionText = VERSIONS.get(version)
    if (versionText !== undefined) scratch.string(K.VERSION, versionText)
    if ((key & NO_STATUS) === 0) scratch.int(K.STATUS, code)
    if ((key & OWN_VERDICT) === 0 && code >= (client ? 400 : 500)) {
      scratch.string(K.ERROR_TYPE, String(code))
      for (const byte of [0x7a, 0x02, 0x18, STATUS_ERROR]) scratch.byte(byte)
    }
    if (this.#blocks.size >= MAX_BLOCKS) this.#blocks.clear()
    const block = scratch.cut(0)
    this.#blocks.set(key, block)
    return block
  }

  #connection(id: number, flags: number, hostAt: number, agentAt: number, upstreamAt: number, upstream: number): void {
    const sink = this.#sink
    const blocks = this.#connections.of(id)
    if ((flags & (L.F_HOST | L.F_AGENT | L.F_UPSTREAM)) === 0) {
      sink.block(blocks.all)
      return
    }
    const bytes = this.#bytes
    sink.part(blocks.all, 0, blocks.hostAt)
    if ((flags & L.F_HOST) === 0) sink.part(blocks.all, blocks.hostAt, blocks.agentAt)
    else writeHost(sink, blocks.facts, textOf(bytes, hostAt, agentAt))
    if ((flags & L.F_AGENT) === 0) sink.part(blocks.all, blocks.agentAt, blocks.upstreamAt)
    else writeAgent(sink, bytes, agentAt, upstreamAt)
    if ((flags & L.F_UPSTREAM) === 0) {
      sink.part(blocks.all, blocks.upstreamAt, blocks.all.length)
      return
    }
    const length = upstream & 0xffff
    const address = bytes.toString('latin1', upstreamAt, upstreamAt + length)
    writeUpstream(sink, (flags & L.F_OUTBOUND) !== 0, address, upstream >>> 16)
  }

  #url(
    outbound: boolean,
    id: number,
    flags: number,
    hostAt: number,
    agentAt: number,
    start: number,
    end: number,
  ): void {
    const sink = this.#sink
    const bytes = this.#bytes
    const question = findQuery(bytes, start, end)
    const secret = question >= 0 && this.#redactor.suspects(bytes, question + 1, end)
    if (outbound) {
      // Targets of CONNECT and OPTIONS * are no paths of a URL.
      if (bytes[start] !== SLASH) end = start
      const blocks = this.#connections.of(id)
      const origin = (flags & L.F_HOST) === 0 ? blocks.origin : originOf(blocks.facts, textOf(bytes, hostAt, agentAt))
      if (!secret && sink.prefixed(K.FULL, origin, bytes, start, end)) return
      sink.string(K.FULL, Buffer.from(origin).toString('latin1') + this.#redactor.path(textOf(bytes, start, end)))
      return
    }
    // CONNECT has none.
    if (start === end) return
    sink.range(K.PATH, bytes, start, question < 0 ? end : question)
    if (question < 0 || question + 1 === end) return
    if (secret) sink.string(K.QUERY, this.#redactor.query(textOf(bytes, question + 1, end)))
    else sink.range(K.QUERY, bytes, question + 1, end)
  }

  /** Whole microseconds, so that phases, retries and `self` add up to the rounded duration exactly. */
  #timings(at: number, durationUs: number, attempts: readonly L.AttemptTail[] | undefined): void {
    const { float64 } = this.#memory
    let self = Math.round(durationUs)
    if (attempts !== undefined) {
      const retryUs = Math.round(retriedUs(attempts))
      self -= retryUs
      this.#sink.int(K.RETRY, retryUs)
    }
    for (let i = 0; i < 7; i++) {
      const phase = float64[at + L.W_PHASES + i]!
      if (phase < 0) continue
      const us = Math.round(phase)
      self -= us
      this.#sink.int(K.PHASES[i]!, us)
    }
    this.#sink.int(K.SELF, Math.max(0, self))
  }

  #tcp(half: number): void {
    const { int32 } = this.#memory
    for (let i = 0; i < 4; i++) {
      const value = int32[half + L.H_TCP + i]!
      if (value >= 0) this.#sink.int(K.TCP[i]!, value)
    }
  }

  #error(
    at: number,
    bits: number,
    code: number,
    outbound: boolean,
    judged: boolean,
    errnoAt: number,
    detailAt: number,
    end: number,
  ): void {
    const sink = this.#sink
    const { float64, int32 } = this.#memory
    const name = L.ERROR_NAMES[(bits & 0xff) - 1]!
    const facts = ERROR_CODES[name]
    sink.string(K.ERROR_CODE, name)
    sink.string(K.ERROR_PHASE, L.ERROR_PHASES[(bits >>> 8) & 0xff] ?? 'head')
    sink.string(K.ERROR_SOURCE, facts.source)
    if (detailAt > errnoAt) sink.range(K.ERROR_ERRNO, this.#bytes, errnoAt, detailAt)
    if ((int32[at * 2 + L.H_FLAGS]! & L.F_ERROR_CONNECTION) !== 0) {
      sink.int(K.ERROR_SENT, Math.max(0, float64[at + L.W_ERROR_SENT]!))
      sink.int(K.ERROR_AGE, Math.max(0, Math.round(float64[at + L.W_ERROR_AGE]!)))
    }
    if (!isSpanError(name, outbound, code)) return
    sink.string(K.ERROR_TYPE, name)
    if (!judged) this.#field(15, status(STATUS_ERROR, textOf(this.#bytes, detailAt, end) || facts.title).finish())
  }

  #user(user: L.UserTail): void {
    for (const [field, message] of userFields(user)) this.#field(field, message.finish())
    if (user.dropped === undefined) return
    this.#sink.byte(0x50)
    this.#sink.varint(user.dropped)
  }

  #field(field: number, message: Uint8Array): void {
    this.#sink.message(field, message)
  }
}

function nameField(name: string): Uint8Array {
  const text = Buffer.from(name)
  const length = text.length < 0x80 ? [text.length] : [(text.length & 0x7f) | 0x80, text.length >> 7]
  return Uint8Array.from([0x2a, ...length, ...text])
}
