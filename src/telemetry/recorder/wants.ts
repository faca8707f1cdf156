/**
 * Which traces are written out, and the records of this process that belong to them: those that the ring still holds,
 * found by one walk for all that came to be wanted meanwhile, and those that come a little later.
 */
import { RateLimit } from '../../core/recorder-protocol.ts'
import type { SharedCounters } from '../counters.ts'
import * as L from '../record-layout.ts'
import { openRing, type RingMemory, type RingReader } from '../ring.ts'

/** How long records of a wanted trace are waited for. */
const WANTED_MS = 15_000
const MAX_WANTS = 512
/** Records of one trace; a trace of more is a loop or a batch. */
const MAX_RECORDS = 200
/** A walk takes about a millisecond: this far apart they cost one hundredth of a core at most. */
const WALK_EVERY_MS = 100
/** Of a copy: the largest record fits. */
const COPY_BYTES = 256 * 1024
/** Where the data region of a ring begins. */
const COPY_AT = 16

/** Why a trace is written out. */
export type Reason = 'failed' | 'slow' | 'asked'

export interface Want {
  readonly traceId: string
  readonly reason: Reason
  readonly untilMs: number
  /** Span ids of what was given. */
  readonly given: Set<string>
  searched: boolean
}

export interface WantsOptions {
  readonly memory: RingMemory
  readonly reader: RingReader
  readonly counters: SharedCounters
  readonly tracesPerSecond: number
  /** A record of a wanted trace, each once, as a copy that stands until the next one. */
  readonly onRecord: (copy: RingMemory, at: number, want: Want) => void
  /** A trace of which something failed or was slow here. `sampled`: others exported theirs already. */
  readonly onTrigger: (traceId: string, sampled: boolean) => void
}

export class Wants {
  readonly #options: WantsOptions
  readonly #byTrace = new Map<string, Want>()
  /** Last four hex characters of the trace ids, as they lie in memory: lets nearly all records pass without a string. */
  readonly #marks = new Map<number, number>()
  readonly #failed: RateLimit
  /** Less: long answers are slow ones too, and must not use up what failures need. */
  readonly #slow: RateLimit
  readonly #asked: RateLimit
  #copy: RingMemory | undefined
  #walk: NodeJS.Timeout | undefined
  #walkedMs = -WALK_EVERY_MS

  constructor(options: WantsOptions) {
    this.#options = options
    this.#failed = new RateLimit(options.tracesPerSecond, performance.now())
    this.#slow = new RateLimit(options.tracesPerSecond / 2, performance.now())
    this.#asked = new RateLimit(options.tracesPerSecond, performance.now())
  }

  /** The EXCHANGE record that is being read. Gives why it is wanted, undefined where it is not. */
  seen(at: number, words: number): Want | undefined {
    const { memory, reader } = this.#options
    const flags = memory.int32[at * 2 + L.H_FLAGS]!
    if ((flags & L.F_TRACE) === 0) return undefined
    if ((flags & L.F_TRIGGER) !== 0) this.#trigger(at)
    if (this.#byTrace.size === 0) return undefined
    const want = this.#wantOf(at)
    if (want !== undefined) this.#give(at, words, reader.position, want)
    return want
  }

  /** Another proxy asks for them. */
  wanted(traceIds: readonly string[]): void {
    for (const traceId of traceIds) {
      if (this.#byTrace.has(traceId)) continue
      this.#options.counters.add('recorderWanted', 1)
      this.#want(traceId, 'asked', this.#asked)
    }
  }

  close(): void {
    clearTimeout(this.#walk)
  }

  #trigger(at: number): void {
    const traceId = this.#traceId(at)
    if (this.#byTrace.has(traceId)) return
    const { int32 } = this.#options.memory
    const failed = (int32[at * 2 + L.H_ERROR]! & 0xff) !== 0 || (int32[at * 2 + L.H_STATUS]! & 0xffff) >= 500
    const rpc = int32[at * 2 + L.H_TRACE_FLAGS]! >>> L.RPC_SHIFT
    const reason = failed || rpc > L.RPC_STATUS ? 'failed' : 'slow'
    if (!this.#want(traceId, reason, reason === 'failed' ? this.#failed : this.#slow)) return
    this.#options.counters.add('recorderTraces', 1)
    this.#options.onTrigger(traceId, (int32[at * 2 + L.H_TRACE_FLAGS]! & 1) !== 0)
  }

  #want(traceId: string, reason: Reason, limit: RateLimit): boolean {
    const nowMs = performance.now()
    this.#forget(nowMs)
    if (this.#byTrace.size >= MAX_WANTS || !limit.take(nowMs)) {
      this.#options.counters.add('recorderSpared', 1)
      return false
    }
    const want = { traceId, reason, untilMs: nowMs + WANTED_MS, given: new Set<string>(), searched: false }
    this.#byTrace.set(traceId, want)
    const mark = markOf(traceId)
    this.#marks.set(mark, (this.#marks.get(mark) ?? 0) + 1)
    this.#walk ??= setTimeout(() => this.#walkBack(), Math.max(0, this.#walkedMs + WALK_EVERY_MS - nowMs))
    return true
  }

  #forget(nowMs: number): void {
    for (const [traceId, { untilMs }] of this.#byTrace) {
      if (untilMs > nowMs) return
      this.#byTrace.delete(traceId)
      const mark = markOf(traceId)
      const left = this.#marks.get(mark)! - 1
      if (left === 0) this.#marks.delete(mark)
      else this.#marks.set(mark, left)
    }
  }

  #walkBack(): void {
    this.#walk = undefined
    this.#walkedMs = performance.now()
    const { memory, reader } = this.#options
    reader.walkBack((at, words, kind, position) => {
      if (kind !== L.EXCHANGE || (memory.int32[at * 2 + L.H_FLAGS]! & L.F_TRACE) === 0) return true
      const want = this.#wantOf(at)
      if (want !== undefined && !want.searched) this.#give(at, words, position, want)
      return true
    })
    for (const want of this.#byTrace.values()) want.searched = true
  }

  #wantOf(at: number): Want | undefined {
    const { int32 } = this.#options.memory
    if (!this.#marks.has(int32[(at + L.W_STRINGS) * 2 + 7]!)) return undefined
    return this.#byTrace.get(this.#traceId(at))
  }

  #traceId(at: number): string {
    const start = (at + L.W_STRINGS) * 8
    return this.#options.memory.bytes.toString('latin1', start, start + 32)
  }

  #give(at: number, words: number, position: number, want: Want): void {
    const { memory, reader, counters } = this.#options
    const start = (at + L.W_STRINGS) * 8
    const spanId = memory.bytes.toString('latin1', start + 32, start + 48)
    if (want.given.has(spanId) || want.given.size >= MAX_RECORDS) return
    this.#copy ??= openRing(COPY_BYTES)
    this.#copy.bytes.set(memory.bytes.subarray(at * 8, (at + words) * 8), COPY_AT * 8)
    // It may have been overwritten while it was copied.
    if (!reader.isIntact(position)) {
      counters.add('recorderFaults', 1)
      return
    }
    want.given.add(spanId)
    this.#options.onRecord(this.#copy, COPY_AT, want)
  }
}
/** The mark of a trace id. */
const markOf = (traceId: string): number => Buffer.from(traceId.slice(-4), 'latin1').readInt32LE(0)
