/** What a span says of a gRPC call beside what it says of its HTTP exchange (OpenTelemetry conventions for RPC, 1.39). */
import { grpcStatusName, isGrpcFailure } from '../core/grpc.ts'
import { type AttributeSink, attributeKey } from './otlp-attributes.ts'
import * as K from './otlp-keys.ts'
import { findQuery } from './redact.ts'

const SYSTEM = attributeKey('rpc.system.name')
const METHOD = attributeKey('rpc.method')
const STATUS_CODE = attributeKey('rpc.response.status_code')
/** `name = 5` of a Span. */
const NAME = 0x2a
/** Longer paths are no names of methods. */
const METHOD_AT_MOST = 256

/** Where the method ends that the record bytes of a path name, `/package.Service/Method`; -1 where they name none. */
function methodEnd(bytes: Buffer, start: number, pathEnd: number): number {
  const question = findQuery(bytes, start, pathEnd)
  const end = question < 0 ? pathEnd : question
  return end - start > 1 && end - start <= METHOD_AT_MOST ? end : -1
}

/** Name the span by the method; false, with nothing written, where the path cannot. */
export function writeRpcName(sink: AttributeSink, bytes: Buffer, start: number, pathEnd: number): boolean {
  const end = methodEnd(bytes, start, pathEnd)
  if (end < 0) return false
  const begin = sink.at
  sink.byte(NAME)
  sink.varint(end - start - 1)
  if (sink.ascii(bytes, start + 1, end)) return true
  sink.at = begin
  return false
}

/**
 * Attributes of a call with this status (-1 where none is known). `judged`: a failure of ours or a stage has said already
 * what the span's verdict is. Returns whether the span is an error by the call's status.
 */
export function writeRpc(
  sink: AttributeSink,
  bytes: Buffer,
  start: number,
  pathEnd: number,
  status: number,
  outbound: boolean,
  judged: boolean,
): boolean {
  sink.string(SYSTEM, 'grpc')
  const end = methodEnd(bytes, start, pathEnd)
  if (end > 0) sink.range(METHOD, bytes, start + 1, end)
  if (status < 0) return false
  const name = grpcStatusName(status)
  sink.string(STATUS_CODE, name)
  if (judged || !isGrpcFailure(status, outbound)) return false
  sink.string(K.ERROR_TYPE, name)
  return true
}
