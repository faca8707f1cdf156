/** B3 propagation, single and multi header (https://github.com/openzipkin/b3-propagation). */
import type { HeaderBlock } from '../core/headers.ts'
import { knownId } from '../core/known-names.ts'

const ID = {
  single: knownId('b3'),
  traceId: knownId('x-b3-traceid'),
  spanId: knownId('x-b3-spanid'),
  parentSpanId: knownId('x-b3-parentspanid'),
  sampled: knownId('x-b3-sampled'),
  flags: knownId('x-b3-flags'),
}

const MULTI = [ID.traceId, ID.spanId, ID.parentSpanId, ID.sampled, ID.flags]

/** What came in. Ids are absent where only a sampling decision was sent. */
export interface B3Context {
  /** 32 hex characters, padded; '' for none. */
  readonly traceId: string
  readonly spanId: string
  /** undefined: the decision is left to us. */
  readonly sampled: boolean | undefined
  readonly debug: boolean
}

const TRACE = /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/
const SPAN = /^[0-9a-f]{16}$/
const ZERO = /^0+$/
/** Whatever else was sent decides nothing. */
const DECISIONS: Readonly<Record<string, boolean>> = { __proto__: null!, 1: true, true: true, 0: false, false: false }

/** Whether any B3 field is there: the check that most requests end with. */
function hasB3(headers: HeaderBlock): boolean {
  return (
    headers.countOf(ID.single) + headers.countOf(ID.traceId) + headers.countOf(ID.sampled) + headers.countOf(ID.flags) >
    0
  )
}

/** Read B3 where it came. What cannot be read goes: it would contradict the traceparent that we send. */
export function takeB3(headers: HeaderBlock): B3Context | undefined {
  if (!hasB3(headers)) return undefined
  const came = readB3(headers)
  if (came === undefined) dropB3(headers)
  return came
}

/** Read B3; the single header wins over the multi ones. Malformed context is undefined. */
export function readB3(headers: HeaderBlock): B3Context | undefined {
  const single = headers.known(ID.single)
  return single !== undefined ? readSingle(single) : readMulti(headers)
}

function readSingle(value: string): B3Context | undefined {
  if (value === '0' || value === '1' || value === 'd') return context('', '', value)
  const [traceId = '', spanId = '', decision] = value.split('-')
  return context(traceId, spanId, decision)
}

function readMulti(headers: HeaderBlock): B3Context | undefined {
  const decision = headers.known(ID.flags) === '1' ? 'd' : headers.known(ID.sampled)
  return context(headers.known(ID.traceId) ?? '', headers.known(ID.spanId) ?? '', decision)
}

function context(traceId: string, spanId: string, decision: string | undefined): B3Context | undefined {
  const onlyDecision = traceId === '' && spanId === '' && decision !== undefined
  if (!onlyDecision && (!TRACE.test(traceId) || !SPAN.test(spanId) || ZERO.test(traceId) || ZERO.test(spanId)))
    return undefined
  const debug = decision === 'd'
  const sampled = debug || (decision === undefined ? undefined : DECISIONS[decision])
  return { traceId: traceId === '' ? '' : traceId.padStart(32, '0'), spanId, sampled, debug }
}

/** Send our own context on in each form in which B3 came in, and nothing else: the next one may read either. */
export function writeB3(
  headers: HeaderBlock,
  came: B3Context,
  trace: { traceId: string; spanId: string; parentSpanId: string },
  sampled: boolean,
): void {
  const single = headers.countOf(ID.single) > 0
  const multi = MULTI.some((id) => headers.countOf(id) > 0)
  dropB3(headers)
  // With a traceparent that says otherwise, that decides.
  const debug = came.debug && sampled
  if (single) {
    const parent = trace.parentSpanId === '' ? '' : `-${trace.parentSpanId}`
    const decision = debug ? 'd' : sampled ? '1' : '0'
    headers.putKnown(ID.single, 'b3', `${trace.traceId}-${trace.spanId}-${decision}${parent}`)
  }
  if (!multi) return
  headers.putKnown(ID.traceId, 'X-B3-TraceId', trace.traceId)
  headers.putKnown(ID.spanId, 'X-B3-SpanId', trace.spanId)
  if (trace.parentSpanId !== '') headers.putKnown(ID.parentSpanId, 'X-B3-ParentSpanId', trace.parentSpanId)
  if (debug) headers.putKnown(ID.flags, 'X-B3-Flags', '1')
  else headers.putKnown(ID.sampled, 'X-B3-Sampled', sampled ? '1' : '0')
}

/** Make what {@link writeB3} wrote in the name of the span `sentBy` say another span of that trace. */
export function renewB3(headers: HeaderBlock, sentBy: string, by: { spanId: string; parentSpanId: string }): void {
  const [traceId, single, decision] = (headers.get('b3') ?? '').split('-')
  if (single === sentBy) headers.set('b3', `${traceId}-${by.spanId}-${decision}-${by.parentSpanId}`)
  if (headers.get('x-b3-spanid') !== sentBy) return
  headers.set('X-B3-SpanId', by.spanId)
  headers.set('X-B3-ParentSpanId', by.parentSpanId)
}

/** Drop every B3 field. */
export function dropB3(headers: HeaderBlock): void {
  for (const id of Object.values(ID)) if (headers.countOf(id) > 0) headers.dropKnown(id)
}
