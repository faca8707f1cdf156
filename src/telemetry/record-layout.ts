/**
 * Where the slots of a finished exchange lie in its record, in words of 8 bytes (or half-words of 4) from its start.
 * After the slots follow the strings, latin1, in the order: trace id, span id, parent id, request id, path, method,
 * host, user agent, upstream address, tracestate, errno, error detail, inferred link, tail, and what only the flight
 * recorder reads: header sections as they came, lengths of the kept parts of both bodies (two of 16 bits), those parts.
 */
import { ERROR_CODES, type ErrorCode, type ErrorPhase } from '../core/errors.ts'
import {
  type Direction,
  type Endpoint,
  type Exchange,
  IDEMPOTENCY_OUTCOMES,
  type IdempotencyOutcome,
  type Target,
} from '../exchange/exchange.ts'

/** Kinds of records; 0 is the ring's own filler. */
export const EXCHANGE = 1
/** Facts of a connection, written before the first exchange that refers to them. */
export const FACTS = 2
/** An opaque tunnel, as JSON. */
export const TUNNEL = 3
/** A request and its reply inside of an opaque tunnel, as JSON. */
export const CALL = 4

/** Half-words (Int32). */
export const H_FLAGS = 2
export const H_CONNECTION = 3
/** status | method << 16 */
export const H_STATUS = 4
/** error code | error phase << 8 | version << 16 | attempts << 24 */
export const H_ERROR = 5
/** Lengths, two of 16 bits a half-word: low | high << 16. */
export const H_PATH_REQUEST_ID = 6
export const H_STATE_METHOD = 7
export const H_HOST_AGENT = 8
export const H_ERRNO_DETAIL = 9
/** address length | port << 16 */
export const H_UPSTREAM = 10
export const H_TAIL = 11
export const H_TCP = 12
/** W3C flags | (0 for no gRPC call, else its status + RPC_STATUS) << RPC_SHIFT */
export const H_TRACE_FLAGS = 16
export const RPC_SHIFT = 8
/** Added to the status, so that 1 stands for a call of which none is known. */
export const RPC_STATUS = 2
/** Length of the request's header section | of the response's << 16. */
export const H_SECTIONS = 17
/** Words (Float64). */
export const W_START = 9
export const W_DURATION = 10
export const W_PHASES = 11
export const W_REQUEST_BYTES = 18
export const W_RESPONSE_BYTES = 19
export const W_ERROR_AGE = 20
export const W_ERROR_SENT = 21
export const W_STRINGS = 22

export const F_EXPORT = 1
export const F_LOG = 2
export const F_TRACE = 4
export const F_PARENT = 8
export const F_REUSED = 16
/** Host, user agent or upstream address differ from the connection's facts and stand in the record. */
export const F_HOST = 32
export const F_AGENT = 64
export const F_UPSTREAM = 128
export const F_LINK = 256
export const F_TCP = 512
export const F_OUTBOUND = 1024
export const F_ERROR_CONNECTION = 2048
/** A response head went to the client. */
export const F_RESPONSE = 4096
/** The link is to the exchange whose response was given again; else it is an inferred one. */
export const F_ORIGINAL = 8192

/** It failed, or was slow: its trace is written out. */
export const F_TRIGGER = 16_384
/** Parts of bodies stand at its end. */
export const F_BODIES = 32_768

/** Where the outcome of a request with an Idempotency-Key stands in the flags: four bits, 0 for none. */
const OUTCOME_SHIFT = 24
const outcomeNumbers = new Map(IDEMPOTENCY_OUTCOMES.map((outcome, index) => [outcome, index + 1]))

export const outcomeBits = (outcome: IdempotencyOutcome): number => outcomeNumbers.get(outcome)! << OUTCOME_SHIFT

export const outcomeOf = (flags: number): IdempotencyOutcome | undefined =>
  IDEMPOTENCY_OUTCOMES[((flags >>> OUTCOME_SHIFT) & 0xf) - 1]

/** Longest of each string that a record keeps, in characters. */
export const MAX_PATH = 2048
export const MAX_REQUEST_ID = 256
export const MAX_HOST = 255
export const MAX_AGENT = 256
export const MAX_METHOD = 32
export const MAX_STATE = 512
/** OpenSSL's are the longest, over 40. */
export const MAX_ERRNO = 64
export const MAX_DETAIL = 256
export const MAX_TAIL = 16_384
/** Of each header section. */
export const MAX_SECTION = 8192
/** Of each body. */
export const MAX_BODY = 16_384

/** Connections whose facts are remembered at once, on either side of the ring; a power of two. */
export const FACT_SLOTS = 4096

export const METHODS = [
  '_OTHER',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'QUERY',
] as const

/** Index into {@link METHODS}; 0 for a method that OpenTelemetry does not know. */
export function methodIndex(method: string): number {
  switch (method.length) {
    case 3:
      return method === 'GET' ? 1 : method === 'PUT' ? 4 : 0
    case 4:
      return method === 'POST' ? 3 : method === 'HEAD' ? 2 : 0
    case 5:
      return method === 'PATCH' ? 9 : method === 'TRACE' ? 8 : method === 'QUERY' ? 10 : 0
    case 6:
      return method === 'DELETE' ? 5 : 0
    case 7:
      return method === 'OPTIONS' ? 7 : method === 'CONNECT' ? 6 : 0
    default:
      return 0
  }
}

export const ERROR_NAMES = Object.keys(ERROR_CODES) as ErrorCode[]
const indexByError = new Map<string, number>(ERROR_NAMES.map((name, index) => [name, index + 1]))
export const ERROR_PHASES: readonly ErrorPhase[] = [
  'head',
  'queue',
  'dns',
  'connect',
  'tls',
  'send',
  'wait',
  'receive',
  'tunnel',
]

/** 1-based number of an error code; 0 stands for no error. */
export function errorIndex(code: ErrorCode): number {
  return indexByError.get(code)!
}

/** TCP_INFO of both sides at the end of an exchange; -1 where not known. Microseconds and segments. */
export interface TcpFacts {
  readonly downstreamRttUs: number
  readonly downstreamRetransmits: number
  readonly upstreamRttUs: number
  readonly upstreamRetransmits: number
  /** Sent again since the last reading. */
  readonly downstreamResent?: number
  readonly upstreamResent?: number
}

/** Attributes that few exchanges have: what the proxy notes of itself at the time. */
export type Notes = readonly (readonly [string, TailValue])[]
export type NotesOf = (x: Exchange, tcp: TcpFacts | undefined) => Notes | undefined

/** What a FACTS record says of a connection. Its exchanges refer to it by `connection`. */
export interface ConnectionFactsRecord {
  readonly connection: number
  readonly direction: Direction
  readonly scheme: 'http' | 'https'
  readonly peerAddress: string
  readonly peerPort: number
  readonly localAddress: string
  readonly localPort: number
  readonly destinationAddress: string
  readonly destinationPort: number
  readonly upstreamAddress: string
  readonly upstreamPort: number
  readonly host: string
  readonly userAgent: string
  /** Attributes as `tls-attributes.ts` writes them. */
  readonly tls: string
}

/** The rare parts of an exchange, as JSON at the end of its record. */
export interface RecordTail {
  readonly attempts?: readonly AttemptTail[]
  readonly user?: UserTail
}

export interface AttemptTail {
  readonly spanId: string
  readonly target?: Target
  readonly peer?: Endpoint
  readonly startUs: number
  readonly endUs: number
  readonly status: number
  readonly grpcStatus?: number
  readonly code?: ErrorCode
  readonly phase?: ErrorPhase
  readonly errno?: string
  readonly reused?: boolean
}

export type TailValue = string | number | boolean | readonly (string | number | boolean)[]

/** What user stages put on the span. */
export interface UserTail {
  readonly name?: string
  readonly attributes?: readonly (readonly [string, TailValue])[]
  readonly events?: readonly UserEvent[]
  readonly links?: readonly (readonly [string, string])[]
  /** OpenTelemetry status code (1 ok, 2 error) and message. */
  readonly status?: readonly [number, string]
  readonly dropped?: number
}

export interface UserEvent {
  readonly name: string
  /** Microseconds since the epoch. */
  readonly timeUs: number
  readonly attributes: readonly (readonly [string, TailValue])[]
}
