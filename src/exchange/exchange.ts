/** One request with its response(s), from head to finish. Every slot is preset, so that all exchanges share a shape. */
import type { ProxyError } from '../core/errors.ts'
import { RPC_NONE, type RpcKind } from '../core/grpc.ts'
import { HeaderBlock } from '../core/headers.ts'
import { CHUNKED, type RequestHead, ResponseHead } from '../core/message.ts'
import type { Deadlined } from '../core/timers.ts'
import type { DownstreamTls, PeerIdentity, TlsFacts } from '../core/tls-facts.ts'
import type { OwnAnswer } from './own-answer.ts'
import type { Attempt, Downstream, WebSocketFacts } from './ports.ts'
import type { Guard } from './stage.ts'

/** `inbound`: to the app beside us; `outbound`: from it; `edge`: reverse-proxy and dev mode. */
export type Direction = 'inbound' | 'outbound' | 'edge'

/** An address as sockets report it; `address` without brackets, IPv4-mapped prefix removed. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/** What is known of the accepted connection an exchange came on. Shared by all its exchanges. */
export interface ConnectionInfo {
  /** Unique in this process. */
  readonly id: number
  readonly direction: Direction
  readonly peer: Endpoint
  readonly local: Endpoint
  /** Where the client meant to go; undefined unless intercepted. */
  readonly originalDestination: Endpoint | undefined
  readonly scheme: 'http' | 'https'
  /** How its TLS was agreed on, where it was terminated here. */
  readonly tls?: DownstreamTls | undefined
  /** Who the client is by its certificate; the principal of rules and idempotency. */
  readonly peerIdentity?: PeerIdentity | undefined
  /** File descriptor for TCP_INFO, -1 where there is none. */
  readonly fd: number
  /** Upstream connections kept for this client alone (see `upstream.reuse`); owned by the upstream. */
  affinity: unknown
  /** Exchanges begun on this connection so far. */
  exchanges: number
  /** When TCP_INFO was read last, monotonic microseconds. */
  tcpReadUs: number
}

/** W3C trace context of an exchange; ids in lower-case hex (W3C Trace Context §3.2). */
export interface TraceContext {
  traceId: string
  /** Our own span. */
  spanId: string
  /** The caller's span, '' at the root. */
  parentSpanId: string
  /** trace-flags as sent on: bit 0 sampled, bit 1 random. */
  flags: number
  /** tracestate as sent on, '' for none. */
  state: string
}

/** A span that is likely, but not provably, the cause of this one. */
export interface InferredLink {
  readonly traceId: string
  readonly spanId: string
}

/** The server that an attempt is meant for, by the name it is called by. */
export interface Target {
  readonly scheme: 'http' | 'https'
  /** Name or address, without brackets. */
  readonly host: string
  readonly port: number
}

/** One finished try at an upstream, kept only where an exchange had more than one. */
export interface AttemptRecord {
  readonly spanId: string
  /** undefined where the upstream does not say. */
  readonly target: Target | undefined
  /** Whom it was connected with; undefined where it was with nobody. */
  readonly peer: Endpoint | undefined
  readonly startUs: number
  readonly endUs: number
  readonly status: number
  /** Of a gRPC call, -1 where none is known. */
  readonly grpcStatus: number
  readonly error: ProxyError | undefined
}

/**
 * Time slots in microseconds of the monotonic clock, -1 while not reached. The driver and the attempt stamp them;
 * phases are differences, see {@link phaseUs}.
 */
export class Timing {
  /** First byte of the request head. */
  firstByteUs = -1
  /** The head was complete: the exchange begins. */
  startUs = -1
  /** Stages were done, or the attempt before the last one had failed; the request waits for a connection. */
  queuedUs = -1
  /** Name resolution began, on a fresh connection only. */
  dnsUs = -1
  connectUs = -1
  tlsUs = -1
  /** The connection was ready and the request began to be written. */
  sendUs = -1
  /** The request was written to its last byte. */
  sentUs = -1
  /** First byte of the final response head. */
  responseUs = -1
  /** Last byte of the response was read. */
  receivedUs = -1
  /** The exchange is over: all was handed to the client's socket, or it failed. */
  finishUs = -1
}

/** Names of the phases, in the order in which they happen. */
export const PHASES = ['queue', 'dns', 'connect', 'tls', 'send', 'wait', 'receive'] as const
export type Phase = (typeof PHASES)[number]

/**
 * Durations of all phases in microseconds into `out`, in the order of {@link PHASES}; -1 where the exchange did not
 * have one (a reused connection has no dns, connect or tls). Phases follow each other without overlap, so that their sum
 * and the proxy's own time are the exchange's duration: `send` ends where the response begins, should that come first.
 * `finishUs`: when a phase under way counts as over, where the exchange is not.
 */
export function phasesInto(timing: Timing, out: Float64Array, finishUs = timing.finishUs): void {
  const { queuedUs, dnsUs, connectUs, tlsUs, sendUs, sentUs, responseUs, receivedUs } = timing
  const afterTls = sendUs >= 0 ? sendUs : finishUs
  const afterConnect = tlsUs >= 0 ? tlsUs : afterTls
  const afterDns = connectUs >= 0 ? connectUs : afterConnect
  const afterQueue = dnsUs >= 0 ? dnsUs : afterDns
  const answered = responseUs >= 0 ? responseUs : finishUs
  const sent = sentUs >= 0 && sentUs <= answered ? sentUs : answered
  out[0] = queuedUs < 0 ? -1 : afterQueue - queuedUs
  out[1] = dnsUs < 0 ? -1 : afterDns - dnsUs
  out[2] = connectUs < 0 ? -1 : afterConnect - connectUs
  out[3] = tlsUs < 0 ? -1 : afterTls - tlsUs
  out[4] = sendUs < 0 ? -1 : sent - sendUs
  out[5] = sendUs < 0 || (sentUs < 0 && responseUs < 0) ? -1 : answered - sent
  out[6] = responseUs < 0 ? -1 : (receivedUs < 0 ? finishUs : receivedUs) - responseUs
}

const scratch = new Float64Array(PHASES.length)

/** Duration of one phase in microseconds, or -1, see {@link phasesInto}. */
export function phaseUs(timing: Timing, phase: Phase, finishUs?: number): number {
  phasesInto(timing, scratch, finishUs)
  return scratch[PHASES.indexOf(phase)]!
}

/** A response made by a stage instead of the upstream. */
export interface Answer {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string | Buffer
  /** Sent where the client takes trailers. */
  readonly trailers?: readonly (readonly [string, string])[]
}

/** What became of a request with an Idempotency-Key. */
export const IDEMPOTENCY_OUTCOMES = [
  'first',
  'replay',
  'wait',
  'conflict',
  'mismatch',
  'unknown',
  'not_kept',
  'expired',
  'bypass',
  'store_error',
  'refused',
] as const
export type IdempotencyOutcome = (typeof IDEMPOTENCY_OUTCOMES)[number]

/** One request/response. Stages read and edit it; only the driver moves it on. */
export class Exchange {
  readonly connection: ConnectionInfo
  readonly request: RequestHead
  /** The final response head once it is there; a stage's or rescue's own answer included. */
  response: ResponseHead | undefined = undefined
  readonly timing = new Timing()
  /** The client's side; replaced when a guarded exchange goes on without its client. */
  down: Downstream

  /** X-Request-ID of this exchange, byte for byte as it came or made here. */
  requestId = ''
  trace: TraceContext | undefined = undefined
  /** Whether the span of this exchange is exported (sampled flag of its own context). */
  sampled = false
  /** Set by correlation where only a guess at the causing inbound exchange was possible. */
  inferredLink: InferredLink | undefined = undefined
  /** Set where the request came with an Idempotency-Key that was honoured or refused. */
  idempotency: IdempotencyOutcome | undefined = undefined
  /** The span of the exchange whose response this one was given. */
  originalLink: InferredLink | undefined = undefined

  /** Which kind of gRPC call it is (`core/grpc`). */
  rpc: RpcKind = RPC_NONE
  /** Number of the call's status once it is known, else -1. */
  grpcStatus = -1
  /** Ends the exchange when its time is over. */
  deadline: Deadlined | undefined = undefined

  /** How the exchange failed, undefined while all is well. */
  error: ProxyError | undefined = undefined
  /** The response to send in place of the upstream's, set by a stage that returns ANSWERED. */
  answer: Answer | undefined = undefined
  /** The failure to answer with, set by a stage that returns ANSWERED without an answer. */
  refusal: ProxyError | undefined = undefined
  /** Set by a stage at the request head; follows this exchange alone. */
  guard: Guard | undefined = undefined

  requestBytes = 0
  responseBytes = 0
  /** Set at the end of an exchange that became a WebSocket. */
  webSocket: WebSocketFacts | undefined = undefined

  /** The attempt whose events count; those of earlier ones are ignored by identity. */
  attempt: Attempt | undefined = undefined
  attempts = 0
  /** Filled only when there was more than one attempt. */
  attemptLog: AttemptRecord[] | undefined = undefined
  /** Span of the attempt under way, where there was one before; '' of the first, which is sent in the exchange's own name. */
  attemptSpanId = ''
  /** Of the last attempt. */
  upstreamPeer: Endpoint | undefined = undefined
  upstreamReused = false
  upstreamFd = -1
  upstreamTls: TlsFacts | undefined = undefined
  /** Driver only: bytes of the request may have had an effect at an upstream. */
  reached = false

  /** Driver only: the request was read to its end. */
  requestEnded = false
  /** Driver only: a final head went to the client's side; no other attempt may follow (the commit point). */
  responded = false
  /** Request bytes are read and thrown away: the answer is there already, or a guard alone wants them. */
  discardsRequest = false
  finished = false
  /** Driver only: the body is gathered for the guard; the number of the stage to go on with, -1 while it is not. */
  gatherNext = -1
  /** Driver only: the guard was asked for the dispatch and has not said yet. */
  gated = false
  /** Driver only: a copy of a small request body, for the guard, and for the one replay that is provably safe. */
  replayBody: Buffer[] | undefined = undefined
  /** Driver only: the trailers of a gathered request. */
  replayTrailers: HeaderBlock | undefined = undefined
  /** Driver only: a response made here, which goes out as its client takes it. */
  ownAnswer: OwnAnswer | undefined = undefined
  /** Driver only: the last piece of the response, while a stage waits at its end (see HeldBack). */
  heldBack: Buffer | undefined = undefined

  /** State of user stages, by stage name; made on first use. */
  bag: Map<string, unknown> | undefined = undefined

  constructor(connection: ConnectionInfo, request: RequestHead, down: Downstream) {
    this.connection = connection
    this.request = request
    this.down = down
  }

  get direction(): Direction {
    return this.connection.direction
  }

  /** Whole duration in microseconds, head complete to finish; 0 while it runs. */
  get durationUs(): number {
    return this.timing.finishUs < 0 ? 0 : this.timing.finishUs - this.timing.startUs
  }

  /** Status for telemetry: the response's, or the failure's where none was sent. */
  get status(): number {
    return this.response?.status ?? this.error?.status ?? 0
  }
}

/**
 * A head for a response made here, to a request with `method`. Throws where there is none of the kind: users' stages need
 * not be typed, and may say of the body what it is not.
 */
export function ownResponseHead(answer: Answer, method: string): ResponseHead {
  const { status, body } = answer
  if (!Number.isInteger(status) || status < 200 || status > 999)
    throw new TypeError(`status ${status}: 200 to 999 is expected`)
  if (typeof body !== 'string' && !Buffer.isBuffer(body))
    throw new TypeError(`body ${body}: a string or a Buffer is expected`)
  const head = new ResponseHead(HeaderBlock.from(answer.headers))
  head.status = status
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  // Where no body follows, it tells of the one that would (RFC 9110 §8.6).
  const isTold = length === 0 && (method === 'HEAD' || status === 304)
  for (const [name, value] of answer.headers) {
    const lower = name.toLowerCase()
    if (lower === 'transfer-encoding') throw new TypeError(`${name} is not for a stage to say`)
    if (lower !== 'content-length') continue
    if (isTold && /^\d{1,15}$/.test(value)) head.statedLength = Number(value)
    else if (value !== String(length)) throw new TypeError(`${name} ${value}: the body has ${length} bytes`)
  }
  // A message with a length has no trailers in HTTP/1.
  head.bodyLength = answer.trailers === undefined || answer.trailers.length === 0 ? length : CHUNKED
  return head
}
