/** Quiet traces → signatures: each hop's own time, and each failure where it began. */
import { DIAGNOSES, type DiagnosisName } from '../../core/diagnoses.ts'
import type { Names } from '../intake/names.ts'
import { Addresses } from './addresses.ts'
import { attribute, type Call, isOther, type Share } from './attribution.ts'
import { nameFailure, TIMEOUTS } from './naming.ts'
import type { Rare } from './phase-scan.ts'
import { OWN } from './signature.ts'
import { CALL, type Entry, SERVED, type Signatures } from './signatures.ts'
import type { QuietTrace, SpanFacts } from './trace-window.ts'

const CLIENT = 3
const PRODUCER = 4
const CONSUMER = 5
/** Numbers of diagnoses, from 1. */
export const DIAGNOSIS_NAMES = Object.keys(DIAGNOSES) as DiagnosisName[]
const NUMBER = new Map(DIAGNOSIS_NAMES.map((name, i) => [name, i + 1]))
const MAX_CACHED = 4096
const NO_PHASES: readonly number[] = []

/** What first callers saw: one number for all. */
export interface Seen {
  readonly durationUs: number
  readonly failed: boolean
  /** How many it stands for. */
  readonly weight: number
}

/** What a look at whole traces gives beside samples. */
export interface Aside {
  /** A hop from one host to another; hosts without a name are their services. */
  onHop(client: SpanFacts, server: SpanFacts, nowS: number): void
  /** A span says something that few say. `at`: of whom, a service, or the address called. */
  onRare(span: SpanFacts, rare: Rare, at: number, words: Uint32Array, nowS: number): void
  /** It took so much longer by itself than most do. */
  onSlow(span: SpanFacts, excessUs: number): void
  /** It shows what is wrong at a place that deviates. */
  onExample(words: Uint32Array): void
}

export class Learning {
  readonly #aside: Aside | undefined
  readonly #names: Names
  readonly #signatures: Signatures
  readonly #onRoot: (seen: Seen, nowS: number) => void
  readonly #named = new Map<number, number>()
  /** Names' numbers of addresses, and of services that answer there. */
  readonly addresses = new Addresses<number>(0)

  constructor(names: Names, signatures: Signatures, onRoot: (seen: Seen, nowS: number) => void, aside?: Aside) {
    this.#aside = aside
    this.#names = names
    this.#signatures = signatures
    this.#onRoot = onRoot
  }

  take({ spans, words }: QuietTrace, nowS: number): void {
    const ordered = parentsFirst(spans)
    const calls = ordered.map(({ span, parent }) => {
      const call = this.#callOf(span, parent)
      return span.isTry === true && parent >= 0 ? { ...call, isTry: true, peer: ordered[parent]!.span.peer } : call
    })
    const shares = attribute(calls, (call, below) => isOther(call, below) && this.#answers(call, below))
    const failures = this.#failures(ordered, calls, shares)
    const callees = new Map<number, number>()
    const failedWeight = weightOfFailure(ordered, calls)
    const large = new Set<number>()
    for (let i = 0; i < ordered.length; i++) {
      const { span, parent } = ordered[i]!
      if (span.bytes >= LARGE_BYTES) large.add(i)
      const caller = calls[parent]
      if (caller === undefined || caller.service === span.service) continue
      if (caller.isCall) this.addresses.learn(caller.peer as number, span.peer, span.service)
      if (!this.#answers(caller, calls[i]!)) continue
      callees.set(parent, span.service)
      if (span.bytes >= LARGE_BYTES) large.add(parent)
      if (span.rare !== undefined) shiftPause(shares, parent, i, span.rare)
      if (!span.counted && caller.isCall) this.#aside?.onHop(ordered[parent]!.span, span, nowS)
    }
    for (let i = 0; i < ordered.length; i++) {
      const { span, parent } = ordered[i]!
      if (span.counted) {
        if (span.failure === 0 || failures[i] !== 0) continue
        // Something beneath it that came late explains it.
        const place = this.#placeOf(ordered, i, calls, callees.get(i) ?? 0)
        place?.signature.retract(span.failure, nowS)
        if (place !== undefined) place.explained++
        span.failure = 0
        continue
      }
      span.counted = true
      const own = span.weight ?? 1
      if (parent < 0 && own > 0)
        this.#onRoot({ durationUs: span.durationUs, failed: calls[i]!.failed, weight: own }, nowS)
      const entry = this.#placeOf(ordered, i, calls, callees.get(i) ?? 0)
      if (entry === undefined) continue
      // Swallowed on the way: the other side is known to send spans, and this call has none.
      const caller = calls[i]!.isCall ? ordered[parent]?.span : undefined
      if (caller !== undefined && caller.service === span.service && !calls[parent]!.isCall) entry.via = caller.route
      const share = shares[i]!
      const gap = share.unseen && entry.callee !== 0
      const failure = gap ? (UNSEEN_AS.get(failures[i]!) ?? failures[i]!) : failures[i]!
      span.failure = failure
      // What failed is there in any case, wherever it is found to have begun; what did not, as often as it was sampled.
      const weight = failure !== 0 ? failedWeight : own
      if (weight === 0) continue
      const { rare } = span
      const unseen = gap && !calls[i]!.failed && !calls[i]!.abandoned
      const sample = {
        // How much of it its callee took is not known: it says nothing of the way.
        ownUs: unseen ? entry.signature.usual(OWN, 0.5) || share.ownUs : share.ownUs,
        totalUs: span.durationUs,
        phases: span.ours ? span.phases : NO_PHASES,
        failure,
        visible: failure !== 0 && !share.hidden,
        resent: span.resent,
        large: large.has(i),
        stalled: STALLS.has(failure) || share.ownUs > STALLED_US,
        unseen,
        weight,
      }
      const slow = sample.ownUs > entry.notableUs
      if (failure !== 0) entry.failures++
      if (failure !== 0 || slow) {
        entry.signature.addExample(words)
        if (entry.deviated) this.#aside?.onExample(words)
      }
      if (slow && !calls[i]!.isCall) this.#aside?.onSlow(span, sample.ownUs - entry.notableUs)
      if (rare !== undefined)
        this.#aside?.onRare(span, rare, calls[i]!.isCall ? entry.callee || entry.other : span.service, words, nowS)
      entry.signature.add(sample, nowS)
    }
  }

  #callOf(span: SpanFacts, parent: number): Call {
    const { kind, http, failed, ours } = span
    const isCall = kind === CLIENT || kind === PRODUCER
    // Other tracers set no status now and then.
    const bad = failed || (!ours && (http >= 500 || (isCall && http >= 400)))
    const name = bad ? DIAGNOSIS_NAMES[this.#nameOf(span, false) - 1]! : undefined
    return {
      // Who sent a message does not wait for what becomes of it.
      parent: kind === CONSUMER ? -1 : parent,
      isCall,
      service: span.service,
      peer: span.peer,
      route: span.route,
      ours,
      startUs: span.startUs,
      durationUs: span.durationUs,
      failed: bad,
      timedOut: name !== undefined && TIMEOUTS.has(name),
      abandoned: span.error !== 0 && this.#nameOf(span, false) === GONE,
    }
  }

  #answers(call: Call, below: Call): boolean {
    const [called, served, service] = [call.peer, below.peer, below.service] as [number, number, number]
    return this.addresses.isOtherSide(called, served, service, call.ours && below.ours)
  }

  /** Number of the failure of each; a timeout counts where it waited. */
  #failures(ordered: readonly Placed[], calls: readonly Call[], shares: Share[]): number[] {
    const failures = new Array<number>(ordered.length).fill(0)
    for (let i = 0; i < ordered.length; i++) {
      const { origin, waitedFor, unseen } = shares[i]!
      if (!origin) continue
      const { span } = ordered[i]!
      const at = waitedFor >= 0 && !ordered[waitedFor]!.span.counted ? waitedFor : i
      failures[at] = at === i && waitedFor < 0 ? this.#nameOf(span, unseen && calls[i]!.isCall) : TIMEOUT
      if (at !== i) shares[at]!.hidden = shares[i]!.hidden
    }
    return failures
  }

  #nameOf({ error, http, rare }: SpanFacts, unseen: boolean): number {
    if (rare?.exhausted === true) return EXHAUSTED
    const key = (error * 1024 + (http & 1023)) * 2 + Number(unseen)
    const known = this.#named.get(key)
    if (known !== undefined) return known
    const text = this.#names.text(error)
    const number = NUMBER.get(nameFailure({ error: text, http, rpc: text, unseen }))!
    if (this.#named.size >= MAX_CACHED) this.#named.clear()
    this.#named.set(key, number)
    return number
  }

  #placeOf(ordered: readonly Placed[], i: number, calls: readonly Call[], callee: number): Entry | undefined {
    let at = i
    // Tries of an exchange, and what names no peer, are of the hop that made them.
    const isPart = (): boolean => {
      const { peer, isTry } = ordered[at]!.span
      return isTry === true || (calls[at]!.isCall && peer === 0 && callee === 0)
    }
    while (ordered[at]!.parent >= 0 && isPart()) at = ordered[at]!.parent
    const { service, peer, route } = ordered[at]!.span
    if (!calls[at]!.isCall) return this.#signatures.at(SERVED, service, route)
    const entry = this.#signatures.at(CALL, service, peer === 0 ? callee : peer)
    if (entry !== undefined && callee !== 0) entry.callee = callee
    return entry
  }
}

/** Of a failure in a trace: the least of the spans that failed, which are sent whether the trace is sampled or not. */
function weightOfFailure(ordered: readonly Placed[], calls: readonly Call[]): number {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < ordered.length; i++) {
    const { weight = 1 } = ordered[i]!.span
    if (calls[i]!.failed && weight > 0 && weight < least) least = weight
  }
  return least === Number.POSITIVE_INFINITY ? 1 : least
}

const GONE = NUMBER.get('client_gone')!
const TIMEOUT = NUMBER.get('upstream_timeout')!
const SWALLOWED = NUMBER.get('blackhole')!
const EXHAUSTED = NUMBER.get('descriptors_short')!
/** A call that fails so, and of which a callee that is known to send spans sent none. */
const UNSEEN_AS: ReadonlyMap<number, number> = new Map([
  [TIMEOUT, SWALLOWED],
  [NUMBER.get('dependency_failing')!, NUMBER.get('handover_failed')!],
])
const STALLS: ReadonlySet<number> = new Set([
  TIMEOUT,
  SWALLOWED,
  NUMBER.get('deadline_exceeded')!,
  NUMBER.get('connection_reset')!,
])
const STALLED_US = 1_000_000
/** More than what a packet of any usual network holds with a head before it. */
const LARGE_BYTES = 1300

/** The callee's proxy stood still when the call came: not the way, but that proxy held it up. */
function shiftPause(shares: Share[], caller: number, served: number, { pauseBeforeUs }: Rare): void {
  const moved = Math.min(pauseBeforeUs, shares[caller]!.ownUs)
  shares[caller]!.ownUs -= moved
  shares[served]!.ownUs += moved
}

interface Placed {
  readonly span: SpanFacts
  readonly parent: number
}

/** Spans with the index of their parent, parents before children; rings are left out. */
function parentsFirst(spans: readonly SpanFacts[]): Placed[] {
  const byId = new Map(spans.map((span) => [span.id, span]))
  const children = new Map<number, SpanFacts[]>()
  const ordered: Placed[] = []
  for (const span of spans) {
    if (span.parentId === 0 || !byId.has(span.parentId)) ordered.push({ span, parent: -1 })
    else {
      const known = children.get(span.parentId)
      if (known === undefined) children.set(span.parentId, [span])
      else known.push(span)
    }
  }
  // Grows while it is walked.
  for (let i = 0; i < ordered.length; i++) {
    const { id } = ordered[i]!.span
    for (const span of children.get(id) ?? []) ordered.push({ span, parent: i })
    // Several spans with one id are its parent only once: each of them would bring all below it again.
    children.delete(id)
  }
  return ordered
}
