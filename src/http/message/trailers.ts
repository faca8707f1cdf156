/** Which fields may stand behind a body. */

const FORBIDDEN_TRAILERS = new Set([
  'transfer-encoding',
  'content-length',
  'host',
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'max-forwards',
  'cache-control',
  'authorization',
  'proxy-authorization',
  'proxy-authenticate',
  'www-authenticate',
  'cookie',
  'set-cookie',
  'content-encoding',
  'content-type',
  'content-range',
  'range',
  'x-request-id',
  'traceparent',
  'tracestate',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'idempotency-key',
])

/** Trailers may not change how a message is framed, routed or authorised (RFC 9110 §6.5.1). `name` is lower case. */
export function mayTrail(name: string): boolean {
  return !FORBIDDEN_TRAILERS.has(name)
}
