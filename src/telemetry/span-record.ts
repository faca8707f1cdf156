/**
 * A finished exchange written into the ring: numbers into slots and all strings by one native call. This is the whole
 * price of a span on the data thread, so it makes no objects and formats nothing.
 */
import { RPC_NONE } from '../core/grpc.ts'
import type { KnownName } from '../core/known-names.ts'
import { knownId } from '../core/known-names.ts'
import { writeLatin1 } from '../core/latin1.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { ConnectionFactsTable } from './connection-facts.ts'
import * as L from './record-layout.ts'
import { attemptTails, userTailOf } from './record-tail.ts'
import { bodiesOf, type KeptBodies } from './recorder/bodies.ts'
import type { Sections } from './recorder/options.ts'
import { targetWithoutUserinfo } from './redact.ts'
import type { RingWriter } from './ring.ts'

const USER_AGENT: KnownName = 'user-agent'
const userAgentId = knownId(USER_AGENT)

const SLASH = 0x2f

const bounded = (text: string, max: number): string => (text.length > max ? text.slice(0, max) : text)

/** Whole members of a tracestate: its last ones are the first to go (W3C Trace Context §3.3.1.5). */
function boundedState(state: string): string {
  return state.length <= L.MAX_STATE ? state : state.slice(0, Math.max(0, state.lastIndexOf(',', L.MAX_STATE)))
}

export class SpanRecorder {
  readonly ring: RingWriter
  readonly facts = new ConnectionFactsTable()
  readonly #float64: Float64Array
  readonly #int32: Int32Array
  readonly #bytes: Buffer
  readonly #tcpOf: ((x: Exchange) => L.TcpFacts | undefined) | undefined
  readonly sections: Sections

  readonly #notesOf: L.NotesOf | undefined

  /** `sections`: which header sections are kept too, as they came; they are redacted when they are read. */
  constructor(
    ring: RingWriter,
    tcpOf?: (x: Exchange) => L.TcpFacts | undefined,
    sections: Sections = 'off',
    notesOf?: L.NotesOf,
  ) {
    this.ring = ring
    this.sections = sections
    this.#float64 = ring.memory.float64
    this.#int32 = ring.memory.int32
    this.#bytes = ring.memory.bytes
    this.#tcpOf = tcpOf
    this.#notesOf = notesOf
  }

  /** The worker was started again and knows no connection. */
  forgetConnections(): void {
    this.facts.forget()
  }

  /**
   * Write `x` with its phases (microseconds, -1 where it had none). `flags` says what it is for: F_EXPORT, F_LOG or
   * neither (flight recorder only). False: the ring is full and the record is lost.
   */
  write(x: Exchange, method: number, phases: Float64Array, flags: number): boolean {
    const request = x.request
    const target = request.path !== '' ? request.path : request.target
    const connects = isAuthority(request.method, target)
    // Its Host field may be missing, or say something else.
    const host = bounded(connects ? targetWithoutUserinfo(target) : request.host, L.MAX_HOST)
    const agent = bounded(request.headers.known(userAgentId) ?? '', L.MAX_AGENT)
    const facts = this.facts.of(this.ring, x, host, agent)
    const trace = x.trace
    const error = x.error
    const peer = x.upstreamPeer
    const requestId = bounded(x.requestId, L.MAX_REQUEST_ID)
    const path = connects
      ? ''
      : bounded(target.charCodeAt(0) === SLASH ? target : targetWithoutUserinfo(target), L.MAX_PATH)
    let bits = flags
    let strings = requestId + path
    if (trace !== undefined) {
      bits |= L.F_TRACE
      if (trace.parentSpanId !== '') {
        bits |= L.F_PARENT
        strings = trace.traceId + trace.spanId + trace.parentSpanId + strings
      } else strings = trace.traceId + trace.spanId + strings
    }
    const otherMethod = method === 0 ? bounded(request.method, L.MAX_METHOD) : ''
    if (method === 0) strings += otherMethod
    if (host !== facts.host) {
      bits |= L.F_HOST
      strings += host
    }
    if (agent !== facts.userAgent) {
      bits |= L.F_AGENT
      strings += agent
    }
    let upstream = 0
    if (peer === undefined) {
      // No address and port 0: the one of an earlier exchange of the connection is not this one's.
      if (facts.upstreamPort !== 0) bits |= L.F_UPSTREAM
    } else if (peer.port !== facts.upstreamPort || peer.address !== facts.upstreamAddress) {
      bits |= L.F_UPSTREAM
      strings += peer.address
      upstream = peer.address.length | (peer.port << 16)
    }
    const state = trace === undefined || trace.state === '' ? '' : boundedState(trace.state)
    strings += state
    let errno = ''
    let detail = ''
    if (error !== undefined) {
      errno = bounded(error.errno, L.MAX_ERRNO)
      detail = bounded(error.detail, L.MAX_DETAIL)
      strings += errno + detail
      if (error.connection !== undefined) bits |= L.F_ERROR_CONNECTION
    }
    const link = x.originalLink ?? x.inferredLink
    if (link !== undefined) {
      bits |= x.originalLink === undefined ? L.F_LINK : L.F_LINK | L.F_ORIGINAL
      strings += link.traceId + link.spanId
    }
    if (x.idempotency !== undefined) bits |= L.outcomeBits(x.idempotency)
    const tcp = this.#tcpOf?.(x)
    const notes = this.#notesOf?.(x, tcp)
    const isPlain = x.attemptLog === undefined && x.bag === undefined && x.webSocket === undefined
    const tail = isPlain && notes === undefined ? '' : tailOf(x, notes)
    strings += tail

    let requestSection = ''
    let responseSection = ''
    if (this.sections !== 'off') {
      const pairsToo = this.sections === 'all' || (flags & L.F_TRIGGER) !== 0
      requestSection = bounded(request.headers.received(pairsToo), L.MAX_SECTION)
      if (x.response !== undefined) responseSection = bounded(x.response.headers.received(pairsToo), L.MAX_SECTION)
    }
    const bodies = x.bag === undefined ? undefined : bodiesOf(x)
    const length = strings.length + requestSection.length + responseSection.length + (bodies?.recordBytes ?? 0)

    const words = L.W_STRINGS + ((length + 7) >> 3)
    const at = this.ring.reserve(words)
    if (at < 0) return false
    const int32 = this.#int32
    const float64 = this.#float64
    const half = at * 2
    if (x.upstreamReused) bits |= L.F_REUSED
    if (x.connection.direction === 'outbound') bits |= L.F_OUTBOUND
    if (x.response !== undefined) bits |= L.F_RESPONSE
    if (tcp !== undefined) {
      bits |= L.F_TCP
      int32[half + L.H_TCP] = tcp.downstreamRttUs
      int32[half + L.H_TCP + 1] = tcp.downstreamRetransmits
      int32[half + L.H_TCP + 2] = tcp.upstreamRttUs
      int32[half + L.H_TCP + 3] = tcp.upstreamRetransmits
    }
    let failure = (request.version << 16) | (Math.min(x.attempts, 127) << 24)
    if (error !== undefined) {
      failure |= L.errorIndex(error.code) | (L.ERROR_PHASES.indexOf(error.phase) << 8)
      float64[at + L.W_ERROR_AGE] = error.connection?.ageUs ?? -1
      float64[at + L.W_ERROR_SENT] = error.connection?.bytesSent ?? -1
    }
    if (bodies !== undefined) bits |= L.F_BODIES
    int32[half + L.H_FLAGS] = bits
    int32[half + L.H_CONNECTION] = x.connection.id | 0
    int32[half + L.H_STATUS] = x.status | (method << 16)
    int32[half + L.H_ERROR] = failure
    int32[half + L.H_PATH_REQUEST_ID] = path.length | (requestId.length << 16)
    int32[half + L.H_STATE_METHOD] = state.length | (otherMethod.length << 16)
    int32[half + L.H_HOST_AGENT] =
      ((bits & L.F_HOST) !== 0 ? host.length : 0) | ((bits & L.F_AGENT) !== 0 ? agent.length << 16 : 0)
    int32[half + L.H_ERRNO_DETAIL] = errno.length | (detail.length << 16)
    int32[half + L.H_UPSTREAM] = upstream
    int32[half + L.H_TAIL] = tail.length
    int32[half + L.H_SECTIONS] = requestSection.length | (responseSection.length << 16)
    const rpc = x.rpc === RPC_NONE ? 0 : x.grpcStatus + L.RPC_STATUS
    int32[half + L.H_TRACE_FLAGS] = (trace === undefined ? 0 : trace.flags & 0xff) | (rpc << L.RPC_SHIFT)
    float64[at + L.W_START] = x.timing.startUs
    float64[at + L.W_DURATION] = x.durationUs
    const first = at + L.W_PHASES
    for (let i = 0; i < 7; i++) float64[first + i] = phases[i]!
    float64[at + L.W_REQUEST_BYTES] = x.requestBytes
    float64[at + L.W_RESPONSE_BYTES] = x.responseBytes
    this.#write(at, strings, requestSection, responseSection, bodies)
    this.ring.commit(at, words, L.EXCHANGE)
    return true
  }

  #write(at: number, strings: string, request: string, response: string, bodies: KeptBodies | undefined): void {
    const bytes = this.#bytes
    let to = (at + L.W_STRINGS) * 8
    writeLatin1(bytes, strings, to)
    to += strings.length
    if (request !== '') writeLatin1(bytes, request, to)
    to += request.length
    if (response !== '') writeLatin1(bytes, response, to)
    bodies?.copyTo(bytes, to + response.length)
  }
}

/** The rare parts as JSON, UTF-8 bytes in a latin1 string. */
function tailOf(x: Exchange, notes: L.Notes | undefined): string {
  const attempts = x.attemptLog === undefined ? undefined : attemptTails(x.attemptLog)
  const user = userTailOf(x, notes)
  if (attempts === undefined && user === undefined) return ''
  const tail: L.RecordTail = { ...(attempts && { attempts }), ...(user && { user }) }
  const text = Buffer.from(JSON.stringify(tail)).toString('latin1')
  if (text.length <= L.MAX_TAIL) return text
  return attempts === undefined ? '' : Buffer.from(JSON.stringify({ attempts })).toString('latin1').slice(0, L.MAX_TAIL)
}

/** The target of a plain CONNECT is the host again, no path; by HTTP/2 one may have a path (RFC 8441). */
function isAuthority(method: string, target: string): boolean {
  return method === 'CONNECT' && target !== '' && target.charCodeAt(0) !== SLASH
}
