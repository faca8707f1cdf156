/** Seconds of hand-made spans through a watch, in moments: hops as proxies tell of them, with any attributes. */
import type { Incident } from '../../src/aggregator/diagnosis/incidents.ts'
import { Watch } from '../../src/aggregator/diagnosis/watch.ts'
import { Names } from '../../src/aggregator/intake/names.ts'
import { allocateSegment, SegmentView } from '../../src/aggregator/intake/segment.ts'
import { keyValue } from '../../src/telemetry/otlp-rare.ts'

export const START_MS = 1_790_000_000_000
const [SERVER, CLIENT] = [2, 3]

export interface MadeHop {
  readonly service: string
  readonly host?: string
  /** It calls that address; else it serves. */
  readonly calls?: string
  readonly route?: string
  /** Milliseconds from the start of the trace. */
  readonly atMs?: number
  readonly ms: number
  /** Instead of `atMs`: when it ends, milliseconds since the epoch. */
  readonly endMs?: number
  readonly http?: number
  readonly error?: string
  readonly attributes?: Readonly<Record<string, string | number>>
}

/** One call: `web` serves, calls `shop`, which serves; each part may be changed or left out. */
export interface MadeCall {
  readonly from?: string
  readonly to?: string
  readonly route?: string
  /** Of the one called, and of the whole way there and back. */
  readonly ms?: number
  readonly wayMs?: number
  readonly caller?: Partial<MadeHop>
  readonly callee?: Partial<MadeHop> | 'unseen'
  /** The caller did not call. */
  readonly alone?: boolean
}

export class MadeStream {
  readonly watch: Watch
  readonly names = new Names()
  readonly changes: string[] = []
  readonly #view = new SegmentView(allocateSegment())
  nowMs = START_MS
  #rows = 0
  #bytes = 0
  #ids = 1

  constructor(epochMs = 15_000) {
    const onIncident = ({ summary }: Incident, change: string): void => void this.changes.push(`${change} ${summary}`)
    this.watch = new Watch({ names: this.names, servedBy: () => undefined, onIncident, epochMs }, START_MS)
  }

  get incidents(): readonly Incident[] {
    return this.watch.state().incidents
  }

  /** `each` second of so many. */
  pass(seconds: number, each: (second: number) => void): void {
    for (let s = 0; s < seconds; s++) {
      this.#rows = this.#bytes = 0
      each(s)
      this.nowMs += 1000
      this.watch.add(this.#view, this.#rows, this.nowMs)
      this.watch.tick(this.nowMs)
    }
  }

  call({ from = 'web', to = 'shop', route = '/buy', ms = 8, wayMs = 1, caller, callee, alone }: MadeCall): void {
    const address = `${to}.mesh`
    const served = { service: from, route, ms: ms + wayMs + 2 }
    const calling = { service: from, calls: address, route, atMs: 1, ms: ms + wayMs, ...caller }
    const answering = { service: to, route, atMs: 1 + wayMs / 2, ms, ...(callee !== 'unseen' && callee) }
    if (alone === true) this.trace([{ ...served, ms: 2 }])
    else if (callee === 'unseen') this.trace([{ ...served, ms: calling.ms + 2 }, calling])
    else this.trace([{ ...served, ms: calling.ms + 2 }, calling, answering])
  }

  /** Each hop is below the one before. */
  trace(hops: readonly MadeHop[]): void {
    const words = Uint32Array.from({ length: 4 }, (_, i) => Math.imul(this.#ids * 4 + i + 1, 0x9e3779b1) >>> 0)
    const startMs = this.nowMs + Math.random() * 900
    let parent = 0
    for (const hop of hops) parent = this.#write(hop, words, parent, startMs)
  }

  #write(hop: MadeHop, words: Uint32Array, parent: number, startMs: number): number {
    const { service, host = '', calls = '', route = '/', atMs = 0, ms, http = 200, error = '', attributes = {} } = hop
    const [view, names, row, id] = [this.#view, this.names, this.#rows++, this.#ids++]
    const kind = calls === '' ? SERVER : CLIENT
    const name = (text: string): number => (text === '' ? 0 : names.add(text))
    view.trace.set(words, row * 4)
    view.span.set([id, 1], row * 2)
    view.parent.set([parent, parent === 0 ? 0 : 1], row * 2)
    const ns = (hop.endMs === undefined ? startMs + atMs : hop.endMs - ms) * 1e6
    view.start.set([ns % 4294967296, ns / 4294967296], row * 2)
    view.duration[row] = ms * 1000
    view.service[row] = name(service)
    view.host[row] = name(host)
    view.route[row] = view.name[row] = name(route)
    view.peer[row] = name(calls === '' ? `${service}.mesh` : calls)
    view.error[row] = name(error)
    view.http[row] = http
    view.kind[row] = kind
    view.status[row] = error !== '' || http >= (kind === CLIENT ? 400 : 500) ? 2 : 0
    view.direction[row] = kind === CLIENT ? 2 : 1
    view.weight[row] = 1
    view.duplicate[row] = 0
    view.spanAt[row] = this.#bytes
    for (const [key, value] of Object.entries(attributes)) {
      const message = keyValue(key, value).finish()
      view.raw.set([0x4a, message.length, ...message], this.#bytes)
      this.#bytes += message.length + 2
    }
    view.spanEnd[row] = this.#bytes
    return id
  }
}
