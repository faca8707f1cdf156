/** Quiet traces → signatures: each hop's own time, and each failure where it began. */
import { DIAGNOSES, type DiagnosisName } from '../../core/diagnoses.ts'
import type { Names } from '../intake/names.ts'
import { Addresses } from './addresses.ts'
import { attribute, type Call, isOther, type Share } from './attribution.ts'
import { nameFailure, TIMEOUTS } from './naming.ts'
import { CALL, type Entry, SERVED, type Signatures } from './signatures.ts'
import type { QuietTrace, SpanFacts } from './trace-window.ts'

const CLIENT = 3
const PRODUCER = 4
/** Numbers of diagnoses, from 1. */
export const DIAGNOSIS_NAMES = Object.keys(DIAGNOSES) as DiagnosisName[]
const NUMBER = new Map(DIAGNOSIS_NAMES.map((name, i) => [name, i + 1]))
const MAX_CACHED = 4096
const NO_PHASES: readonly number[] = []

/** What first callers saw: one number for all. */
export interface Seen {
  readonly durationUs: number
  readonly failed: boolean
}

export class Learning {
  readonly #names: Names
  readonly #signatures: Signatures
  readonly #onRoot: (seen: Seen, nowS: number) => void
  readonly #named = new Map<number, number>()
  /** Names' numbers of addresses, and of services that answer there. */
  readonly addresses = new Addresses<number>(0)

  constructor(names: Names, signatures: Signatures, onRoot: (seen: Seen, nowS: number) => void) {
    this.#names = names
    this.#signatures = signatures
    this.#onRoot = onRoot
  }

  take({ spans, words }: QuietTrace, nowS: number): void {
    const ordered = parentsFirst(spans)
    const calls = ordered.map(({ span, parent }) => this.#callOf(span, parent))
    const shares = attribute(calls, (call, below) => isOther(call, below) && this.#answers(call, below))
    const failures = this.#failures(ordered, calls, shares)
    const callees = new Map<number, number>()
    for (let i = 0; i < ordered.length; i++) {
      const { span, parent } = ordered[i]!
      const caller = calls[parent]
      if (caller === undefined || caller.service === span.service) continue
      if (caller.isCall) this.addresses.learn(caller.peer as number, span.peer, span.service)
      if (this.#answers(caller, calls[i]!)) callees.set(parent, span.service)
    }
    for (let i = 0; i < ordered.length; i++) {
      const { span, parent } = ordered[i]!
      if (span.counted) {
        if (span.failure === 0 || failures[i] !== 0) continue
        // Something beneath it that came late explains it.
        this.#placeOf(ordered, i, calls, callees.get(i) ?? 0)?.signature.retract(span.failure, nowS)
        span.failure = 0
        continue
      }
      span.counted = true
      if (parent < 0) this.#onRoot({ durationUs: span.durationUs, failed: calls[i]!.failed }, nowS)
      const entry = this.#placeOf(ordered, i, calls, callees.get(i) ?? 0)
      if (entry === undefined) continue
      // Swallowed on the way: the other side is known to send spans, and this call has none.
      const lost = failures[i] === TIMEOUT && shares[i]!.unseen && entry.callee !== 0
      const failure = lost ? SWALLOWED : failures[i]!
      span.failure = failure
      const share = shares[i]!
      const sample = {
        ownUs: share.ownUs,
        totalUs: span.durationUs,
        phases: span.ours ? span.phases : NO_PHASES,
        failure,
        visible: failure !== 0 && !share.hidden,
        retransmitted: span.retransmitted,
      }
      if (failure !== 0 || sample.ownUs > entry.notableUs) entry.signature.addExample(words)
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
      parent,
      isCall,
      service: span.service,
      peer: span.peer,
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

  #nameOf({ error, http }: SpanFacts, unseen: boolean): number {
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
    // Tries of an exchange name no peer: they are of the hop that made them.
    while (calls[at]!.isCall && ordered[at]!.span.peer === 0 && callee === 0 && ordered[at]!.parent >= 0) {
      at = ordered[at]!.parent
    }
    const { service, peer, route } = ordered[at]!.span
    if (!calls[at]!.isCall) return this.#signatures.at(SERVED, service, route)
    const entry = this.#signatures.at(CALL, service, peer === 0 ? callee : peer)
    if (entry !== undefined && callee !== 0) entry.callee = callee
    return entry
  }
}

const GONE = NUMBER.get('client_gone')!
const TIMEOUT = NUMBER.get('upstream_timeout')!
const SWALLOWED = NUMBER.get('blackhole')!

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
