/** What the wire says of a gRPC call (grpc/grpc doc/PROTOCOL-HTTP2.md, PROTOCOL-WEB.md, statuscodes.md). */

/** Names of status codes by number. */
export const GRPC_STATUS_NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const
export type GrpcStatusName = (typeof GRPC_STATUS_NAMES)[number]

const numberByName = new Map<GrpcStatusName, number>(GRPC_STATUS_NAMES.map((name, number) => [name, number]))

/** Number of a status. */
export function grpcStatusNumber(name: GrpcStatusName): number {
  return numberByName.get(name)!
}

/** Greatest number that a status is kept with; any above that came is UNKNOWN. */
const GREATEST = GRPC_STATUS_NAMES.length - 1
const UNKNOWN = 2

/** Name of a status; UNKNOWN for numbers without one. */
export function grpcStatusName(status: number): GrpcStatusName {
  return GRPC_STATUS_NAMES[status] ?? 'UNKNOWN'
}

/** The value of `grpc-status`: its number, UNKNOWN where it has no name, -1 where there is none. */
export function parseGrpcStatus(value: string | undefined): number {
  if (value === undefined) return -1
  if (!/^[0-9]{1,3}$/.test(value)) return UNKNOWN
  const status = Number(value)
  return status <= GREATEST ? status : UNKNOWN
}

/**
 * Statuses for which the server is to blame: errors of a SERVER span (OpenTelemetry's conventions for gRPC). All but OK
 * are errors of a CLIENT span.
 */
const SERVER_FAULTS = new Set(
  (['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'] as const).map(
    grpcStatusNumber,
  ),
)

/** Whether a call with this status failed, as seen by the side that a span stands for. */
export function isGrpcFailure(status: number, outbound: boolean): boolean {
  return outbound ? status !== 0 : SERVER_FAULTS.has(status)
}

/** Kinds of calls: no gRPC, gRPC itself, gRPC-Web, gRPC-Web in base64. */
export const RPC_NONE = 0
export const RPC_GRPC = 1
export const RPC_WEB = 2
export const RPC_WEB_TEXT = 3
export type RpcKind = typeof RPC_NONE | typeof RPC_GRPC | typeof RPC_WEB | typeof RPC_WEB_TEXT

const GRPC = 'application/grpc'
const WEB = 'application/grpc-web'
const WEB_TEXT = 'application/grpc-web-text'

/** What a Content-Type says: `application/grpc`, `+proto`, `;charset=…`; any case. */
export function rpcKindOf(contentType: string | undefined): RpcKind {
  if (contentType === undefined || contentType.length < GRPC.length) return RPC_NONE
  if (isType(contentType, GRPC)) return RPC_GRPC
  if (isType(contentType, WEB)) return RPC_WEB
  return isType(contentType, WEB_TEXT) ? RPC_WEB_TEXT : RPC_NONE
}

const PLUS = 0x2b
const SEMICOLON = 0x3b
const SPACE = 0x20
const HTAB = 0x09

function isType(contentType: string, type: string): boolean {
  const { length } = type
  if (contentType.length > length) {
    const next = contentType.charCodeAt(length)
    if (next !== PLUS && next !== SEMICOLON && next !== SPACE && next !== HTAB) return false
  }
  return contentType.startsWith(type) || contentType.slice(0, length).toLowerCase() === type
}

/** The message format behind the `+` of a Content-Type, `proto` where none is named. */
export function rpcFormat(contentType: string): string {
  const format = /\+([A-Za-z0-9.-]{1,32})/.exec(contentType)?.[1]
  return format ?? 'proto'
}

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 }

/** `grpc-timeout` in milliseconds (at most 8 digits and a unit), or -1 where it is none. */
export function parseGrpcTimeout(value: string): number {
  const digits = value.length - 1
  const unit = UNIT_MS[value.charAt(digits)]
  if (unit === undefined || digits < 1 || digits > 8) return -1
  let amount = 0
  for (let i = 0; i < digits; i++) {
    const digit = value.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return -1
    amount = amount * 10 + digit
  }
  return amount * unit
}

/** Status of a call whose response has none, by its HTTP status (doc/http-grpc-status-mapping.md). */
export function grpcStatusOfHttp(status: number): number {
  switch (status) {
    case 400:
      return grpcStatusNumber('INTERNAL')
    case 401:
      return grpcStatusNumber('UNAUTHENTICATED')
    case 403:
      return grpcStatusNumber('PERMISSION_DENIED')
    case 404:
      return grpcStatusNumber('UNIMPLEMENTED')
    case 429:
    case 502:
    case 503:
    case 504:
      return grpcStatusNumber('UNAVAILABLE')
    default:
      return UNKNOWN
  }
}

/** Text as `grpc-message` has it: UTF-8, what is not printable ASCII and `%` percent-encoded. */
export function encodeGrpcMessage(text: string): string {
  let out = ''
  for (const byte of Buffer.from(text)) {
    out +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}
