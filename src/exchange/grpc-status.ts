/** The status of a gRPC call, from wherever the exchange ended. */
import { grpcStatusName, grpcStatusNumber, grpcStatusOfHttp, parseGrpcStatus, RPC_NONE } from '../core/grpc.ts'
import { grpcStatusOfError } from '../core/grpc-errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import type { Exchange } from './exchange.ts'

const UNKNOWN = grpcStatusNumber('UNKNOWN')

/** Status that the upstream gave at the end of its response: in the trailers, or in a head that was all (Trailers-Only). */
export function grpcStatusIn(x: Exchange, trailers: HeaderBlock | undefined): number {
  const stated = parseGrpcStatus(trailers?.get('grpc-status') ?? x.response?.headers.get('grpc-status'))
  if (stated >= 0) return stated
  return x.response === undefined || x.response.status === 200 ? UNKNOWN : grpcStatusOfHttp(x.response.status)
}

/** Status of a finished exchange: the upstream's, or that of the failure; -1 where it is no gRPC call or none is known. */
export function finalGrpcStatus(x: Exchange): number {
  if (x.rpc === RPC_NONE || x.grpcStatus >= 0) return x.grpcStatus
  if (x.error !== undefined) return grpcStatusOfError(x.error)
  const status = x.response?.status ?? 200
  return status === 200 ? -1 : grpcStatusOfHttp(status)
}

/** {@link finalGrpcStatus} by name, '' for -1. */
export function finalGrpcStatusName(x: Exchange): string {
  const status = finalGrpcStatus(x)
  return status < 0 ? '' : grpcStatusName(status)
}
