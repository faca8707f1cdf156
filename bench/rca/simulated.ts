/**
 * The mesh by simulation: spans of so many seconds in a moment, written straight into the columns of a segment. It finds
 * out what rules are worth before real services have to say it; figures that count come from the real range.
 */
import { Names } from '../../src/aggregator/intake/names.ts'
import { allocateSegment, SEGMENT_ROWS, SegmentView } from '../../src/aggregator/intake/segment.ts'
import { ALWAYS_MS, BATCH, BLIP_MS, type Distraction } from './distractions.ts'
import type { Fault } from './faults.ts'
import { ENTRY, ENTRY_ROUTES, EXTERNAL, egressOf, MESHED, type ServiceSpec, specOf } from './mesh.ts'
import { type Phases, writePhases } from './phases.ts'
import type { Random } from './random.ts'

const [SERVER, CLIENT] = [2, 3]
const TIMEOUT_MS = 1000
const EDGE_MS = 0.3

export interface SimulatedOptions {
  readonly random: Random
  /** Services without a sidecar. */
  readonly bare?: ReadonlySet<string>
  readonly perSecond?: number
  /** The service that is always slow; none by default. */
  readonly slow?: string
  /** Length of a day, in which the load swings by a third; no swing by default. */
  readonly dayMs?: number
}

interface Outcome {
  readonly ms: number
  readonly http: number
  /** Code of the proxy where it could not call. */
  readonly error: string
  readonly phases?: Phases
}

export class SimulatedMesh {
  readonly names = new Names()
  readonly view = new SegmentView(allocateSegment())
  rows = 0
  faults: readonly Fault[] = []
  /** What goes on beside, and since when. */
  distraction: { readonly what: Distraction; readonly sinceMs: number } | undefined
  #rawEnd = 0
  readonly #random: Random
  readonly #bare: ReadonlySet<string>
  readonly #perSecond: number
  readonly #slow: string
  readonly #dayMs: number
  #spans = 1

  constructor({ random, bare = new Set(), perSecond = 100, slow = '', dayMs = 0 }: SimulatedOptions) {
    this.#random = random
    this.#bare = new Set([...bare, ...EXTERNAL])
    this.#perSecond = perSecond
    this.#slow = slow
    this.#dayMs = dayMs
  }

  servedBy(peer: number): number | undefined {
    const service = this.names.text(peer).replace(/\.mesh$/, '')
    return this.#bare.has(service) ? undefined : this.names.find(service)
  }

  /** Fill the segment anew with a second of spans. */
  second(nowMs: number): void {
    this.rows = this.#rawEnd = 0
    const swing = this.#dayMs === 0 ? 1 : 1 + Math.sin((nowMs / this.#dayMs) * 2 * Math.PI) / 3
    for (let tenth = 0; tenth < 10; tenth++) {
      const atMs = nowMs + tenth * 100
      for (let n = this.#random.poisson((this.#perSecond * swing) / 10); n > 0; n--) this.#request(atMs)
      if (this.#distracts('batch', nowMs)) this.#batch(atMs)
    }
  }

  /** A job that calls one service by itself. */
  #batch(atMs: number): void {
    const { service, route } = this.distraction!.what
    for (let n = this.#random.poisson(BATCH.perSecond / 10); n > 0; n--) {
      this.#serve(this.#newTrace(), 0, specOf(service), route, atMs)
    }
  }

  #distracts(kind: Distraction['kind'], nowMs: number): boolean {
    const { distraction } = this
    return (
      distraction?.what.kind === kind &&
      nowMs >= distraction.sinceMs &&
      nowMs < distraction.sinceMs + BATCH.seconds * 1000
    )
  }

  /** A new instance starts: it refuses, and is then cold. */
  #isDown(service: string, atMs: number): boolean {
    const { distraction } = this
    if (distraction?.what.kind !== 'deploy' || distraction.what.service !== service) return false
    return atMs >= distraction.sinceMs && atMs < distraction.sinceMs + BLIP_MS
  }

  #newTrace(): Uint32Array {
    return Uint32Array.from({ length: 4 }, () => this.#random.below(4294967296))
  }

  #request(atMs: number): void {
    const route = entryRoute(this.#random.next())
    this.#serve(this.#newTrace(), 0, specOf(ENTRY), route, atMs)
  }

  /** A service takes a call; its spans are written when it is done. */
  #serve(trace: Uint32Array, parent: number, spec: ServiceSpec, route: string, atMs: number): Outcome {
    const random = this.#random
    const seen = !this.#bare.has(spec.name)
    const id = seen ? this.#spans++ : parent
    let ms = random.around(spec.ms, spec.sigma) + this.#ownExtra(spec.name)
    let http = 200
    for (const fault of this.#at(spec.name)) {
      if (fault.kind === 'errors' && random.chance(fault.size)) http = 500
      if (fault.kind === 'route-errors' && fault.route === route && random.chance(fault.size)) http = 500
      if (fault.kind === 'retry-storm' && random.chance(fault.size)) http = 503
    }
    if (http === 200) {
      for (const [callee, at, cached = 0] of spec.routes[route]!) {
        if (cached > 0 && random.chance(cached)) continue
        let answer = this.#call(trace, id, spec.name, callee, at, atMs + ms)
        ms += answer.ms
        // Its callers try three times, without waiting.
        for (let again = 0; again < 3 && answer.http >= 500 && this.#storms(callee); again++) {
          answer = this.#call(trace, id, spec.name, callee, at, atMs + ms)
          ms += answer.ms
        }
        if (answer.http < 400 && answer.error === '') continue
        http = answer.http === 504 ? 504 : 502
        break
      }
    }
    let error = ''
    if (this.#at(spec.name).some(({ kind, size }) => kind === 'resets' && random.chance(size))) {
      error = 'upstream_reset'
      http = 502
    }
    if (seen)
      this.#write({
        trace,
        id,
        parent,
        kind: SERVER,
        service: spec.name,
        route,
        peer: `${spec.name}.mesh`,
        atMs,
        ms,
        http,
        error,
      })
    return { ms, http, error: '' }
  }

  #call(trace: Uint32Array, parent: number, caller: string, callee: string, route: string, atMs: number): Outcome {
    // What leaves the mesh goes through a proxy of its own.
    const seen = !this.#bare.has(caller) || EXTERNAL.includes(callee)
    const id = seen ? this.#spans++ : parent
    const outcome = this.#way(trace, id, caller, callee, route, atMs)
    const peer = `${callee}.mesh`
    const hop = EXTERNAL.includes(callee)
      ? { kind: SERVER, service: egressOf(callee) }
      : { kind: CLIENT, service: caller }
    if (seen) this.#write({ trace, id, parent, ...hop, route, peer, atMs, ...outcome })
    return outcome
  }

  #way(trace: Uint32Array, id: number, caller: string, callee: string, route: string, atMs: number): Outcome {
    const random = this.#random
    let ms = random.around(EDGE_MS, 0.4)
    const seen = !this.#bare.has(callee)
    let phases: Phases = {}
    const down = this.#isDown(callee, atMs) ? [{ kind: 'refused' as const, from: '', size: 1 }] : []
    for (const { kind, from, size } of [...this.#at(callee), ...down]) {
      if (kind === 'cert-expired') return { ms: ms + 2, http: 502, error: 'tls_certificate_expired' }
      if (kind === 'refused') {
        // The callee's sidecar is up, its service is not.
        if (seen)
          this.#write({
            trace,
            id: this.#spans++,
            parent: id,
            kind: SERVER,
            service: callee,
            route,
            peer: `${callee}.mesh`,
            atMs: atMs + ms,
            ms: 0.4,
            http: 502,
            error: 'connection_refused',
          })
        return { ms: ms + 0.4, http: 502, error: seen ? '' : 'connection_refused' }
      }
      if (from !== caller) continue
      if (kind === 'blackhole') return { ms: TIMEOUT_MS, http: 504, error: 'first_byte_timeout' }
      if (kind === 'dns-failing') return { ms: ms + 2, http: 502, error: 'dns_failed' }
      if (kind === 'edge-delay') ms += random.around(size, 0.1)
      // Names are asked for once a second; those that come meanwhile wait too.
      if (kind === 'dns-slow' && random.chance(0.3)) phases = { dns: size }
      if (kind === 'pool') phases = { queue: random.around(100, 0.5) }
      if (kind === 'edge-jitter' && random.chance(0.4)) ms += random.next() * size
      if (kind === 'edge-loss' && random.chance(size)) ms += 200
    }
    for (const wait of Object.values(phases)) ms += wait
    const answer = this.#serve(trace, id, specOf(callee), route, atMs + ms / 2)
    return { ms: ms + answer.ms, http: answer.http, error: '', phases }
  }

  #ownExtra(service: string): number {
    let ms = service === this.#slow ? this.#random.around(ALWAYS_MS, 0.2) : 0
    for (const { kind, size } of this.#at(service)) {
      if (kind === 'app-pool') ms += this.#random.next() * size * 200
      if (kind === 'memory' && this.#random.chance(0.25)) ms += this.#random.next() * size
      if (kind === 'delay' || kind === 'cached-delay') ms += this.#random.around(size, 0.1)
      if (kind === 'cpu-burn') ms += this.#random.around(size, 0.8)
      if (kind === 'jitter' && this.#random.chance(0.4)) ms += this.#random.next() * size
      if (kind === 'pause' && this.#random.chance(0.2)) ms += this.#random.next() * size
    }
    return ms
  }

  #storms(service: string): boolean {
    return this.#at(service).some(({ kind }) => kind === 'retry-storm')
  }

  #at(service: string): readonly Fault[] {
    return this.faults.length === 0 ? this.faults : this.faults.filter((one) => one.service === service)
  }

  #write(of: {
    readonly trace: Uint32Array
    readonly id: number
    readonly parent: number
    readonly kind: number
    readonly service: string
    readonly route: string
    readonly peer: string
    readonly atMs: number
    readonly ms: number
    readonly http: number
    readonly error: string
    readonly phases?: Phases
  }): void {
    const { view, names } = this
    const row = this.rows
    if (row >= SEGMENT_ROWS) return
    this.rows++
    view.trace.set(of.trace, row * 4)
    view.span[row * 2] = of.id
    view.span[row * 2 + 1] = 1
    view.parent[row * 2] = of.parent
    view.parent[row * 2 + 1] = of.parent === 0 ? 0 : 1
    const skewed = this.#at(of.service).find(({ kind }) => kind === 'clock-skew')
    const ns = (of.atMs + (skewed?.size ?? 0)) * 1e6
    view.start[row * 2] = ns % 4294967296
    view.start[row * 2 + 1] = ns / 4294967296
    view.duration[row] = of.ms * 1000
    view.weight[row] = 1
    view.service[row] = names.add(of.service)
    view.route[row] = view.name[row] = names.add(of.route)
    view.peer[row] = of.peer === '' ? 0 : names.add(of.peer)
    view.error[row] = of.error === '' ? 0 : names.add(of.error)
    view.http[row] = of.http
    view.kind[row] = of.kind
    view.status[row] = of.http >= (of.kind === CLIENT ? 400 : 500) || of.error !== '' ? 2 : 0
    view.direction[row] = of.service.endsWith('-egress') ? 3 : of.kind === CLIENT ? 2 : 1
    view.spanAt[row] = this.#rawEnd
    view.spanEnd[row] = this.#rawEnd = writePhases(view.raw, this.#rawEnd, of.phases ?? {})
    view.duplicate[row] = 0
  }
}

function entryRoute(at: number): string {
  let upTo = 0
  for (const [route, share] of ENTRY_ROUTES) {
    upTo += share
    if (at < upTo) return route
  }
  return ENTRY_ROUTES[0]![0]
}

/** Half of the services of the mesh, the entry among those that keep theirs. */
export function halfBare(random: Random): Set<string> {
  const bare = new Set<string>()
  const others = MESHED.filter((name) => name !== ENTRY)
  while (bare.size < Math.floor(MESHED.length / 2)) bare.add(random.pick(others))
  return bare
}
