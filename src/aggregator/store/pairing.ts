/**
 * Both ends of a hop between services, found as spans come: a server span and the span that called it. Spans of late are
 * kept in a ring of plain columns; whichever end comes later makes the pair.
 */
import { type SegmentView, TRY } from '../intake/segment.ts'

export const CLIENT = 3
export const SERVER = 2
const PRODUCER = 4
const CONSUMER = 5

/** What is known of a hop; durations in microseconds, -1 where that end was not seen. */
export interface Edge {
  relation: 0 | 1 | 2
  client: number
  server: number
  clientHost: number
  serverHost: number
  route: number
  clientUs: number
  serverUs: number
  /** Clock of the server less clock of the client, by the middles of both spans. */
  offsetUs: number
  failed: boolean
  /** How many calls it stands for. */
  weight: number
  traceLow: number
  traceHigh: number
  traceLow2: number
  traceHigh2: number
  startLow: number
  startHigh: number
}

export interface PairingOptions {
  /** Spans remembered; a power of two. */
  readonly capacity?: number
  /** How long a caller's span waits for the other end before it counts as seen from one side. */
  readonly waitMs?: number
  readonly onEdge: (edge: Edge) => void
}

export interface PairingCounters {
  /** Calls whose other end did not come. */
  unpaired: number
  /** Spans pushed out before their time. */
  dropped: number
}

const WAITING_MAX = 16_384
/** Addresses of which it is known which service answers there. */
const MAX_PEERS = 16_384

interface Waiting {
  readonly slot: number
  readonly generation: number
  readonly sinceMs: number
}

export class Pairing {
  readonly counters: PairingCounters = { unpaired: 0, dropped: 0 }
  readonly #capacity: number
  readonly #waitMs: number
  readonly #onEdge: (edge: Edge) => void
  /** Ring of spans. Ids: span, span, parent, parent, trace × 4. */
  readonly #ids: Uint32Array
  readonly #start: Uint32Array
  readonly #facts: Uint32Array
  readonly #duration: Float64Array
  readonly #weight: Float32Array
  readonly #seenMs: Float64Array
  readonly #state: Uint8Array
  readonly #heads: Int32Array
  readonly #next: Int32Array
  #added = 0
  #swept = 0
  #waiting: Waiting[] = []
  readonly #servedBy = new Map<number, number>()

  constructor({ capacity = 131_072, waitMs = 15_000, onEdge }: PairingOptions) {
    this.#capacity = capacity
    this.#waitMs = waitMs
    this.#onEdge = onEdge
    this.#ids = new Uint32Array(capacity * 8)
    this.#start = new Uint32Array(capacity * 2)
    this.#facts = new Uint32Array(capacity * 4)
    this.#duration = new Float64Array(capacity)
    this.#weight = new Float32Array(capacity)
    this.#seenMs = new Float64Array(capacity)
    this.#state = new Uint8Array(capacity)
    this.#heads = new Int32Array(capacity).fill(-1)
    this.#next = new Int32Array(capacity)
  }

  /** Take the spans of a segment. */
  add(view: SegmentView, rows: number, nowMs: number): void {
    const from = this.#added
    for (let row = 0; row < rows; row++) if (view.duplicate[row] === 0) this.#keep(view, row, nowMs)
    // Older than the ring holds: pushed out already.
    for (let at = Math.max(from, this.#added - this.#capacity); at < this.#added; at++) this.#findCaller(at, nowMs)
    this.#retry(nowMs)
    this.#sweep(nowMs)
  }

  /** The service that was seen to answer calls to an address, both as names' numbers. */
  servedBy(peer: number): number | undefined {
    return this.#servedBy.get(peer)
  }

  #keep(view: SegmentView, row: number, nowMs: number): void {
    const at = this.#added++
    const slot = at & (this.#capacity - 1)
    if (at >= this.#capacity) this.#forget(slot, at - this.#capacity)
    const ids = this.#ids
    const to = slot * 8
    ids[to] = view.span[row * 2]!
    ids[to + 1] = view.span[row * 2 + 1]!
    ids[to + 2] = view.parent[row * 2]!
    ids[to + 3] = view.parent[row * 2 + 1]!
    for (let i = 0; i < 4; i++) ids[to + 4 + i] = view.trace[row * 4 + i]!
    this.#start[slot * 2] = view.start[row * 2]!
    this.#start[slot * 2 + 1] = view.start[row * 2 + 1]!
    const facts = slot * 4
    this.#facts[facts] = view.service[row]!
    this.#facts[facts + 1] = view.host[row]!
    this.#facts[facts + 2] = view.route[row]!
    this.#facts[facts + 3] = view.peer[row]!
    this.#duration[slot] = view.duration[row]!
    this.#weight[slot] = view.weight[row]!
    this.#seenMs[slot] = nowMs
    const isTry = view.direction[row] === TRY
    this.#state[slot] = (view.kind[row]! & 7) | (view.status[row] === 2 ? FAILED : 0) | (isTry ? IS_TRY : 0)
    const bucket = this.#bucket(ids[to]!, ids[to + 1]!)
    this.#next[slot] = this.#heads[bucket]!
    this.#heads[bucket] = slot
  }

  /** Takes the span at `slot` out of its chain. */
  #forget(slot: number, at: number): void {
    if (at >= this.#swept) {
      this.counters.dropped++
      this.#swept = at + 1
    }
    const bucket = this.#bucket(this.#ids[slot * 8]!, this.#ids[slot * 8 + 1]!)
    let before = -1
    for (let i = this.#heads[bucket]!; i !== -1; before = i, i = this.#next[i]!) {
      if (i !== slot) continue
      if (before === -1) this.#heads[bucket] = this.#next[slot]!
      else this.#next[before] = this.#next[slot]!
      return
    }
  }

  #findCaller(at: number, nowMs: number): void {
    const slot = at & (this.#capacity - 1)
    const kind = this.#state[slot]! & 7
    if (kind !== SERVER && kind !== CONSUMER) return
    const ids = this.#ids
    if (ids[slot * 8 + 2] === 0 && ids[slot * 8 + 3] === 0) {
      this.#emit(-1, slot)
      return
    }
    const caller = this.#callerOf(slot)
    if (caller >= 0) this.#pair(caller, slot)
    else if (this.#waiting.length < WAITING_MAX) this.#waiting.push({ slot, generation: at, sinceMs: nowMs })
    else this.counters.dropped++
  }

  /** The slot of the span that called the one at `slot`, -1 where it is not here. A try is of the span above it. */
  #callerOf(slot: number): number {
    const parent = this.#find(slot)
    return parent >= 0 && (this.#state[parent]! & IS_TRY) !== 0 ? this.#find(parent) : parent
  }

  /** The slot of the span that the one at `slot` names as its parent, -1 where it is not here. */
  #find(slot: number): number {
    const ids = this.#ids
    const own = slot * 8
    const [low, high] = [ids[own + 2]!, ids[own + 3]!]
    for (let i = this.#heads[this.#bucket(low, high)]!; i !== -1; i = this.#next[i]!) {
      const it = i * 8
      if (
        ids[it] === low &&
        ids[it + 1] === high &&
        ids[it + 4] === ids[own + 4] &&
        ids[it + 5] === ids[own + 5] &&
        ids[it + 6] === ids[own + 6] &&
        ids[it + 7] === ids[own + 7]
      )
        return i
    }
    return -1
  }

  #pair(caller: number, slot: number): void {
    this.#state[caller]! |= PAIRED
    const kind = this.#state[caller]! & 7
    // A server span under one of the same service is the same hop seen again by another tracer.
    const isCall = kind === CLIENT || kind === PRODUCER || this.#facts[caller * 4] !== this.#facts[slot * 4]
    if (!isCall) return
    const peer = this.#facts[caller * 4 + 3]!
    // A span that says itself to have been called elsewhere is of one further on: who was called here sends none.
    const called = this.#facts[slot * 4 + 3]!
    const isCallee = called === 0 || called === peer
    if (isCallee && peer !== 0 && (this.#servedBy.size < MAX_PEERS || this.#servedBy.has(peer))) {
      this.#servedBy.set(peer, this.#facts[slot * 4]!)
    }
    this.#emit(caller, slot)
  }

  /** Server spans whose caller had not come yet. */
  #retry(nowMs: number): void {
    const still: Waiting[] = []
    for (const one of this.#waiting) {
      // Its place in the ring was taken by another.
      if (one.generation < this.#added - this.#capacity) {
        this.counters.unpaired++
        continue
      }
      const caller = this.#callerOf(one.slot)
      if (caller >= 0) this.#pair(caller, one.slot)
      else if (nowMs - one.sinceMs < this.#waitMs) still.push(one)
      else this.counters.unpaired++
    }
    this.#waiting = still
  }

  /** Calls that waited long enough: nobody is going to tell of the other end. */
  #sweep(nowMs: number): void {
    while (this.#swept < this.#added) {
      const slot = this.#swept & (this.#capacity - 1)
      if (nowMs - this.#seenMs[slot]! < this.#waitMs) return
      this.#swept++
      const state = this.#state[slot]!
      if ((state & 7) !== CLIENT || (state & PAIRED) !== 0) continue
      this.counters.unpaired++
      if (this.#facts[slot * 4 + 3] !== 0) this.#emit(slot, -1)
    }
  }

  #emit(caller: number, callee: number): void {
    const facts = this.#facts
    const one = callee >= 0 ? callee : caller
    const both = caller >= 0 && callee >= 0
    this.#onEdge({
      relation: both ? 0 : callee >= 0 ? 1 : 2,
      client: caller >= 0 ? facts[caller * 4]! : 0,
      server: callee >= 0 ? facts[callee * 4]! : facts[caller * 4 + 3]!,
      clientHost: caller >= 0 ? facts[caller * 4 + 1]! : 0,
      serverHost: callee >= 0 ? facts[callee * 4 + 1]! : 0,
      route: facts[one * 4 + 2]!,
      clientUs: caller >= 0 ? this.#duration[caller]! : -1,
      serverUs: callee >= 0 ? this.#duration[callee]! : -1,
      offsetUs: both ? this.#offset(caller, callee) : 0,
      failed: (this.#state[one]! & FAILED) !== 0 || (both && (this.#state[caller]! & FAILED) !== 0),
      weight: this.#weightOf(caller, callee),
      traceLow: this.#ids[one * 8 + 4]!,
      traceHigh: this.#ids[one * 8 + 5]!,
      traceLow2: this.#ids[one * 8 + 6]!,
      traceHigh2: this.#ids[one * 8 + 7]!,
      startLow: this.#start[one * 2]!,
      startHigh: this.#start[one * 2 + 1]!,
    })
  }

  /** That of the end that failed, since those are sent in any case; else of the callee, or of whoever is there. */
  #weightOf(caller: number, callee: number): number {
    if (callee < 0) return this.#weight[caller]!
    const calleeFailed = (this.#state[callee]! & FAILED) !== 0
    const byCaller = !calleeFailed && caller >= 0 && (this.#state[caller]! & FAILED) !== 0
    return this.#weight[byCaller ? caller : callee]!
  }

  #offset(caller: number, callee: number): number {
    const start = this.#start
    const high = start[callee * 2 + 1]! - start[caller * 2 + 1]!
    const begun = (high * 0x100000000 + (start[callee * 2]! - start[caller * 2]!)) / 1000
    return begun + (this.#duration[callee]! - this.#duration[caller]!) / 2
  }

  #bucket(low: number, high: number): number {
    const hash = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b)
    return (hash ^ (hash >>> 15)) & (this.#capacity - 1)
  }
}

const FAILED = 8
const PAIRED = 16
const IS_TRY = 32
