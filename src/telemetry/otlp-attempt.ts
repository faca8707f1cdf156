/** One CLIENT child for each attempt of an exchange that had several. */
import { grpcStatusName } from '../core/grpc.ts'
import type { MessageWriter } from '../core/protobuf.ts'
import type { Target } from '../exchange/exchange.ts'
import { KIND_CLIENT, plainSpan } from './otlp-rare.ts'
import * as L from './record-layout.ts'
import type { RingMemory } from './ring.ts'

/** trace-flags (W3C Trace Context level 2, §3.2.2.5). */
const SAMPLED = 1

/** What all attempts of an exchange have from it. */
export interface AttemptContext {
  /** tracestate. */
  readonly state: string
  /** With its query, secrets in it replaced. */
  readonly path: string
}

/** The span of attempt number `index` of the EXCHANGE record at word `at`; `originUs` is added to its clock. */
export function attemptSpan(
  memory: RingMemory,
  at: number,
  attempt: L.AttemptTail,
  index: number,
  originUs: number,
  { state, path }: AttemptContext,
): MessageWriter {
  const { bytes, int32 } = memory
  const strings = (at + L.W_STRINGS) * 8
  const method = L.METHODS[int32[at * 2 + L.H_STATUS]! >>> 16] ?? '_OTHER'
  const rpcStatus = attempt.grpcStatus === undefined ? '' : grpcStatusName(attempt.grpcStatus)
  const rpcFailed = rpcStatus !== '' && rpcStatus !== 'OK'
  const failed = attempt.code !== undefined || attempt.status >= 400 || rpcFailed
  const attributes: [string, L.TailValue][] = [['http.request.method', method], ...addressesOf(attempt, path)]
  attributes.push(['hopscope.attempt', index + 1])
  if (index > 0) attributes.push(['http.request.resend_count', index])
  if (attempt.status > 0) attributes.push(['http.response.status_code', attempt.status])
  if (attempt.reused !== undefined) attributes.push(['hopscope.connection.reused', attempt.reused])
  if (rpcStatus !== '') attributes.push(['rpc.response.status_code', rpcStatus])
  if (failed) attributes.push(['error.type', attempt.code ?? (rpcFailed ? rpcStatus : String(attempt.status))])
  if (attempt.code !== undefined) attributes.push(['hopscope.error.code', attempt.code])
  if (attempt.phase !== undefined) attributes.push(['hopscope.error.phase', attempt.phase])
  if (attempt.errno !== undefined) attributes.push(['hopscope.error.errno', attempt.errno])
  // It is here with its exchange, as that says more of.
  const flags = int32[at * 2 + L.H_TRACE_FLAGS]!
  if ((flags & SAMPLED) === 0) attributes.push(['hopscope.recorded', true])
  return plainSpan({
    traceId: bytes.toString('latin1', strings, strings + 32),
    spanId: attempt.spanId,
    parentSpanId: bytes.toString('latin1', strings + 32, strings + 48),
    state,
    name: method === '_OTHER' ? 'HTTP' : method,
    kind: KIND_CLIENT,
    startUs: attempt.startUs + originUs,
    endUs: attempt.endUs + originUs,
    flags,
    attributes,
    errorMessage: failed ? '' : undefined,
  })
}

/** Where it was meant to go, and whom it met there. */
function addressesOf({ target, peer }: L.AttemptTail, path: string): [string, L.TailValue][] {
  const said: [string, L.TailValue][] = []
  if (target !== undefined) {
    said.push(['server.address', target.host], ['server.port', target.port], ['url.full', urlOf(target, path)])
  }
  if (peer !== undefined) said.push(['network.peer.address', peer.address], ['network.peer.port', peer.port])
  return said
}

function urlOf({ scheme, host, port }: Target, path: string): string {
  const name = host.includes(':') ? `[${host}]` : host
  const authority = port === (scheme === 'https' ? 443 : 80) ? name : `${name}:${port}`
  // Not of CONNECT or OPTIONS *, whose targets are no paths.
  return `${scheme}://${authority}${path.startsWith('/') ? path : ''}`
}
