/** One assembled trace → which hop is at fault, and why. Pure. */
import type { AssembledTrace, Hop } from '../assembly/hop.ts'
import { mapped, type Steps } from '../portions.ts'
import type { ReceivedSpan } from '../span.ts'
import { Addresses } from './addresses.ts'
import { attribute, type Call, isOther, type Share } from './attribution.ts'
import type { TraceCause, TraceDiagnosis, TraceVerdict } from './diagnosis.ts'
import { nameFailure, TIMEOUTS } from './naming.ts'
import { copedAbove, existenceChecks, redelivered } from './no-fault.ts'
import { endsSoon } from './signs.ts'
import { type Expectations, NOTHING_KNOWN } from './slowness.ts'
import { factsOf, type HopFacts } from './trace-facts.ts'
import { slowCauses, slowerThanUsual } from './trace-slowness.ts'
import { causeAt, microseconds, type Place } from './words.ts'

export interface DiagnoseOptions {
  /** The span of a hop, for what the hop itself does not tell. */
  readonly spanOf: (spanId: string) => ReceivedSpan | undefined
  /** The service that answers for an address in the mesh. */
  readonly servedBy: (peer: string) => string | undefined
  readonly expected?: Expectations
}

/** A hop with all that is judged by. */
export interface Judged {
  readonly hop: Hop
  readonly facts: HopFacts
  readonly call: Call
  readonly share: Share
  readonly place: Place
  /** The address called is one that a service with spans was seen to answer. */
  readonly inMesh: boolean
  /** A hop above it went well. */
  readonly coped: boolean
}

/** Causes of one trace; the first one is what people read. */
const MAX_CAUSES = 5
const ABANDONED = 'client_closed'

export function* diagnose(trace: AssembledTrace, options: DiagnoseOptions): Steps<TraceDiagnosis> {
  const judged = yield* judgeAll(trace, options)
  yield
  const expected = options.expected ?? NOTHING_KNOWN
  const failed = failureCauses(judged, trace, expected)
  const visible = failed.some(({ hidden }) => !hidden)
  const gone = visible ? undefined : clientGone(judged)
  const slow = visible ? undefined : slowerThanUsual(judged, expected)
  const lost = visible ? [] : handovers(judged, trace)
  const causes = [
    ...failed.filter(({ hidden }) => !hidden).map(({ cause }) => cause),
    ...(gone === undefined ? [] : [gone]),
    ...(slow?.slow === true || gone !== undefined ? slowCauses(judged, expected) : []),
    ...failed.filter(({ hidden }) => hidden).map(({ cause }) => cause),
    ...lost,
  ].slice(0, MAX_CAUSES)
  const verdict = verdictOf(visible || gone !== undefined, slow?.slow, failed.length > 0)
  return {
    verdict,
    summary: summary(verdict, causes, slow?.text),
    causes,
    note: note(trace, verdict, slow?.text, datesOf(judged)),
  }
}

function verdictOf(failed: boolean, slow: boolean | undefined, recovered: boolean): TraceVerdict {
  if (failed) return 'failed'
  if (slow === true) return 'slow'
  if (recovered) return 'recovered'
  return slow === undefined ? 'unknown' : 'healthy'
}

function summary(verdict: TraceVerdict, causes: readonly TraceCause[], compared: string | undefined): string {
  const first = causes[0]?.text
  if (verdict === 'healthy') return compared ?? 'nothing failed, and it took what it usually takes'
  if (verdict === 'unknown') return compared ?? 'nothing failed; what it usually takes is not known yet'
  if (first === undefined) return 'no hop of it explains the failure'
  return verdict === 'recovered' ? `the caller coped with it: ${first}` : first
}

function note(
  trace: AssembledTrace,
  verdict: TraceVerdict,
  compared: string | undefined,
  dates: readonly string[],
): string {
  const notes = [...dates]
  if (trace.state === 'open') notes.push('spans are still coming')
  if (trace.state === 'cut') notes.push('it has more spans than are read: the cause may lie there')
  if (trace.state === 'gaps') notes.push('spans that others name as parents never came: the cause may lie there')
  if (trace.state === 'rootless') notes.push('the first span never came: what the client saw is not known')
  if (verdict === 'slow' && compared !== undefined) notes.push(compared)
  return notes.join('; ')
}

function* judgeAll(trace: AssembledTrace, { spanOf, servedBy }: DiagnoseOptions): Steps<Judged[]> {
  const { hops } = trace
  const index = new Map(hops.map(({ spanId }, i) => [spanId, i]))
  const facts = yield* mapped(hops, ({ spanId }) => factsOf(spanOf(spanId)))
  const above = hops.map(({ gap, parentSpanId }) => (gap ? -1 : (index.get(parentSpanId) ?? -1)))
  const checks = existenceChecks(hops, facts)
  const calls = yield* mapped(hops, (hop, i) => {
    const { isTry } = facts[i]!
    const call = callOf(hop, facts[i]!, above[i]!, i, checks.has(hop.spanId))
    return { ...call, isTry, ...(isTry && { peer: hops[above[i]!]?.peer ?? '' }) }
  })
  const addresses = new Addresses<string>('')
  for (let i = 0; i < hops.length; i++) {
    const { kind, peer, service } = hops[i]!
    const caller = kind === 'server' ? calls[above[i]!] : undefined
    if (caller !== undefined) addresses.learn(String(caller.peer), peer, service)
  }
  const answers = (call: Call, below: Call): boolean => {
    const [called, served, service] = [String(call.peer), String(below.peer), String(below.service)]
    const sure = called === served ? undefined : servedBy(called)
    if (sure !== undefined) return sure === service
    return addresses.isOtherSide(called, served, service, call.ours && below.ours)
  }
  yield
  const shares = attribute(calls, (call, below) => isOther(call, below) && answers(call, below))
  yield
  const again = redelivered(hops, calls)
  for (let i = 0; i < shares.length; i++) if (again[i] === true) shares[i]!.hidden = true
  const coped = copedAbove(calls)
  const callees = new Map<string, string>()
  for (let i = 0; i < hops.length; i++) {
    const { parentSpanId, service, gap } = hops[i]!
    const caller = calls[index.get(parentSpanId) ?? -1]
    if (caller === undefined || gap || service === caller.service) continue
    if (answers(caller, calls[i]!)) callees.set(parentSpanId, service)
  }
  const madeBy: number[] = []
  return yield* mapped(hops, (hop, i) => {
    // Tries of an exchange name no peer: they are of the hop that made them, which stands before them.
    const isTry = calls[i]!.isCall && hop.peer === '' && !callees.has(hop.spanId) && calls[i]!.parent >= 0
    const at = isTry ? madeBy[calls[i]!.parent]! : i
    madeBy.push(at)
    const { service, route, peer, spanId } = hops[at]!
    const callee = callees.get(spanId) ?? (servedBy(peer) || peer || 'something untraced')
    const place = calls[at]!.isCall ? { service: callee, from: service, route: '' } : { service, from: '', route }
    const inMesh = servedBy(hop.peer) !== undefined
    return { hop, facts: facts[i]!, call: calls[i]!, share: shares[i]!, place, inMesh, coped: coped[i]! }
  })
}

/** A parent that stands behind its child, as only a ring has it, is no parent here. */
function callOf(hop: Hop, { rpc, exception }: HopFacts, parent: number, i: number, isCheck: boolean): Call {
  const isCall = hop.kind === 'client' || hop.kind === 'producer'
  // Other tracers set no status now and then.
  const bad = hop.http >= 500 || (isCall && hop.http >= 400) || (rpc !== '' && isCall) || (exception !== '' && !isCall)
  const failed = !isCheck && (hop.failed || (hop.direction === '' && bad && !hop.gap))
  const name = failed ? nameFailure({ error: hop.error, http: hop.http, rpc, unseen: false }) : undefined
  return {
    ours: hop.direction !== '',
    // Who sent a message does not wait for what becomes of it.
    parent: parent < i && hop.kind !== 'consumer' ? parent : -1,
    ...{ isCall, service: hop.service, peer: hop.peer, route: `${hop.name} ${hop.route}` },
    ...{ startUs: hop.startUs, durationUs: hop.durationUs },
    // What a gap made of a failure beneath it nobody knows: it did not cope with it, and did not fail by itself.
    failed: failed || hop.gap,
    timedOut: name !== undefined && TIMEOUTS.has(name),
    abandoned: hop.gap || hop.error === ABANDONED,
  }
}

interface Failure {
  readonly cause: TraceCause
  readonly hidden: boolean
}

/** Where failures began; the latest one first, since it is what its caller could not make good. */
function failureCauses(judged: readonly Judged[], trace: AssembledTrace, expected: Expectations): Failure[] {
  const origins = judged.filter(({ share }) => share.origin)
  const endOf = ({ hop }: Judged): number => hop.startUs + hop.durationUs
  origins.sort((a, b) => Number(a.share.hidden) - Number(b.share.hidden) || endOf(b) - endOf(a))
  return origins.flatMap((one, rank) => {
    const weight = one.share.hidden ? 0.2 : rank === 0 ? 1 : 0.5
    return failureCause(one, judged, trace, expected, weight).map((cause) => ({ cause, hidden: one.share.hidden }))
  })
}

function failureCause(
  one: Judged,
  judged: readonly Judged[],
  trace: AssembledTrace,
  expected: Expectations,
  weight: number,
): TraceCause[] {
  const { hop, facts, share } = one
  const exception = facts.exception !== ''
  const gaveUp = one.call.timedOut || share.waitedFor >= 0
  const { error, http } = hop
  const own = nameFailure({
    error,
    http,
    rpc: facts.rpc,
    errno: facts.errno,
    exception,
    unseen: share.unseen,
    inMesh: one.inMesh,
  })
  const name = gaveUp && !one.call.timedOut ? 'upstream_timeout' : own
  const evidence = [failureEvidence(one), ...more(one, trace)]
  const itself = { ...causeAt(name, one.place, evidence, weight), spanId: hop.spanId }
  const waited = judged[share.waitedFor]
  if (waited === undefined) return [itself]
  const [slowest] = slowCauses([waited], expected)
  if (slowest === undefined) return [itself]
  const gave = `${one.hop.service} gave up after ${microseconds(hop.durationUs)} (${name})`
  return [
    { ...slowest, evidence: [gave, ...slowest.evidence], weight },
    { ...itself, weight: weight * 0.6 },
  ]
}

function failureEvidence({ hop, share }: Judged): string {
  const status = hop.http === 0 ? '' : ` with status ${hop.http}`
  const error = hop.error === '' || hop.error === String(hop.http) ? '' : ` (${hop.error}${phaseText(hop)})`
  const below = share.unseen ? 'no span of the other side came' : 'nothing beneath it failed'
  return `${hop.service} ${hop.name} failed${status}${error} after ${microseconds(hop.durationUs)}; ${below}`
}

const phaseText = ({ errorPhase }: Hop): string => (errorPhase === '' ? '' : ` in ${errorPhase}`)

function more({ hop, facts, share, call }: Judged, { findings }: AssembledTrace): string[] {
  const said: string[] = []
  if (facts.exception !== '') said.push(`exception: ${facts.exception}`)
  if (facts.rpc !== '') said.push(`gRPC status ${facts.rpc}`)
  if (facts.errno !== '') said.push(`errno ${facts.errno}`)
  if (facts.reused === true && hop.error !== '') said.push('on a connection that had been used before')
  if (facts.bytesSent === 0) said.push('no byte of the request had left')
  if (facts.retransmits > 0) said.push(`${facts.retransmits} TCP segments were sent again`)
  if (share.hidden) said.push(facts.attempt > 0 || call.isCall ? 'a retry or a fallback hid it' : 'its caller coped')
  for (const { spanId, kind, text } of findings) {
    if (spanId === hop.spanId && kind === 'handover-failed') said.push(text)
  }
  return said
}

/** The client left before the answer, and nothing else failed. A caller that went well without it cancelled it. */
function clientGone(judged: readonly Judged[]): TraceCause | undefined {
  const gone = judged.find(({ hop, coped }) => hop.error === ABANDONED && !coped)
  if (gone === undefined) return undefined
  const text = `the client of ${gone.hop.service} left after ${microseconds(gone.hop.durationUs)}; nothing had failed`
  return { ...causeAt('client_gone', gone.place, [text], 1), spanId: gone.hop.spanId }
}

/** A call that went well, and that its callee, which sends spans as a rule, has no span of. */
function handovers(judged: readonly Judged[], { findings, state }: AssembledTrace): TraceCause[] {
  if (state === 'open') return []
  return judged.flatMap((one) => {
    const { hop, share, inMesh, call } = one
    const found = findings.find(({ spanId, kind }) => spanId === hop.spanId && kind === 'handover-failed')
    if (found === undefined || !share.unseen || !inMesh || call.failed) return []
    return [{ ...causeAt('handover_failed', one.place, [found.text], 0.1), spanId: hop.spanId }]
  })
}

/** Certificates that were near their end when they were shown. */
function datesOf(judged: readonly Judged[]): string[] {
  const said = new Set<string>()
  for (const { facts, place } of judged) {
    const { notAfterMs, notBeforeMs, shownMs } = facts
    if (notAfterMs === 0 || !endsSoon(notAfterMs, notBeforeMs, shownMs)) continue
    said.add(`the certificate at ${place.service} ends ${new Date(notAfterMs).toISOString()}`)
  }
  return [...said]
}
