/** Adopts or starts the trace of an exchange and sends our own span on as the parent. */

import { newSpanId, newTraceId } from '../core/ids.ts'
import { knownId } from '../core/known-names.ts'
import { readOt, withThreshold } from '../core/sampling.ts'
import type { Exchange, TraceContext } from '../exchange/exchange.ts'
import { CONTINUE, type Stage } from '../exchange/stage.ts'
import { type B3Context, dropB3, renewB3, takeB3, writeB3 } from './b3.ts'
import { Correlation } from './correlation.ts'
import {
  FLAG_RANDOM,
  FLAG_SAMPLED,
  formatTraceparent,
  type ParentContext,
  parseTraceparent,
  validTracestate,
} from './w3c.ts'

const TRACEPARENT = knownId('traceparent')
const TRACESTATE = knownId('tracestate')
const BAGGAGE = knownId('baggage')

/** Decides whether a trace is exported; `parentFlags` is undefined at the root (`telemetry/sampler`). */
export type SampleDecision = (parentFlags: number | undefined, traceId: string, state?: string) => boolean

/** The tracestate of a trace that was decided on, by the one that came with it ('' for none). */
export type StateOf = (parentFlags: number | undefined, traceId: string, state: string, sampled: boolean) => string

export interface TraceContextOptions {
  readonly sample: SampleDecision
  /** Says by which share traces were kept; absent: tracestate is passed on as it came. */
  readonly stateOf?: StateOf | undefined
  readonly b3: 'auto' | 'off'
  /** Whether trace headers may be sent to this host (without port); undefined: to all. */
  readonly maySendTo: ((host: string) => boolean) | undefined
}

export function traceContext(options: TraceContextOptions): Stage {
  const correlation = new Correlation()
  return {
    name: 'trace-context',
    role: 'decide',
    onRequestHead(x) {
      const { headers } = x.request
      const b3 = options.b3 === 'auto' ? takeB3(headers) : undefined
      adopt(x, b3, options, correlation)
      if (options.maySendTo === undefined || options.maySendTo(hostName(x.request.host))) inject(x, b3)
      else strip(x)
      if (x.direction === 'inbound') correlation.inboundStarted(x)
      return CONTINUE
    },
    onRefusedHead(x) {
      adopt(x, options.b3 === 'auto' ? takeB3(x.request.headers) : undefined, options, correlation)
      return undefined
    },
    onFinish(x) {
      if (x.direction === 'inbound') correlation.inboundFinished(x)
      return undefined
    },
  }
}

/** Extraction order: traceparent, B3, an inbound exchange in flight with the same request id; else a new trace. */
function adopt(x: Exchange, b3: B3Context | undefined, options: TraceContextOptions, correlation: Correlation): void {
  const { headers } = x.request
  const { sample } = options
  // More than one traceparent: the trace is restarted (§3.2).
  const parent = headers.countOf(TRACEPARENT) === 1 ? parseTraceparent(headers.known(TRACEPARENT)!) : undefined
  if (parent !== undefined) {
    const sent = readState(x)
    const state = x.direction === 'outbound' ? withShare(sent, parent.traceId, correlation) : sent
    join(x, parent, sample(parent.flags, parent.traceId, state), state)
    putState(x, parent.flags, options, sent)
    return
  }
  headers.dropKnown(TRACESTATE)
  const cause = b3?.traceId ? undefined : joinedByRequestId(x, correlation)
  if (b3?.traceId) {
    const sampled = b3.debug || sample(flagsOf(b3), b3.traceId)
    join(x, { traceId: b3.traceId, spanId: b3.spanId, flags: 0 }, sampled, '')
    putState(x, b3.debug ? FLAG_SAMPLED : flagsOf(b3), options)
  } else if (cause !== undefined) {
    join(x, cause, sample(cause.flags, cause.traceId, cause.state), cause.state)
    putState(x, cause.flags, options, '')
  } else {
    if (x.direction === 'outbound') x.inferredLink = correlation.onlyOne()
    const traceId = newTraceId()
    x.sampled = sample(b3 === undefined ? undefined : flagsOf(b3), traceId)
    const flags = FLAG_RANDOM | (x.sampled ? FLAG_SAMPLED : 0)
    x.trace = { traceId, spanId: newSpanId(), parentSpanId: '', flags, state: '' }
    putState(x, b3 === undefined ? undefined : flagsOf(b3), options)
  }
}

/** Many apps pass traceparent on and no tracestate: by which share the trace was kept is known from the request they serve. */
function withShare(state: string, traceId: string, correlation: Correlation): string {
  if (state.includes('ot=')) return state
  const { th } = readOt(correlation.stateOf(traceId))
  return th === undefined ? state : withThreshold(state, th)
}

/** Says in tracestate by which share the trace was kept. `sent`: the tracestate among the headers. */
function putState(
  x: Exchange,
  parentFlags: number | undefined,
  { stateOf }: TraceContextOptions,
  sent = x.trace!.state,
): void {
  const trace = x.trace!
  if (stateOf !== undefined) trace.state = stateOf(parentFlags, trace.traceId, trace.state, x.sampled)
  if (trace.state === sent) return
  const { headers } = x.request
  headers.dropKnown(TRACESTATE)
  if (trace.state !== '') headers.putKnown(TRACESTATE, 'tracestate', trace.state)
}

/** The decision that B3 brought as trace-flags, undefined where it left it to us. */
function flagsOf(b3: B3Context): number | undefined {
  return b3.sampled === undefined ? undefined : b3.sampled ? FLAG_SAMPLED : 0
}

function joinedByRequestId(x: Exchange, correlation: Correlation): TraceContext | undefined {
  return x.direction === 'outbound' ? correlation.byRequestId(x.requestId) : undefined
}

/** The random flag is passed on exactly as received (§3.2.2.3.2). */
function join(x: Exchange, parent: ParentContext, sampled: boolean, state: string): void {
  x.sampled = sampled
  x.trace = {
    traceId: parent.traceId,
    spanId: newSpanId(),
    parentSpanId: parent.spanId,
    flags: (parent.flags & FLAG_RANDOM) | (sampled ? FLAG_SAMPLED : 0),
    state,
  }
}

/** The tracestate to pass on, '' for none; a malformed one is dropped and never harms the traceparent (§3.3). */
function readState(x: Exchange): string {
  const { headers } = x.request
  const count = headers.countOf(TRACESTATE)
  if (count === 0) return ''
  const values: string[] = []
  for (let i = headers.firstOf(TRACESTATE); i < headers.count; i++) {
    if (headers.idAt(i) === TRACESTATE) values.push(headers.valueAt(i))
  }
  const state = values.join(',')
  if (validTracestate(state)) return state
  headers.dropKnown(TRACESTATE)
  return ''
}

function inject(x: Exchange, b3: B3Context | undefined): void {
  const { headers } = x.request
  const trace = x.trace!
  if (headers.countOf(TRACEPARENT) > 1) headers.dropKnown(TRACEPARENT)
  headers.putKnown(TRACEPARENT, 'traceparent', traceparent(trace, trace.spanId))
  if (b3 !== undefined) writeB3(headers, b3, trace, x.sampled)
}

/** The request is sent again, and `spanId` is its sender, where its head says that `sentBy` is. */
export function putSpan(x: Exchange, sentBy: string, spanId: string): void {
  const { trace } = x
  const { headers } = x.request
  // Not ours: it may not leave, or a user's stage has written another.
  if (trace === undefined || headers.get('traceparent') !== traceparent(trace, sentBy)) return
  headers.set('traceparent', traceparent(trace, spanId))
  renewB3(headers, sentBy, { spanId, parentSpanId: trace.spanId })
}

const traceparent = ({ traceId, flags }: TraceContext, spanId: string): string =>
  formatTraceparent(traceId, spanId, flags)

/** The destination is not ours: nothing of the trace leaves. */
function strip(x: Exchange): void {
  const { headers } = x.request
  headers.dropKnown(TRACEPARENT)
  headers.dropKnown(TRACESTATE)
  headers.dropKnown(BAGGAGE)
  dropB3(headers)
}

function hostName(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase()
}
