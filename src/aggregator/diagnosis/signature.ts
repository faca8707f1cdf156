/**
 * What is usual at one place, a route of a service or a call from one service to a peer: how long, how often failed; and
 * what it was in the last seconds. Learnt in epochs that count only when the next one passed without a deviation too, so
 * that a fault does not teach what is usual. All of it is one buffer, under 8 KiB.
 */
import { addTo, mergeInto, quantileIn, SKETCH, totalOf } from './log-histogram.ts'

/** What is measured of each call; the order is that of the file of baselines. */
export const MEASURES = ['own', 'total', 'queue', 'dns', 'connect', 'tls', 'send', 'self'] as const
export const OWN = 0
export const TOTAL = 1
const FIRST_PHASE = 2

/** Samples of the last seconds. */
export const RECENT = 64
/** Seconds of which counts are kept. */
export const SECONDS = 28
const HOURS = 24
/** Powers of two of calls a second, from a quarter. */
const LOADS = 12
/** Names of failures at once. */
export const FAILURES = 4
const EXAMPLES = 3

const N = MEASURES.length
// Numbers of 16 bits: sketches of what is usual, of two epochs, then counts by second.
const WAITING = N * SKETCH
const RUNNING = 2 * N * SKETCH
const SECOND_COUNTS = 3 * N * SKETCH
/** What is counted by second: so many numbers. */
const WIDTH = 8
const WORDS16 = SECOND_COUNTS + SECONDS * WIDTH
// Numbers of 32 bits with a point: samples, medians by hour and by load, shares of failures by both, counts of failures.
const HOUR_AT = RECENT * N
const LOAD_AT = HOUR_AT + HOURS
/** Shares of failures, by hour and by load as medians are. */
const SHARES = HOURS + LOADS
const FAILURE_COUNTS = LOAD_AT + LOADS + SHARES
const FLOATS = FAILURE_COUNTS + FAILURES
// Whole numbers of 32 bits: second of each slot, tenths of seconds of samples, names of failures, ids of traces.
const RECENT_AT = SECONDS
const FAILURE_NAMES = RECENT_AT + RECENT
const EXAMPLES_AT = FAILURE_NAMES + FAILURES
const WORDS32 = EXAMPLES_AT + EXAMPLES * 4

/** Bytes of the buffer of one. */
export const SIGNATURE_BYTES = WORDS16 * 2 + FLOATS * 4 + WORDS32 * 4

/** One call, as it is added. */
export interface Sample {
  readonly ownUs: number
  readonly totalUs: number
  /** queue, dns, connect, tls, send, self; 0 for what was not. */
  readonly phases: readonly number[]
  /** Number of the name of the failure that began here, 0 for none. */
  readonly failure: number
  /** Its failure reached whoever called first. */
  readonly visible: boolean
  /** Segments that were sent again. */
  readonly resent?: number
  /** Its body is larger than what one packet holds. */
  readonly large?: boolean
  /** It stalled: nobody failed it, nothing came. */
  readonly stalled?: boolean
  /** A call that went well for its caller, and that its callee, which sends spans, has no span of. */
  readonly unseen?: boolean
  /** How many calls it stands for; 1 where nothing is said. */
  readonly weight?: number
}

/** Figures that outlive a restart beside the sketches. */
export interface Learnt {
  calls: number
  failed: number
  lost: number
  unseen: number
  /** Segments sent again, a second. */
  resentRate: number
  epochs: number
  /** Calls a second. */
  rate: number
  /** How far the medians of epochs lie apart, of logarithms. */
  drift: number
}

/** What is counted by second. */
export const CALLS = 0
export const FAILED = 1
export const VISIBLE = 2
export const LOST = 3
export const RESENT = 4
export const LARGE = 5
export const LARGE_STALLED = 6
export const UNSEEN = 7

export class Signature {
  readonly learnt: Learnt = { calls: 0, failed: 0, lost: 0, unseen: 0, resentRate: 0, epochs: 0, rate: 0, drift: 0 }
  readonly u16: Uint16Array
  readonly f32: Float32Array
  readonly u32: Uint32Array
  /** When it had its last call, seconds. */
  lastS = 0
  /** Calls by weight; the sketches have those that were seen. */
  #waitingCalls = 0
  #runningCalls = 0
  #carry = 0
  #waitingFailed = 0
  #runningFailed = 0
  #waitingLost = 0
  #runningLost = 0
  #waitingResent = 0
  #runningResent = 0
  #waitingUnseen = 0
  #runningUnseen = 0
  #next = 0
  #nextExample = 0
  #every = 1
  #seen = 0

  constructor() {
    const buffer = new ArrayBuffer(SIGNATURE_BYTES)
    this.f32 = new Float32Array(buffer, 0, FLOATS)
    this.u32 = new Uint32Array(buffer, FLOATS * 4, WORDS32)
    this.u16 = new Uint16Array(buffer, (FLOATS + WORDS32) * 4, WORDS16)
    this.f32.fill(Number.NaN, HOUR_AT, FAILURE_COUNTS)
  }

  add(sample: Sample, nowS: number): void {
    const { failure, phases, ownUs, totalUs } = sample
    const { u16 } = this
    this.lastS = nowS
    const slot = this.#second(nowS)
    const count = this.#whole(sample.weight ?? 1)
    this.#runningCalls += count
    this.#count(slot + CALLS, count)
    if (failure !== 0) {
      this.#count(slot + FAILED, count)
      if (sample.visible) this.#count(slot + VISIBLE, count)
      this.#runningFailed += count
      this.#countFailure(failure)
    }
    const { resent = 0 } = sample
    if (resent > 0) {
      this.#count(slot + LOST, count)
      this.#count(slot + RESENT, Math.min(resent, 1000) * count)
      this.#runningLost += count
      this.#runningResent += resent * count
    }
    if (sample.large === true) {
      this.#count(slot + LARGE, count)
      if (sample.stalled === true) this.#count(slot + LARGE_STALLED, count)
    }
    if (sample.unseen === true) {
      this.#count(slot + UNSEEN, count)
      this.#runningUnseen += count
    }
    addTo(u16, RUNNING + OWN * SKETCH, ownUs)
    addTo(u16, RUNNING + TOTAL * SKETCH, totalUs)
    for (let i = 0; i < phases.length; i++) {
      if (phases[i]! > 0) addTo(u16, RUNNING + (FIRST_PHASE + i) * SKETCH, phases[i]!)
    }
    // With many calls every k-th is kept, so that those kept are of some seconds.
    const before = Math.ceil(this.#seen / this.#every)
    this.#seen += count
    if (Math.ceil(this.#seen / this.#every) > before) this.#keep(sample, nowS)
  }

  /** Whole calls for a weight; what is left over is added to the next. */
  #whole(weight: number): number {
    const all = Math.min(MOST_AT_ONCE, weight) + this.#carry
    const count = Math.floor(all)
    this.#carry = all - count
    return count
  }

  #count(at: number, count: number): void {
    this.u16[at] = Math.min(0xffff, this.u16[at]! + count)
  }

  /** A failure that was counted in the last seconds did not begin here after all. */
  retract(name: number, nowS: number): void {
    for (let second = Math.floor(nowS); second > nowS - SECONDS; second--) {
      const at = this.countsAt(second)
      if (at < 0 || this.u16[at + FAILED] === 0) continue
      this.u16[at + FAILED]!--
      if (this.u16[at + VISIBLE]! > this.u16[at + FAILED]!) this.u16[at + VISIBLE] = this.u16[at + FAILED]!
      this.#runningFailed = Math.max(0, this.#runningFailed - 1)
      for (let i = 0; i < FAILURES; i++) {
        if (this.u32[FAILURE_NAMES + i] === name) this.f32[FAILURE_COUNTS + i]! -= 1
      }
      return
    }
  }

  /** Quantile of what is usual, microseconds; 0 where nothing was learnt. */
  usual(measure: number, share: number): number {
    return quantileIn(this.u16, measure * SKETCH, share)
  }

  usualSamples(measure: number): number {
    return totalOf(this.u16, measure * SKETCH)
  }

  /** What is usual at another is usual here. */
  takeUsual(from: Signature): void {
    Object.assign(this.learnt, from.learnt)
    this.u16.set(from.u16.subarray(0, KEPT_SKETCHES))
    this.f32.set(from.f32.subarray(KEPT_MEDIANS.from, KEPT_MEDIANS.to), KEPT_MEDIANS.from)
  }

  /** Logarithm of the median at that hour of the day; NaN where not known. */
  atHour(hour: number): number {
    return this.f32[HOUR_AT + hour]!
  }

  /** Logarithm of the median at such a load, calls a second; NaN where not known. */
  atLoad(perSecond: number): number {
    return this.f32[LOAD_AT + loadOf(perSecond)]!
  }

  /** Share of failures that is usual at most: in all, at that hour, at such a load. */
  usualFailing(hour: number, perSecond: number): number {
    // Never quite sure of none: as if half a failure had been seen.
    let share = (this.learnt.failed + 0.5) / (this.learnt.calls + 50)
    for (const at of [LOAD_AT + LOADS + hour, LOAD_AT + LOADS + HOURS + loadOf(perSecond)]) {
      const then = this.f32[at]!
      if (then > share) share = then
    }
    return Math.min(0.98, share)
  }

  /** Counts of a second, where they are still there: offset in `u16`, -1 where not. */
  countsAt(second: number): number {
    const slot = second % SECONDS
    return this.u32[slot] === second ? SECOND_COUNTS + slot * WIDTH : -1
  }

  /** Seconds of sample `i`, 0 for none. */
  sampleAtS(i: number): number {
    return this.u32[RECENT_AT + i]! / 10
  }

  sample(i: number, measure: number): number {
    return this.f32[i * N + measure]!
  }

  /** Name and count of failure `i`. */
  failure(i: number): readonly [name: number, count: number] {
    return [this.u32[FAILURE_NAMES + i]!, this.f32[FAILURE_COUNTS + i]!]
  }

  /** Remember a trace that shows what is wrong, by the words of its id. */
  addExample(words: ArrayLike<number>): void {
    const at = EXAMPLES_AT + this.#nextExample * 4
    this.#nextExample = (this.#nextExample + 1) % EXAMPLES
    for (let i = 0; i < 4; i++) this.u32[at + i] = words[i]!
  }

  /** Trace ids in hex, the newest first. */
  examples(): string[] {
    const ids: string[] = []
    for (let i = 1; i <= EXAMPLES; i++) {
      const at = EXAMPLES_AT + ((this.#nextExample + EXAMPLES - i) % EXAMPLES) * 4
      const words = this.u32.slice(at, at + 4)
      if (words.some((word) => word !== 0)) ids.push(Buffer.from(words.buffer).toString('hex'))
    }
    return ids
  }

  /**
   * An epoch of `seconds` is over. `good`: no deviation was seen here in it. `calm`: nor anywhere else, so that whole
   * times, which are those of others too, may be learnt.
   */
  endEpoch(good: boolean, seconds: number, hour: number, calm = good): void {
    const { u16 } = this
    if (good) this.#commit(seconds, hour, calm)
    u16.copyWithin(WAITING, RUNNING, RUNNING + N * SKETCH)
    u16.fill(0, RUNNING, RUNNING + N * SKETCH)
    this.#waitingCalls = this.#runningCalls
    this.#waitingFailed = this.#runningFailed
    this.#waitingLost = this.#runningLost
    this.#waitingResent = this.#runningResent
    this.#waitingUnseen = this.#runningUnseen
    this.#runningCalls = this.#runningFailed = this.#runningLost = this.#runningResent = this.#runningUnseen = 0
    if (!good) this.#forgetWaiting()
    for (let i = 0; i < FAILURES; i++) this.f32[FAILURE_COUNTS + i]! *= 0.5
  }

  /** How many calls a window has: so many of them are kept as samples. */
  pace(callsOfWindow: number): void {
    this.#every = Math.max(1, Math.ceil(callsOfWindow / RECENT))
  }

  #forgetWaiting(): void {
    this.u16.fill(0, WAITING, WAITING + N * SKETCH)
    this.#waitingCalls = this.#waitingFailed = this.#waitingLost = this.#waitingResent = this.#waitingUnseen = 0
  }

  #commit(seconds: number, hour: number, calm: boolean): void {
    const { u16, learnt } = this
    const [calls, seen] = [this.#waitingCalls, totalOf(u16, WAITING)]
    learnt.rate = learnt.epochs === 0 ? calls / seconds : learnt.rate * 0.8 + (calls / seconds) * 0.2
    learnt.resentRate = learnt.resentRate * 0.9 + (this.#waitingResent / seconds) * 0.1
    if (calls === 0) return
    const before = this.usual(OWN, 0.5)
    const median = Math.log(Math.max(1, quantileIn(u16, WAITING, 0.5)))
    if (seen >= LEAST_OF_EPOCH && before > 0 && learnt.epochs >= 2) {
      const moved = Math.min(1, Math.abs(median - Math.log(before)))
      learnt.drift = learnt.drift * 0.9 + moved * 0.1
    }
    for (let i = 0; i < N; i++) if (calm || i !== TOTAL) mergeInto(u16, i * SKETCH, WAITING + i * SKETCH)
    if (learnt.calls > 20_000) {
      learnt.calls /= 2
      learnt.failed /= 2
      learnt.lost /= 2
      learnt.unseen /= 2
    }
    learnt.calls += calls
    learnt.failed += this.#waitingFailed
    learnt.lost += this.#waitingLost
    learnt.unseen += this.#waitingUnseen
    learnt.epochs++
    if (seen < LEAST_OF_EPOCH) return
    blend(this.f32, HOUR_AT + hour, median)
    blend(this.f32, LOAD_AT + loadOf(calls / seconds), median)
    if (calls < LEAST_FOR_SHARES) return
    const share = this.#waitingFailed / calls
    blend(this.f32, LOAD_AT + LOADS + hour, share)
    blend(this.f32, LOAD_AT + LOADS + HOURS + loadOf(calls / seconds), share)
  }

  #keep({ ownUs, totalUs, phases }: Sample, nowS: number): void {
    const at = this.#next
    this.#next = (at + 1) % RECENT
    this.u32[RECENT_AT + at] = Math.round(nowS * 10)
    const to = at * N
    this.f32[to + OWN] = ownUs
    this.f32[to + TOTAL] = totalUs
    for (let i = 0; i < phases.length; i++) this.f32[to + FIRST_PHASE + i] = phases[i]!
  }

  #second(nowS: number): number {
    const second = Math.floor(nowS)
    const slot = second % SECONDS
    const at = SECOND_COUNTS + slot * WIDTH
    if (this.u32[slot] !== second) {
      this.u32[slot] = second
      this.u16.fill(0, at, at + WIDTH)
    }
    return at
  }

  #countFailure(name: number): void {
    const { f32, u32 } = this
    let least = 0
    for (let i = 0; i < FAILURES; i++) {
      if (u32[FAILURE_NAMES + i] === name) {
        f32[FAILURE_COUNTS + i]!++
        return
      }
      if (f32[FAILURE_COUNTS + i]! < f32[FAILURE_COUNTS + least]!) least = i
    }
    u32[FAILURE_NAMES + least] = name
    f32[FAILURE_COUNTS + least] = 1
  }
}

/** Calls that one may stand for. */
const MOST_AT_ONCE = 1000
/** Epochs with fewer calls say nothing of medians. */
const LEAST_OF_EPOCH = 8
/** And with fewer nothing of shares of failures. */
const LEAST_FOR_SHARES = 60

function loadOf(perSecond: number): number {
  return Math.max(0, Math.min(LOADS - 1, Math.round(Math.log2(Math.max(0.25, perSecond)) + 2)))
}

function blend(into: Float32Array, at: number, value: number): void {
  const before = into[at]!
  into[at] = Number.isNaN(before) ? value : before * 0.8 + value * 0.2
}

/** Items of `u16` and `f32` that a file of baselines keeps. */
export const KEPT_SKETCHES = N * SKETCH
export const KEPT_MEDIANS = { from: HOUR_AT, to: FAILURE_COUNTS } as const
