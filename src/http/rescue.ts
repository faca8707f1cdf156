/** ProxyError → the response that the client gets: the only place where failures become HTTP (RFC 9457). */
import type { ProxyError } from '../core/errors.ts'
import { RPC_NONE } from '../core/grpc.ts'
import type { Answer, Exchange } from '../exchange/exchange.ts'
import { callKind, grpcAnswer } from './grpc-answer.ts'

/** The response for a failure: problem+json, or what gRPC has. Its text never repeats what the peer sent. */
export function rescue(x: Exchange, error: ProxyError): Answer {
  if (callKind(x) !== RPC_NONE) return grpcAnswer(x, error)
  const body = JSON.stringify({
    type: `urn:hopscope:error:${error.code}`,
    title: error.title,
    status: error.status,
    detail: error.detail === '' ? undefined : error.detail,
    code: error.code,
    source: error.source,
    phase: error.phase,
    errno: error.errno === '' ? undefined : error.errno,
    connection:
      error.connection === undefined
        ? undefined
        : {
            reused: error.connection.reused,
            age_us: Math.round(error.connection.ageUs),
            bytes_sent: error.connection.bytesSent,
          },
    request_id: x.requestId === '' ? undefined : x.requestId,
    trace_id: x.trace?.traceId,
  })
  const headers: [string, string][] = [
    ['Content-Type', 'application/problem+json'],
    ['Cache-Control', 'no-store'],
  ]
  if (error.status === 405) headers.push(['Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'])
  // Soon there will be an answer; other conflicts stay.
  const passes = error.status === 503 || error.code === 'idempotency_in_flight'
  if (passes) headers.push(['Retry-After', '1'])
  return { status: error.status, headers, body }
}
