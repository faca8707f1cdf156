/** Encoded keys of the attributes of an exchange's span. */
import { PHASES as NAMES } from '../exchange/exchange.ts'
import { attributeKey } from './otlp-attributes.ts'

export const METHOD = attributeKey('http.request.method')
export const METHOD_ORIGINAL = attributeKey('http.request.method_original')
export const STATUS = attributeKey('http.response.status_code')
export const VERSION = attributeKey('network.protocol.version')
export const ERROR_TYPE = attributeKey('error.type')
export const PATH = attributeKey('url.path')
export const QUERY = attributeKey('url.query')
export const FULL = attributeKey('url.full')
export const PHASES = NAMES.map((phase) => attributeKey(`hopscope.phase.${phase}_us`))
export const RETRY = attributeKey('hopscope.retry_us')
export const SELF = attributeKey('hopscope.self_us')
export const REUSED = attributeKey('hopscope.connection.reused')
export const IDEMPOTENCY = attributeKey('hopscope.idempotency.outcome')
export const REQUEST_SIZE = attributeKey('http.request.body.size')
export const RESPONSE_SIZE = attributeKey('http.response.body.size')
export const ERROR_CODE = attributeKey('hopscope.error.code')
export const ERROR_PHASE = attributeKey('hopscope.error.phase')
export const ERROR_SOURCE = attributeKey('hopscope.error.source')
export const ERROR_ERRNO = attributeKey('hopscope.error.errno')
export const ERROR_SENT = attributeKey('hopscope.error.bytes_sent')
export const ERROR_AGE = attributeKey('hopscope.error.connection_age_us')
export const TCP = [
  'hopscope.tcp.downstream.rtt_us',
  'hopscope.tcp.downstream.retransmits',
  'hopscope.tcp.upstream.rtt_us',
  'hopscope.tcp.upstream.retransmits',
].map(attributeKey)
export const REQUEST_ID = Uint8Array.from(attributeKey('http.request.header.x-request-id'))
