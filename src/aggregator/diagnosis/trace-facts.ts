/** What a diagnosis reads off the span of a hop beyond what is drawn. */
import { attributeNumber, attributeText, isTry } from '../assembly/span-facts.ts'
import type { ReceivedSpan } from '../span.ts'

export interface HopFacts {
  /** Of the HTTP request; '' where it is none. */
  readonly method: string
  /** Name of the gRPC status; '' for none. */
  readonly rpc: string
  /** Type and message of the exception event; '' for none. */
  readonly exception: string
  readonly errno: string
  /** The connection was in use before; undefined where not known. */
  readonly reused: boolean | undefined
  readonly retransmits: number
  readonly bytesSent: number
  /** Number of the try, from 0. */
  readonly attempt: number
  /** One of several tries of the exchange above it, whose callee stands beneath this one. */
  readonly isTry: boolean
  /** Dates of the certificate that the server showed, milliseconds since the epoch; 0 where not known. */
  readonly notAfterMs: number
  readonly notBeforeMs: number
  /** When that was. */
  readonly shownMs: number
}

export const NO_FACTS: HopFacts = {
  ...{ method: '', rpc: '', exception: '', errno: '', reused: undefined, retransmits: 0, bytesSent: -1 },
  ...{ attempt: 0, isTry: false },
  ...{ notAfterMs: 0, notBeforeMs: 0, shownMs: 0 },
}

const RPC_NAMES = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED'],
  ...['INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
]

export function factsOf(span: ReceivedSpan | undefined): HopFacts {
  if (span === undefined) return NO_FACTS
  const reused = span.attributes.get('hopscope.connection.reused')
  return {
    method: attributeText(span, 'http.request.method', 'http.method'),
    rpc: rpcOf(span),
    exception: exceptionOf(span),
    errno: attributeText(span, 'hopscope.error.errno'),
    reused: typeof reused === 'boolean' ? reused : undefined,
    retransmits:
      (attributeNumber(span, 'hopscope.tcp.upstream.retransmits') ?? 0) +
      (attributeNumber(span, 'hopscope.tcp.downstream.retransmits') ?? 0),
    bytesSent: attributeNumber(span, 'hopscope.error.bytes_sent') ?? -1,
    attempt: attributeNumber(span, 'http.request.resend_count') ?? 0,
    isTry: isTry(span),
    shownMs: Number(span.startNs / 1_000_000n),
    notAfterMs: Date.parse(attributeText(span, 'tls.server.not_after', 'hopscope.upstream.tls.server.not_after')) || 0,
    notBeforeMs:
      Date.parse(attributeText(span, 'tls.server.not_before', 'hopscope.upstream.tls.server.not_before')) || 0,
  }
}

function rpcOf(span: ReceivedSpan): string {
  const name = attributeText(span, 'rpc.response.status_code', 'rpc.status_code')
  if (name !== '') return name === 'OK' ? '' : name
  const number = attributeNumber(span, 'rpc.grpc.status_code') ?? 0
  return number === 0 ? '' : (RPC_NAMES[number] ?? 'UNKNOWN')
}

const LONGEST = 160

function exceptionOf({ events }: ReceivedSpan): string {
  const event = events.find(({ name }) => name === 'exception')
  if (event === undefined) return ''
  const [type, message] = ['exception.type', 'exception.message'].map((key) => event.attributes.get(key))
  const said = [type, message].filter((one) => typeof one === 'string' && one !== '').join(': ')
  return said === '' ? 'exception' : said.slice(0, LONGEST)
}
