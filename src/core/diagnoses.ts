/**
 * All diagnoses by name: what the aggregator says of failed and slow traces and of incidents, what `hopscope explain`
 * prints and docs/diagnoses.md lists. Names are stable.
 */
import { NETWORK_DIAGNOSES } from './diagnoses-network.ts'
import { SERVICE_DIAGNOSES } from './diagnoses-service.ts'
import { type DiagnosisFacts, rowsOf } from './diagnosis-entry.ts'

const proxy = rowsOf('proxy')
const client = rowsOf('client')
const tracing = rowsOf('tracing')
const tracingIncident = rowsOf('tracing', ['incident'])

export const DIAGNOSES = {
  ...SERVICE_DIAGNOSES,
  ...NETWORK_DIAGNOSES,
  proxy_fault: proxy(
    'a fault of the proxy',
    'Hopscope itself, or a stage of yours in it, failed the exchange.',
    'Hops that fail with a code whose source is internal.',
    'Logs of that proxy with the trace id; `hopscope explain` with the code; report it if it is not your stage.',
  ),
  proxy_slow: proxy(
    'the proxy takes long',
    'Time within a hop that is in none of its phases: the proxy was busy, paused, or starved of CPU.',
    'The proxy’s own time grew.',
    'CPU limits and throttling of the sidecar, its event loop delay on /metrics, stages of yours that wait.',
  ),
  client_gone: rowsOf('client', ['trace'])(
    'the client went away',
    'The client closed before the answer was complete.',
    'The code client_closed at the first hop, and no failure before it.',
    'Timeouts of the client against how long the answer took: impatience is a symptom of slowness.',
  ),
  client_sends_badly: client(
    'the client’s request is not acceptable',
    'The request broke the protocol, or came too slowly.',
    'Codes whose source is downstream.',
    '`hopscope explain` with the code; then the client that built the request.',
  ),
  handover_failed: tracing(
    'handover failed',
    'The caller sent it, and the callee’s sidecar never saw it: lost between the two, or the span was.',
    'Calls into the mesh with a span at the caller’s side only, to a callee that sends spans as a rule.',
    'The failure of the caller’s span, if it has one; interception rules at the callee; drops counted by its exporter.',
  ),
  calls_stopped: rowsOf('dependency', ['incident'])(
    'calls stopped coming',
    'A caller that is busy as ever no longer calls.',
    'The calls of an edge ceased while its caller is asked on the same routes as ever.',
    'Feature flags and caches at the caller, service discovery, a breaker that is open, the trace context if only spans are missing.',
  ),
  spans_lost: tracingIncident(
    'spans of the proxy are lost',
    'A proxy makes spans faster than they can be sent or taken: traces have gaps.',
    'Spans that its exporter dropped, as it says on a span now and then.',
    'Is the aggregator reached, and does it keep up? `otel_sdk_processor_span_processed_total` by error type on /metrics; the sample setting.',
  ),
  clock_drift: tracingIncident(
    'its clock is wrong',
    'A host does not agree with the others on the time. Traces are corrected for it; logs, leases and certificates are not.',
    'Hops seen from both ends: a clock more than 100 ms from the middle of all, by the surest of many.',
    'chrony or ntpd on the hosts named there.',
  ),
} as const satisfies Readonly<Record<string, DiagnosisFacts>>

export type DiagnosisName = keyof typeof DIAGNOSES

export function isDiagnosis(name: string): name is DiagnosisName {
  return Object.hasOwn(DIAGNOSES, name)
}
