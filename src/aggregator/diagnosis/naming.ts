/** Facts of one failed hop → the name of what went wrong there. */
import type { DiagnosisName } from '../../core/diagnoses.ts'
import { ERROR_CODES } from '../../core/errors.ts'

/** What a failed hop says of itself; '' and 0 for what it does not say. */
export interface FailureFacts {
  /** Code of ours, else error.type. */
  readonly error: string
  /** Status of HTTP. */
  readonly http: number
  /** Name of the gRPC status. */
  readonly rpc?: string
  readonly errno?: string
  /** It has an exception event. */
  readonly exception?: boolean
  /** A call whose other side sent no span. */
  readonly unseen: boolean
  /** And that is known to send spans of its calls. */
  readonly inMesh?: boolean
}

const BY_CODE: Readonly<Record<string, DiagnosisName>> = {
  connection_refused: 'connection_refused',
  connect_failed: 'connect_timeout',
  connect_timeout: 'connect_timeout',
  dns_failed: 'dns_failing',
  dns_timeout: 'dns_failing',
  tls_certificate_expired: 'tls_certificate_expired',
  tls_certificate_not_yet_valid: 'tls_certificate_expired',
  client_tls_certificate_expired: 'tls_certificate_expired',
  client_tls_certificate_not_yet_valid: 'tls_certificate_expired',
  tls_version_mismatch: 'tls_version_mismatch',
  tls_no_shared_cipher: 'tls_version_mismatch',
  tls_no_shared_protocol: 'tls_version_mismatch',
  client_tls_version: 'tls_version_mismatch',
  client_tls_no_shared_cipher: 'tls_version_mismatch',
  upstream_reset: 'connection_reset',
  upstream_aborted: 'connection_reset',
  stream_reset: 'connection_reset',
  draining: 'connection_reset',
  stream_refused: 'overloaded',
  send_timeout: 'blackhole',
  first_byte_timeout: 'upstream_timeout',
  response_idle_timeout: 'upstream_timeout',
  exchange_timeout: 'upstream_timeout',
  deadline_exceeded: 'deadline_exceeded',
  bad_response: 'bad_response',
  response_head_too_large: 'bad_response',
  too_many_informational: 'bad_response',
  overloaded: 'overloaded',
  queue_timeout: 'overloaded',
  tls_handshakes_full: 'overloaded',
  client_closed: 'client_gone',
  // What OpenTelemetry's SDKs and other proxies write in error.type.
  timeout: 'upstream_timeout',
  timeouterror: 'upstream_timeout',
  esockettimedout: 'upstream_timeout',
  und_err_headers_timeout: 'upstream_timeout',
  und_err_body_timeout: 'upstream_timeout',
  und_err_connect_timeout: 'connect_timeout',
  'context.deadlineexceedederror': 'deadline_exceeded',
  econnrefused: 'connection_refused',
  econnreset: 'connection_reset',
  epipe: 'connection_reset',
  etimedout: 'connect_timeout',
  ehostunreach: 'connect_timeout',
  enetunreach: 'connect_timeout',
  enotfound: 'dns_failing',
  eai_again: 'dns_failing',
  'java.net.connectexception': 'connection_refused',
  'java.net.sockettimeoutexception': 'upstream_timeout',
  'java.net.unknownhostexception': 'dns_failing',
}

/** Errors of breakers, as libraries and proxies of others name them. */
const OPEN_BREAKER = /circuit.?(breaker)?.?(is.?)?open|callnotpermitted|brokencircuit|eopenbreaker|^UO$/i

const BY_RPC: Readonly<Record<string, DiagnosisName>> = {
  DEADLINE_EXCEEDED: 'deadline_exceeded',
  RESOURCE_EXHAUSTED: 'overloaded',
  CANCELLED: 'client_gone',
}
const RPC_OF_CALLER = new Set([
  ...['INVALID_ARGUMENT', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED', 'FAILED_PRECONDITION', 'ABORTED'],
  ...['OUT_OF_RANGE', 'UNAUTHENTICATED'],
])
const RPC_OF_SERVICE = new Set(['UNKNOWN', 'INTERNAL', 'UNAVAILABLE', 'UNIMPLEMENTED', 'DATA_LOSS'])

/** Failures by which a caller gives up: the callee may well have gone on. */
export const TIMEOUTS: ReadonlySet<DiagnosisName> = new Set(['upstream_timeout', 'deadline_exceeded'])

/** The name for a failed hop that no failure beneath explains. */
export function nameFailure(facts: FailureFacts): DiagnosisName {
  const { error, http, rpc = '', errno = '', exception = false, unseen, inMesh = false } = facts
  if (errno === 'EMFILE' || errno === 'ENFILE' || /^E[MN]FILE$/.test(error)) return 'descriptors_short'
  const named = Object.hasOwn(BY_CODE, error) ? BY_CODE[error] : BY_CODE[error.toLowerCase()]
  // A socket's own word for both; who has a span of it was reached.
  if (named === 'connect_timeout' && !unseen && /^etimedout$/i.test(error)) return 'upstream_timeout'
  if (named !== undefined) return named === 'upstream_timeout' && unseen && inMesh ? 'blackhole' : named
  if (Object.hasOwn(ERROR_CODES, error)) return ofSource(error as keyof typeof ERROR_CODES)
  if (OPEN_BREAKER.test(error)) return 'circuit_open'
  const byRpc = BY_RPC[rpc]
  if (byRpc !== undefined) return byRpc
  if (http === 429) return 'rate_limited'
  if (exception && (http === 0 || http >= 500)) return 'exception'
  if (http === 504) return 'upstream_timeout'
  if (RPC_OF_CALLER.has(rpc)) return 'client_error'
  if (http >= 400 && http < 500) return 'client_error'
  // The one called sends spans as a rule, and has none of this: another answered in its place.
  const untraced = inMesh ? 'handover_failed' : 'dependency_failing'
  if (RPC_OF_SERVICE.has(rpc)) return unseen ? untraced : 'grpc_error'
  if (http >= 500) return unseen ? untraced : 'server_error'
  return exception ? 'exception' : unseen ? untraced : 'server_error'
}

function ofSource(code: keyof typeof ERROR_CODES): DiagnosisName {
  const { source } = ERROR_CODES[code]
  if (code.startsWith('tls_') || code.startsWith('client_tls_')) return 'tls_failing'
  if (source === 'internal') return 'proxy_fault'
  return source === 'downstream' ? 'client_sends_badly' : 'connection_reset'
}
