/**
 * A recorded exchange made into a request again. What may not be sent twice, or is not known any more, is left out and
 * named; a request that would be another one than was recorded is refused.
 */
import { newSpanId, newTraceId } from '../core/ids.ts'
import type { RecordedExchange } from '../telemetry/flight-recorder.ts'
import { MAX_PATH } from '../telemetry/record-layout.ts'
import { REDACTED } from '../telemetry/recorder/header-redaction.ts'

/** On every request that is sent again: the request id of the first. */
export const REPLAY_HEADER = 'hopscope-replay'

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
/** Of the connection, of the message's framing, of the first sending, and of nobody's business. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'content-length',
  'expect',
  'host',
  'traceparent',
  'tracestate',
  'baggage',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'b3',
  'x-request-id',
  'via',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
  REPLAY_HEADER,
])
const ABSOLUTE = /^[a-z][a-z0-9+.-]*:\/\/[^/]*/i

export interface ReplayRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly body: Buffer | undefined
  readonly traceId: string
  /** What of the first request is not sent, for people. */
  readonly left: readonly string[]
}

export interface ReplayRules {
  /** `http://host:port`, with a path that goes before the recorded one. */
  readonly target: URL
  readonly allowUnsafe: boolean
  /** Fields of the user's, which replace recorded ones. */
  readonly headers: readonly (readonly [string, string])[]
  /** Send `REDACTED` where a value in the URL was left out. */
  readonly allowRedacted: boolean
}

/** Throws an Error that says why where it cannot or may not be sent. */
export function replayRequest(x: RecordedExchange, rules: ReplayRules): ReplayRequest {
  if (!SAFE.has(x.method) && !rules.allowUnsafe) {
    throw new Error(`${x.method} may change something at the target: --allow-unsafe sends it all the same`)
  }
  if (x.method === 'CONNECT' || x.method === '') throw new Error('a tunnel cannot be sent again')
  const left: string[] = []
  const body = bodyOf(x)
  const headers = headersOf(x, rules.headers, left)
  const traceId = newTraceId()
  headers.traceparent = `00-${traceId}-${newSpanId()}-01`
  headers[REPLAY_HEADER] = x.requestId === '' ? x.spanId : x.requestId
  if (body !== undefined) headers['content-length'] = String(body.length)
  return { method: x.method, url: urlOf(x, rules), headers, body, traceId, left }
}

function urlOf({ path }: RecordedExchange, { target, allowRedacted }: ReplayRules): URL {
  if (path.length >= MAX_PATH) throw new Error('the path was longer than what is recorded')
  if (path.includes(`=${REDACTED}`) && !allowRedacted) {
    throw new Error(`the query had secrets that are not recorded: ${path} (--allow-redacted sends it as it is here)`)
  }
  const prefix = target.pathname.replace(/\/$/, '')
  const own = path.replace(ABSOLUTE, '')
  // `*` of OPTIONS, and nothing, are no paths.
  return new URL(`${target.origin}${prefix}${own.startsWith('/') ? own : '/'}`)
}

function headersOf(
  x: RecordedExchange,
  own: ReplayRules['headers'],
  left: string[],
): Record<string, string | string[]> {
  if (x.requestHeaders === undefined) left.push('all header fields: none were recorded (recorder.headers)')
  const replaced = new Set(own.map(([name]) => name.toLowerCase()))
  const nominated = new Set(
    (x.requestHeaders ?? [])
      .filter(([name]) => name.toLowerCase() === 'connection')
      .flatMap(([, value]) => value.toLowerCase().split(/[\s,]+/)),
  )
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of x.requestHeaders ?? []) {
    const lower = name.toLowerCase()
    if (LEFT_OUT.has(lower) || nominated.has(lower) || replaced.has(lower)) continue
    if (value === REDACTED || value.includes(`=${REDACTED}`) || value.includes('***'))
      left.push(`${lower}: not recorded`)
    else headers[lower] = [...[headers[lower] ?? []].flat(), value]
  }
  for (const [name, value] of own) headers[name.toLowerCase()] = value
  return headers
}

/** Undefined where there was none. */
function bodyOf({ requestBytes, requestBody }: RecordedExchange): Buffer | undefined {
  if (requestBytes === 0) return undefined
  if (requestBody === undefined)
    throw new Error(`its body of ${requestBytes} bytes was not recorded (recorder.bodyBytes)`)
  const { text, kept, bytes, redacted = 0, omitted } = requestBody
  if (omitted !== undefined) throw new Error(`its body was not recorded: ${omitted}`)
  if (text === undefined || kept < bytes) throw new Error(`only ${kept} of ${bytes} bytes of its body were recorded`)
  if (redacted > 0) throw new Error(`its body had secrets that are not recorded (${redacted})`)
  const body = Buffer.from(text)
  if (body.length !== bytes) throw new Error('its body is no text that can be written again')
  return body
}
