/** What a collector answers: which failures may be repeated and when, and partial successes (OTLP specification). */
import { readFields } from '../core/protobuf.ts'

/** gRPC status codes by number (grpc/grpc doc/statuscodes.md). */
export const DEADLINE_EXCEEDED = 4
export const UNAVAILABLE = 14
const RESOURCE_EXHAUSTED = 8
/** CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS. */
const RETRYABLE = new Set([1, DEADLINE_EXCEEDED, 10, 11, UNAVAILABLE, 15])

/** A failed export: whether it may be repeated, and the delay that the collector asked for (-1: none). */
export interface Failure {
  readonly retry: boolean
  readonly delayMs: number
}

/** Judge a gRPC status with the bytes of `grpc-status-details-bin`, where there were such. */
export function judgeFailure(code: number, details: Uint8Array | undefined): Failure {
  const delayMs = details === undefined ? -1 : retryDelayMs(details)
  return { retry: RETRYABLE.has(code) || (code === RESOURCE_EXHAUSTED && delayMs >= 0), delayMs }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

/** RetryInfo.retry_delay of a google.rpc.Status, in milliseconds; -1 where there is none. */
function retryDelayMs(status: Uint8Array): number {
  try {
    for (const detail of readFields(status)) {
      if (detail.number !== 3) continue
      let type = ''
      let value: Uint8Array | undefined
      for (const field of readFields(detail.bytes)) {
        if (field.number === 1) type = text(field.bytes)
        if (field.number === 2) value = field.bytes
      }
      if (type.endsWith('google.rpc.RetryInfo')) return durationMs(value ?? new Uint8Array(0))
    }
  } catch {
    // Details that cannot be read say nothing.
  }
  return -1
}

function durationMs(retryInfo: Uint8Array): number {
  let ms = 0
  for (const field of readFields(retryInfo)) {
    if (field.number !== 1) continue
    for (const part of readFields(field.bytes)) {
      if (part.number === 1) ms += Number(BigInt.asIntN(64, part.value)) * 1000
      if (part.number === 2) ms += Number(BigInt.asIntN(32, part.value)) / 1e6
    }
  }
  return Math.max(0, ms)
}

/** What stands in an ExportTraceServiceResponse. */
export interface PartialSuccess {
  readonly rejectedSpans: number
  readonly message: string
}

/** Read the response; an unreadable one counts as plain success, since the call's status was OK. */
export function readResponse(response: Uint8Array): PartialSuccess {
  let rejectedSpans = 0
  let message = ''
  try {
    for (const partial of readFields(response)) {
      if (partial.number !== 1) continue
      for (const field of readFields(partial.bytes)) {
        if (field.number === 1) rejectedSpans = Math.max(0, Number(BigInt.asIntN(64, field.value)))
        if (field.number === 2) message = text(field.bytes)
      }
    }
  } catch {
    return { rejectedSpans: 0, message: '' }
  }
  return { rejectedSpans, message }
}
