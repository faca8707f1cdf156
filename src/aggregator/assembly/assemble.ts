/** Spans of one trace → hops with corrected times, exclusive and edge time, and what is missing. Pure. */
import { httpStatusOf } from '../http-status.ts'
import { mapped, type Steps } from '../portions.ts'
import { durationUs, MAX_TRACE_SPANS, type ReceivedSpan, serviceOf } from '../span.ts'
import type { StoredSpan } from '../store/block-reader.ts'
import { type SpanNode, traceTree } from '../trace-tree.ts'
import { type ClockSample, type HostClock, hostClocks } from './clocks.ts'
import { findings } from './findings.ts'
import type { AssembledTrace, Hop, TraceState } from './hop.ts'
import { attributeNumber, attributeText, hostOf, isTry, phasesOf, routeOf } from './span-facts.ts'

export interface AssembleOptions {
  readonly traceId: string
  readonly nowMs: number
  /** Clock samples of many hops around the time of the trace. */
  readonly learnt: readonly ClockSample[]
  /** The service that answers for an address in the mesh, undefined for addresses outside. */
  readonly servedBy: (peer: string) => string | undefined
  /** Raw times, no clock corrected. */
  readonly raw?: boolean
}

/** Silence after which a trace counts as quiet, and a span that comes later as late. */
export const QUIET_MS = 5000

/** A node on its way to a hop; times in microseconds from an origin. */
interface Placed {
  readonly node: SpanNode
  readonly host: string
  readonly depth: number
  readonly parent: Placed | undefined
  readonly children: Placed[]
  startUs: number
  readonly lengthUs: number
}

export function* assemble(stored: readonly StoredSpan[], options: AssembleOptions): Steps<AssembledTrace> {
  const spans = withStarts(stored)
  const roots = traceTree(spans.map(({ span }) => span))
  yield
  const origin = spans.reduce(
    (least, { span }) => (span.startNs < least ? span.startNs : least),
    spans[0]!.span.startNs,
  )
  const placed = place(roots, origin)
  yield
  const reference = placed[0]!.host
  const own = options.raw === true ? [] : placed.flatMap((one) => sampleOf(one) ?? [])
  const hosts = new Set(placed.map(({ host }) => host))
  const clocks = hostClocks(hosts, reference, options.raw === true ? [] : options.learnt, own)
  for (const one of placed) {
    const clock = clocks.get(one.host)!
    if (clock.applied) one.startUs -= clock.offsetUs
  }
  coverGaps(placed)
  yield
  const ordered = inOrder(placed.filter(({ parent }) => parent === undefined))
  const leastUs = ordered.reduce((least, { startUs }) => Math.min(least, startUs), Number.POSITIVE_INFINITY)
  const mostUs = ordered.reduce((most, one) => Math.max(most, one.startUs + one.lengthUs), 0)
  const received = new Map(spans.map(({ span, receivedMs }) => [span.spanId, receivedMs]))
  const lateFrom = lateAfter([...received.values()])
  yield
  const hops = yield* mapped(ordered, (one) => hopOf(one, leastUs, clocks.get(one.host)!, received, lateFrom))
  const lastMs = spans.reduce((last, { receivedMs }) => Math.max(last, receivedMs), 0)
  const quietMs = Math.max(0, options.nowMs - lastMs)
  const rootSeen = roots.some(({ span }) => span !== undefined && span.parentSpanId === '')
  return {
    traceId: options.traceId,
    state: spans.length < MAX_TRACE_SPANS ? stateOf(quietMs, rootSeen, hops) : 'cut',
    rootSeen,
    quietMs: Math.round(quietMs),
    lateSpans: hops.filter(({ late }) => late).length,
    startNs: String(origin + BigInt(Math.round(leastUs * 1000))),
    durationUs: mostUs - leastUs,
    spans: spans.length,
    errors: hops.filter(({ failed }) => failed).length,
    services: [...new Set(hops.filter(({ gap }) => !gap).map(({ service }) => service))],
    clocks: [...clocks.values()],
    findings: yield* findings(hops, clocks, options.servedBy),
    hops,
  }
}

/** A span whose sender set no start stands at its end, or where the trace begins: not in 1970, decades before the others. */
function withStarts(spans: readonly StoredSpan[]): readonly StoredSpan[] {
  const starts = spans.map(({ span }) => span.startNs).filter((start) => start !== 0n)
  if (starts.length === spans.length || starts.length === 0) return spans
  const least = starts.reduce((one, other) => (other < one ? other : one))
  return spans.map((one) => {
    const { startNs, endNs } = one.span
    if (startNs !== 0n) return one
    const at = endNs === 0n ? least : endNs
    return { ...one, span: { ...one.span, startNs: at, endNs: at } }
  })
}

function stateOf(quietMs: number, rootSeen: boolean, hops: readonly Hop[]): TraceState {
  if (quietMs < QUIET_MS && (!rootSeen || hops.some(({ gap }) => gap))) return 'open'
  if (hops.some(({ gap }) => gap)) return 'gaps'
  return rootSeen ? 'complete' : 'rootless'
}

/** Nodes with their hosts, parents before children. */
function place(roots: readonly SpanNode[], originNs: bigint): Placed[] {
  const all: Placed[] = []
  const put = (node: SpanNode, parent: Placed | undefined): void => {
    const host = node.span === undefined ? (parent?.host ?? hostOf(node.children[0]!.span!)) : hostOf(node.span)
    const startUs = Number(node.startNs - originNs) / 1000
    const one = {
      node,
      host,
      parent,
      depth: (parent?.depth ?? -1) + 1,
      children: [],
      startUs,
      lengthUs: durationUs(node),
    }
    parent?.children.push(one)
    all.push(one)
  }
  for (const root of roots) put(root, undefined)
  // Grows while it is walked.
  for (const one of all) for (const child of one.node.children) put(child, one)
  return all
}

/** A hop between hosts that was seen from both ends, and whose callee was not longer than its caller. */
function sampleOf({ node, host, parent, startUs, lengthUs }: Placed): ClockSample | undefined {
  if (node.span === undefined || parent?.node.span === undefined || parent.host === host) return undefined
  const isCall = node.span.kind === 'server' || node.span.kind === 'consumer'
  const slack = parent.lengthUs - lengthUs
  if (!isCall || slack < 0) return undefined
  const offsetUs = startUs + lengthUs / 2 - (parent.startUs + parent.lengthUs / 2)
  return { client: parent.host, server: host, offsetUs, uncertaintyUs: slack / 2, samples: 1 }
}

/** A gap covers its children: by their corrected times. */
function coverGaps(placed: readonly Placed[]): void {
  for (const one of [...placed].reverse()) {
    if (one.node.span !== undefined) continue
    one.startUs = one.children.reduce((least, { startUs }) => Math.min(least, startUs), Number.POSITIVE_INFINITY)
  }
}

/** Depth first, siblings by corrected start; no recursion, since traces can be thousands deep. */
function inOrder(roots: readonly Placed[]): Placed[] {
  const byStart = (a: Placed, b: Placed): number => b.startUs - a.startUs
  const waiting = [...roots].sort(byStart)
  const ordered: Placed[] = []
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    ordered.push(next)
    for (const child of next.children.sort(byStart)) waiting.push(child)
  }
  return ordered
}

/** When the first pause of reception ended that was long enough to call the trace quiet; Infinity without one. */
function lateAfter(received: number[]): number {
  received.sort((a, b) => a - b)
  for (let i = 1; i < received.length; i++) if (received[i]! - received[i - 1]! > QUIET_MS) return received[i]!
  return Number.POSITIVE_INFINITY
}

function hopOf(
  one: Placed,
  leastUs: number,
  clock: HostClock,
  received: ReadonlyMap<string, number>,
  lateFrom: number,
): Hop {
  const { node, depth, host, lengthUs } = one
  const { span } = node
  const receivedMs = (span && received.get(span.spanId)) ?? 0
  const facts = span === undefined ? NOTHING : factsOf(span, lengthUs)
  // Without `...`: that is most of what a hop costs, of which there may be fifty thousand.
  return {
    spanId: node.spanId,
    depth,
    host,
    startUs: one.startUs - leastUs,
    durationUs: lengthUs,
    rawStartNs: String(node.startNs),
    shiftUs: clock.applied ? clock.offsetUs : 0,
    uncertaintyUs: clock.uncertaintyUs,
    exclusiveUs: exclusiveOf(one),
    edgeUs: edgeOf(one),
    gap: span === undefined,
    parentSpanId: span?.parentSpanId ?? '',
    service: facts.service,
    name: facts.name,
    route: facts.route,
    kind: facts.kind,
    direction: facts.direction,
    failed: facts.failed,
    http: facts.http,
    error: facts.error,
    errorPhase: facts.errorPhase,
    peer: facts.peer,
    phases: facts.phases,
    selfUs: facts.selfUs,
    receivedMs,
    late: span !== undefined && receivedMs >= lateFrom,
  }
}

type Facts = Pick<
  Hop,
  | 'service'
  | 'name'
  | 'route'
  | 'kind'
  | 'direction'
  | 'failed'
  | 'http'
  | 'error'
  | 'errorPhase'
  | 'peer'
  | 'phases'
  | 'selfUs'
>

const NOTHING: Facts = {
  ...{ service: '?', name: '', route: '', kind: 'unspecified', direction: '', failed: false, http: 0 },
  ...{ error: '', errorPhase: '', peer: '', phases: [], selfUs: -1 },
}

function factsOf(span: ReceivedSpan, lengthUs: number): Facts {
  return {
    service: serviceOf(span),
    name: span.name,
    route: routeOf(span),
    kind: span.kind,
    direction: attributeText(span, 'hopscope.direction'),
    failed: span.status.code === 'error',
    http: httpStatusOf(attributeNumber(span, 'http.response.status_code', 'http.status_code')),
    error: attributeText(span, 'hopscope.error.code', 'error.type'),
    errorPhase: attributeText(span, 'hopscope.error.phase'),
    peer: isTry(span) ? '' : attributeText(span, 'server.address', 'net.peer.name'),
    phases: phasesOf(span, lengthUs),
    selfUs: attributeNumber(span, 'hopscope.self_us') ?? -1,
  }
}

/** Length less the time in which at least one child runs. */
function exclusiveOf({ startUs, lengthUs, children }: Placed): number {
  const endUs = startUs + lengthUs
  let covered = 0
  let from = startUs
  const inTurn = children.length < 2 ? children : [...children].sort((a, b) => a.startUs - b.startUs)
  for (const child of inTurn) {
    const start = Math.max(child.startUs, from)
    const end = Math.min(child.startUs + child.lengthUs, endUs)
    if (end <= start) continue
    covered += end - start
    from = end
  }
  return lengthUs - covered
}

/** Clocks do not matter here: it is a difference of durations. */
function edgeOf({ node, parent, lengthUs }: Placed): number | null {
  const caller = parent?.node.span
  if (node.span === undefined || caller === undefined) return null
  if (node.span.kind !== 'server' && node.span.kind !== 'consumer') return null
  if (caller.kind !== 'client' && caller.kind !== 'producer') return null
  return parent!.lengthUs - lengthUs
}
