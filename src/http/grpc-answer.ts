/** Failures of ours as gRPC clients understand them: HTTP 200 and a status, for any other HTTP status hides the cause. */
import type { ProxyError } from '../core/errors.ts'
import {
  encodeGrpcMessage,
  RPC_GRPC,
  RPC_NONE,
  RPC_WEB_TEXT,
  type RpcKind,
  rpcFormat,
  rpcKindOf,
} from '../core/grpc.ts'
import { grpcStatusOfError } from '../core/grpc-errors.ts'
import { HeaderBlock } from '../core/headers.ts'
import { CHUNKED } from '../core/message.ts'
import type { Answer, Exchange } from '../exchange/exchange.ts'

/** Longest message, in characters before encoding. */
const MESSAGE_AT_MOST = 400

/** Kind of call that the client made, also where the request was refused before any stage saw it. */
export function callKind(x: Exchange): RpcKind {
  if (x.rpc === RPC_NONE) x.rpc = rpcKindOf(x.request.headers.get('content-type'))
  return x.rpc
}

/**
 * The answer to a call that failed before its response began: a head that is all (Trailers-Only), which tells clients
 * that a retry is theirs to decide. gRPC-Web takes the same from the head.
 */
export function grpcAnswer(x: Exchange, error: ProxyError): Answer {
  return { status: 200, headers: [['content-type', typeOf(x)], ...statusFields(x, error)], body: '' }
}

/** Trailers that end a response which had begun; undefined where it has no place for them. */
export function failureTrailers(x: Exchange, error: ProxyError): HeaderBlock | undefined {
  const { response } = x
  if (x.rpc !== RPC_GRPC || x.request.version !== 20 || error.source === 'downstream') return undefined
  if (response?.bodyLength !== CHUNKED || rpcKindOf(response.headers.get('content-type')) !== RPC_GRPC) return undefined
  return HeaderBlock.from(statusFields(x, error))
}

function statusFields(x: Exchange, error: ProxyError): [string, string][] {
  x.grpcStatus = grpcStatusOfError(error)
  const cause = [error.detail, error.errno].filter((part) => part !== '').join(', ')
  const text = `${error.code}: ${error.title}${cause === '' ? '' : ` (${cause})`}`
  return [
    ['grpc-status', String(x.grpcStatus)],
    ['grpc-message', encodeGrpcMessage(text.slice(0, MESSAGE_AT_MOST))],
  ]
}

function typeOf(x: Exchange): string {
  if (x.rpc === RPC_GRPC) return 'application/grpc'
  const format = rpcFormat(x.request.headers.get('content-type') ?? '')
  return `application/grpc-web${x.rpc === RPC_WEB_TEXT ? '-text' : ''}+${format}`
}
