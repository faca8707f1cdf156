/** Failures of ours as gRPC statuses: the counterpart of the HTTP status in the error tables. */
import type { ErrorCode, ProxyError } from './errors.ts'
import { ERROR_CODES } from './errors.ts'
import { type GrpcStatusName, grpcStatusNumber } from './grpc.ts'

/**
 * Codes whose status does not follow from their HTTP status. Clients retry UNAVAILABLE and nothing else by themselves, so
 * it stands for failures that had no effect or may pass: a deadline that went by unanswered is not one of them.
 */
const BY_CODE: Readonly<Partial<Record<ErrorCode, GrpcStatusName>>> = {
  target_too_long: 'RESOURCE_EXHAUSTED',
  head_too_large: 'RESOURCE_EXHAUSTED',
  response_head_too_large: 'RESOURCE_EXHAUSTED',
  head_timeout: 'DEADLINE_EXCEEDED',
  body_timeout: 'DEADLINE_EXCEEDED',
  send_timeout: 'DEADLINE_EXCEEDED',
  first_byte_timeout: 'DEADLINE_EXCEEDED',
  response_idle_timeout: 'DEADLINE_EXCEEDED',
  exchange_timeout: 'DEADLINE_EXCEEDED',
  deadline_exceeded: 'DEADLINE_EXCEEDED',
  bad_grpc_web: 'INVALID_ARGUMENT',
  client_closed: 'CANCELLED',
  client_too_slow: 'CANCELLED',
  connect_refused: 'UNIMPLEMENTED',
  loop_detected: 'INTERNAL',
  bad_response: 'INTERNAL',
  too_many_informational: 'INTERNAL',
  idempotency_key_missing: 'INVALID_ARGUMENT',
  idempotency_key_invalid: 'INVALID_ARGUMENT',
  idempotency_no_principal: 'INVALID_ARGUMENT',
  idempotency_body_too_large: 'RESOURCE_EXHAUSTED',
  idempotency_key_reused: 'FAILED_PRECONDITION',
  idempotency_in_flight: 'ABORTED',
  idempotency_outcome_unknown: 'FAILED_PRECONDITION',
  idempotency_body_not_kept: 'ALREADY_EXISTS',
  idempotency_key_expired: 'FAILED_PRECONDITION',
}

/** What a reset with this code says (doc/PROTOCOL-HTTP2.md, Errors). */
const BY_RESET: Readonly<Record<string, GrpcStatusName>> = {
  REFUSED_STREAM: 'UNAVAILABLE',
  CANCEL: 'CANCELLED',
  ENHANCE_YOUR_CALM: 'RESOURCE_EXHAUSTED',
  INADEQUATE_SECURITY: 'PERMISSION_DENIED',
}

const BY_STATUS: Readonly<Record<number, GrpcStatusName>> = {
  400: 'INTERNAL',
  403: 'PERMISSION_DENIED',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  413: 'RESOURCE_EXHAUSTED',
  421: 'UNAVAILABLE',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE',
}

/** Status of a code on its own, without what a failure knows beyond it. */
export function grpcStatusOfCode(code: ErrorCode): GrpcStatusName {
  return BY_CODE[code] ?? BY_STATUS[ERROR_CODES[code].status] ?? 'INTERNAL'
}

/** Number of the status that a gRPC client is told for a failure. */
export function grpcStatusOfError(error: ProxyError): number {
  if (error.code === 'stream_reset') return grpcStatusNumber(BY_RESET[error.errno] ?? 'INTERNAL')
  return grpcStatusNumber(grpcStatusOfCode(error.code))
}
