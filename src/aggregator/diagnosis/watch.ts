/** Diagnosis in the store thread: takes what segments hold, looks once a second, answers what is usual and what is wrong. */
import type { Names } from '../intake/names.ts'
import type { SegmentView } from '../intake/segment.ts'
import { type Kept, readBaselines, readIncidents, writeBaselines } from './baseline-file.ts'
import { Bursts } from './bursts.ts'
import { ClockWatch } from './clock-watch.ts'
import { isReady } from './deviation.ts'
import { silentEdges } from './gone-quiet.ts'
import { type Incident, Incidents, inOrder } from './incidents.ts'
import { type Aside, Learning, type Seen } from './learning.ts'
import { noisyAmong } from './noisy-client.ts'
import type { Rare } from './phase-scan.ts'
import { Retrospect } from './retrospect.ts'
import { MEASURES, OWN, Signature, TOTAL } from './signature.ts'
import { CALL, type Entry, SERVED, Signatures } from './signatures.ts'
import { certificateKeys, certificatesOf, clockSign, endsSoon, signsOf } from './signs.ts'
import type { Expectation, Expectations } from './slowness.ts'
import { Judge, type Load, look, type Sight } from './suspects.ts'
import { type SpanFacts, TraceWindow } from './trace-window.ts'
import { Warnings } from './warnings.ts'
import { countsOf } from './window.ts'

export interface WatchOptions {
  readonly names: Names
  /** Number of the service that answers at an address. */
  readonly servedBy: (peer: number) => number | undefined
  readonly onIncident: (incident: Incident, change: 'opened' | 'changed' | 'closed') => void
  /** A trace, by the words of its id, that an incident may show. */
  readonly onExample?: (words: Uint32Array) => void
  /** Length of an epoch of learning; 15 s by default. */
  readonly epochMs?: number
  /** Where what is usual is kept over restarts; nowhere by default. */
  readonly folder?: string
}

/** A place without a call for so long is not looked at. */
const QUIET_S = 15
const FORGET_S = 30 * 86_400
/** Places looked at in one go; the rest come with the next. */
const MOST = 3000
/** What has been otherwise for so long is what is usual now. */
const NEW_USUAL_S = 1800
/** What changes slowly is looked at so often. */
const WARN_EVERY_S = 6
const CLOCKS_EVERY_S = 2
const NOTHING: readonly number[] = []

export interface WatchState {
  /** `learning` until something is known well enough to be compared. */
  readonly state: 'learning' | 'watching'
  readonly signatures: number
  readonly ready: number
  /** One of so many traces is looked at. */
  readonly oneOf: number
  readonly incidents: readonly Incident[]
}

export class Watch {
  readonly signatures = new Signatures()
  readonly #options: WatchOptions
  readonly #window = new TraceWindow((peer) => this.servedBy(peer) !== undefined)
  readonly #learning: Learning
  readonly #incidents: Incidents
  readonly #warnings: Warnings
  readonly #clocks = new ClockWatch()
  readonly #bursts = new Bursts()
  readonly #judge: Judge
  /** Requests that came in, all of them. */
  readonly #roots = new Signature()
  readonly #epochS: number
  /** Seconds count from here: they stay small. */
  readonly #originMs: number
  #epochEndS: number
  #from = 0

  constructor(options: WatchOptions, nowMs: number) {
    const { names } = options
    this.#options = options
    this.#originMs = nowMs - 100_000
    this.#epochS = (options.epochMs ?? 15_000) / 1000
    this.#epochEndS = 100 + this.#epochS
    const onRoot = ({ durationUs, failed, weight }: Seen, nowS: number): void => {
      const times = { ownUs: durationUs, totalUs: durationUs, phases: NOTHING }
      this.#roots.add({ ...times, failure: failed ? 1 : 0, visible: failed, weight }, nowS)
    }
    this.#learning = new Learning(names, this.signatures, onRoot, this.#aside())
    const { folder } = options
    if (folder !== undefined) readBaselines(folder, this.#kept())
    for (const entry of this.signatures) note(entry)
    const kept = folder === undefined ? [] : readIncidents(folder)
    const isWarning = ({ severity }: Incident): boolean => severity === 'warning'
    this.#incidents = new Incidents(
      options.onIncident,
      kept.filter((one) => !isWarning(one)),
    )
    this.#warnings = new Warnings(options.onIncident, kept.filter(isWarning))
    this.#judge = new Judge(
      (name) => names.text(name),
      (peer) => this.servedBy(peer),
      {
        noisyClient: (service, nowS) => noisyAmong(this.#callsTo(service), nowS),
        beatOf: (service) => this.#bursts.beatOf(service),
      },
    )
  }

  #aside(): Aside {
    const hostOf = ({ host, service }: SpanFacts): number => host || service
    return {
      onHop: (client, server, nowS) => {
        const [from, to] = [hostOf(client), hostOf(server)]
        if (from === to) return
        this.#clocks.runs(client.service, from)
        this.#clocks.runs(server.service, to)
        const offsetUs = server.startUs + server.durationUs / 2 - client.startUs - client.durationUs / 2
        const uncertaintyUs = Math.abs(client.durationUs - server.durationUs) / 2
        this.#clocks.add(from, to, offsetUs, uncertaintyUs, nowS)
      },
      onRare: (span, rare, at, words, nowS) => this.#rare(span, rare, at, words, nowS),
      onExample: (words) => this.#options.onExample?.(words),
      onSlow: ({ service, startUs, durationUs }, excessUs) =>
        this.#bursts.add(service, (startUs + durationUs) / 1e6, excessUs),
    }
  }

  #rare({ service }: SpanFacts, rare: Rare, at: number, words: Uint32Array, nowS: number): void {
    const nowMs = this.#originMs + nowS * 1000
    const { names } = this.#options
    const isShort = rare.descriptorsLimit > 0 || rare.conntrackLimit > 0 || rare.dropped > 0
    if (!isShort && rare.notAfterMs + rare.upstreamNotAfterMs + rare.clientNotAfterMs === 0) return
    const shown = certificatesOf(names.text(at), rare)
    const ending = shown.filter(({ notAfterMs, notBeforeMs }) => endsSoon(notAfterMs, notBeforeMs, nowMs))
    if (!isShort && ending.length === 0) {
      // Renewed ones.
      if (this.#warnings.size > 0) for (const { by } of shown) this.#warnings.endAll(certificateKeys(by), nowMs)
      return
    }
    const traceId = Buffer.from(Uint32Array.from(words).buffer).toString('hex')
    for (const sign of signsOf(names.text(service), names.text(at), rare, traceId, nowMs)) {
      this.#warnings.see(sign, nowMs)
    }
  }

  *#callsTo(service: number): Generator<Entry> {
    for (const entry of this.signatures) {
      const { kind, callee, other } = entry
      if (kind === CALL && (callee || (this.servedBy(other) ?? other)) === service) yield entry
    }
  }

  /** Number of the service that answers at an address. */
  servedBy(peer: number): number | undefined {
    return this.#learning.addresses.serviceAt(peer) ?? this.#options.servedBy(peer)
  }

  add(view: SegmentView, rows: number, nowMs: number): void {
    this.#window.add(view, rows, this.#seconds(nowMs))
  }

  /** To be called once a second. */
  tick(nowMs: number): void {
    const nowS = this.#seconds(nowMs)
    for (const trace of this.#window.quiet(nowS)) this.#learning.take(trace, nowS)
    const hour = new Date(nowMs).getUTCHours()
    const sights = this.#look(nowS, hour)
    const routes = (service: number): number => this.#routesOf(service, nowS)
    this.#incidents.take(sights.length === 0 ? [] : this.#judge.rank(sights, this.#load(nowS), nowS, routes), nowMs)
    this.#warn(nowS, nowMs)
    if (nowS >= this.#epochEndS) this.#endEpoch(nowS, nowMs, hour)
  }

  #warn(nowS: number, nowMs: number): void {
    this.#warnings.tick(nowMs)
    const text = (name: number): string => this.#options.names.text(name)
    if (Math.floor(nowS) % CLOCKS_EVERY_S !== 0) return
    for (const drift of this.#clocks.drifts(nowS)) this.#warnings.see(clockSign(drift, this.#clocks, text), nowMs)
    if (Math.floor(nowS) % WARN_EVERY_S !== 0) return
    // What stops because of a fault is no news of its own.
    const isCalm = this.#incidents.openForMs(nowMs) < 0
    for (const sign of silentEdges(this.signatures, nowS, text)) {
      if (isCalm || this.#warnings.has(sign.key)) this.#warnings.see(sign, nowMs)
    }
  }

  state(): WatchState {
    let ready = 0
    for (const { signature } of this.signatures) if (isReady(signature)) ready++
    return {
      ...{ state: ready > 0 ? ('watching' as const) : ('learning' as const), signatures: this.signatures.size, ready },
      ...{ oneOf: this.#window.oneOf, incidents: this.#all() },
    }
  }

  /** What is usual, by the names of things. */
  expectations(): Expectations {
    const { names } = this.#options
    return {
      of: (kind, service, other, measure): Expectation | undefined => {
        const [a, b] = [names.find(service), names.find(other)]
        const index = MEASURES.indexOf(measure as (typeof MEASURES)[number])
        if (a === undefined || b === undefined || index < 0) return undefined
        const entry = this.signatures.find(kind === 'service' ? SERVED : CALL, a, b)
        return entry === undefined ? undefined : expectationOf(entry.signature, index)
      },
    }
  }

  /** What 99 % of the requests to a route of a service take in all; undefined where that is not known yet. */
  usualAtMostUs(service: number, route: number): number | undefined {
    const entry = this.signatures.find(SERVED, service, route)
    return entry === undefined || !isReady(entry.signature) ? undefined : entry.signature.usual(TOTAL, 0.99)
  }

  /** For a stretch of time that begins about then: its spans against what is usual now. */
  retrospect(fromMs: number): Retrospect {
    return new Retrospect({
      ...{ names: this.#options.names, signatures: this.signatures, roots: this.#roots },
      ...{ usualUs: this.#roots.usual(TOTAL, 0.5), hour: new Date(fromMs).getUTCHours() },
      servedBy: (peer) => this.servedBy(peer),
    })
  }

  /** Throws where the folder cannot be written. */
  save(): void {
    const { folder } = this.#options
    if (folder !== undefined) writeBaselines(folder, this.#kept(), this.#all())
  }

  #all(): Incident[] {
    return inOrder([...this.#incidents.list(), ...this.#warnings.list()])
  }

  #kept(): Kept {
    return { signatures: this.signatures, roots: this.#roots, originMs: this.#originMs }
  }

  #seconds(nowMs: number): number {
    return (nowMs - this.#originMs) / 1000
  }

  #look(nowS: number, hour: number): Sight[] {
    const sights: Sight[] = []
    let at = 0
    let looked = 0
    for (const entry of this.signatures) {
      if (at++ < this.#from) continue
      if (nowS - entry.signature.lastS > QUIET_S) {
        entry.streak = 0
        continue
      }
      if (++looked > MOST) break
      entry.signature.pace(countsOf(entry.signature, nowS, 6, 0).calls)
      const sight = look(entry, nowS, hour)
      if (sight !== undefined) sights.push(sight)
    }
    this.#from = looked > MOST ? at - 1 : 0
    return sights
  }

  #load(nowS: number): Load {
    const { calls, seconds } = countsOf(this.#roots, nowS, 6, 8)
    const { rate } = this.#roots.learnt
    return { perSecond: calls / seconds, usualPerSecond: rate, usualUs: this.#roots.usual(TOTAL, 0.5) }
  }

  #routesOf(service: number, nowS: number): number {
    let routes = 0
    for (const { kind, service: of, signature } of this.signatures) {
      if (kind === SERVED && of === service && nowS - signature.lastS < 60) routes++
    }
    return routes
  }

  #endEpoch(nowS: number, nowMs: number, hour: number): void {
    const calm = this.#incidents.openForMs(nowMs) < 0 || this.#incidents.openForMs(nowMs) > NEW_USUAL_S * 1000
    for (const entry of this.signatures) {
      if (nowS - entry.signature.lastS < this.#epochS * 3) endEpochOf(entry, this.#epochS, hour, calm)
    }
    this.#roots.endEpoch(calm, this.#epochS, hour)
    this.signatures.forgetBefore(nowS - FORGET_S)
    this.#epochEndS = nowS + this.#epochS
  }
}

function endEpochOf(entry: Entry, seconds: number, hour: number, calm: boolean): void {
  entry.badEpochs = entry.deviated ? entry.badEpochs + 1 : 0
  entry.signature.endEpoch(!entry.deviated || entry.badEpochs * seconds > NEW_USUAL_S, seconds, hour, calm)
  entry.deviated = false
  note(entry)
}

/** Which calls are worth showing. */
function note(entry: Entry): void {
  if (isReady(entry.signature)) entry.notableUs = Math.max(1000, entry.signature.usual(OWN, 0.99))
}

function expectationOf(signature: Signature, measure: number): Expectation | undefined {
  const samples = signature.usualSamples(measure)
  if (measure === OWN || measure === TOTAL ? !isReady(signature) : samples === 0) return undefined
  return {
    medianUs: signature.usual(measure, 0.5),
    p95Us: signature.usual(measure, 0.95),
    samples: Math.round(samples),
  }
}
