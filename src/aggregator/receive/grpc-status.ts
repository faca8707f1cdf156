/** gRPC status codes and the details that OTLP senders act on (grpc.io status codes; google.rpc.Status, RetryInfo). */
import { MessageWriter } from '../../core/protobuf.ts'

export const OK = 0
export const INVALID_ARGUMENT = 3
export const RESOURCE_EXHAUSTED = 8
export const UNIMPLEMENTED = 12
export const INTERNAL = 13
export const UNAVAILABLE = 14
export const UNAUTHENTICATED = 16

/** An answer that is not OK. */
export interface Failure {
  readonly code: number
  readonly message: string
  /** When to try again; undefined: the sender's own business, or never. */
  readonly retryMs?: number
}

/** google.rpc.Status as bytes: code, message and a RetryInfo where there is a delay. Also the body of OTLP/HTTP errors. */
export function statusMessage({ code, message, retryMs }: Failure): Buffer {
  const status = new MessageWriter().integer(1, code).string(2, message)
  if (retryMs !== undefined) {
    const duration = new MessageWriter().integer(1, Math.floor(retryMs / 1000))
    const nanos = (retryMs % 1000) * 1_000_000
    if (nanos > 0) duration.integer(2, nanos)
    const any = new MessageWriter().string(1, 'type.googleapis.com/google.rpc.RetryInfo')
    status.message(3, any.message(2, new MessageWriter().message(1, duration)))
  }
  return status.finish()
}

/** The trailers of a failed call; the message percent-encoded (gRPC over HTTP/2, Responses). */
export function failureTrailers(failure: Failure): Record<string, string> {
  const trailers: Record<string, string> = {
    'grpc-status': String(failure.code),
    'grpc-message': percentEncoded(failure.message),
  }
  if (failure.retryMs !== undefined) {
    trailers['grpc-status-details-bin'] = statusMessage(failure).toString('base64').replace(/=+$/, '')
  }
  return trailers
}

/** Bytes of printable ASCII but for `%` stay. */
function percentEncoded(text: string): string {
  let out = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    if (byte >= 0x20 && byte <= 0x7e && byte !== 0x25) out += String.fromCharCode(byte)
    else out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}

/** ExportTraceServiceResponse: empty, or with a partial success. */
export function exportResponse(rejected: number): Buffer {
  if (rejected === 0) return Buffer.alloc(0)
  const partial = new MessageWriter().integer(1, rejected).string(2, REJECTED)
  return new MessageWriter().message(1, partial).finish()
}

export const REJECTED = 'trace id or span id missing or not valid'
