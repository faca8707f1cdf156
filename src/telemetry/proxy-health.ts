/**
 * What the proxy knows of itself that explains failures and delays: pauses of its event loop, descriptors and conntrack
 * near their limits, spans that it lost. It is on /metrics, and noted on spans: a pause on the exchanges that it held up,
 * the rest on one span a second while it is so.
 */
import { nowUs } from '../core/clock.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { ExporterCounts } from './counters.ts'
import type { Metrics } from './metrics.ts'
import type { Notes, TailValue, TcpFacts } from './record-layout.ts'

/** 0 for what is not known. */
export interface Limits {
  readonly descriptors: number
  readonly descriptorsLimit: number
  readonly conntrack: number
  readonly conntrackLimit: number
}

/** The event loop is looked at so often; later than that by PAUSE_US is a pause. */
const BEAT_MS = 50
const PAUSE_US = 20_000
/** A pause counts for exchanges that it held up for so long. */
const HELD_UP_US = 10_000
/** What begins so near to the end of a pause came while it was on. */
const NEAR_ITS_END_US = 8000
const READ_EVERY_MS = 3000
/** From this share of a limit on it is told. */
const NEAR = 0.8
const NOTE_EVERY_US = 1_000_000
const NONE: Limits = { descriptors: 0, descriptorsLimit: 0, conntrack: 0, conntrackLimit: 0 }

export class ProxyHealth {
  #counts: (() => ExporterCounts) | undefined
  #limits = NONE
  #beatUs = nowUs()
  /** The last pause. */
  #pausedFromUs = 0
  #pausedToUs = 0
  #pausedUs = 0
  #notedUs = 0
  #lost = 0
  #lostNoted = 0
  readonly #beat: NodeJS.Timeout
  readonly #reading: NodeJS.Timeout | undefined

  /** `read`: how near the limits are; undefined where there is no telling. */
  constructor(read: (() => Promise<Limits>) | undefined) {
    this.#beat = setInterval(() => this.#check(nowUs()), BEAT_MS).unref()
    if (read === undefined) return
    const refresh = (): void =>
      void read().then(
        (limits) => {
          this.#limits = limits
        },
        () => {},
      )
    refresh()
    this.#reading = setInterval(refresh, READ_EVERY_MS).unref()
  }

  /** Put on /metrics; `counts` of the exporter are looked at for lost spans. */
  watch(metrics: Metrics, counts: () => ExporterCounts): void {
    // Of several processes the one that is nearest to its limit counts; conntrack is the host's, and the same for all.
    const gauge = (name: string, help: string, read: () => number): void => metrics.gauge(name, help, read, 'max')
    gauge('hopscope_descriptors', 'Open file descriptors of the process.', () => this.#limits.descriptors)
    gauge('hopscope_descriptors_limit', 'RLIMIT_NOFILE.', () => this.#limits.descriptorsLimit)
    gauge('hopscope_conntrack_entries', 'Connections that the host tracks.', () => this.#limits.conntrack)
    gauge('hopscope_conntrack_limit', 'Most of them.', () => this.#limits.conntrackLimit)
    metrics.add({
      name: 'hopscope_event_loop_paused_seconds_total',
      help: 'Time in which the event loop stood still for more than 20 ms.',
      type: 'counter',
      samples: () => [{ labels: {}, value: this.#pausedUs / 1e6 }],
    })
    this.#counts = counts
  }

  /** Attributes for the span of an exchange that finishes now; undefined for nearly all. */
  readonly notesOf = (x: Exchange, tcp: TcpFacts | undefined): Notes | undefined => {
    const finishUs = x.timing.finishUs
    this.#check(finishUs)
    const heldUs = Math.min(finishUs, this.#pausedToUs) - Math.max(x.timing.startUs, this.#pausedFromUs)
    const isHeldUp = heldUs >= HELD_UP_US
    const cameIn = !isHeldUp && Math.abs(x.timing.startUs - this.#pausedToUs) < NEAR_ITS_END_US
    const resent = tcp !== undefined && ((tcp.upstreamResent ?? 0) > 0 || (tcp.downstreamResent ?? 0) > 0)
    const due = finishUs - this.#notedUs >= NOTE_EVERY_US
    if (!isHeldUp && !cameIn && !resent && !due) return undefined
    const notes: [string, TailValue][] = []
    if (isHeldUp) notes.push(['hopscope.pause_us', Math.round(heldUs)])
    if (cameIn) notes.push(['hopscope.pause_before_us', Math.round(this.#pausedToUs - this.#pausedFromUs)])
    if (resent) {
      notes.push(['hopscope.tcp.upstream.resent', tcp.upstreamResent ?? 0])
      notes.push(['hopscope.tcp.downstream.resent', tcp.downstreamResent ?? 0])
    }
    if (due) this.#note(notes, finishUs)
    return notes.length === 0 ? undefined : notes
  }

  close(): void {
    clearInterval(this.#beat)
    clearInterval(this.#reading)
  }

  #note(notes: [string, TailValue][], finishUs: number): void {
    const { descriptors, descriptorsLimit, conntrack, conntrackLimit } = this.#limits
    this.#notedUs = finishUs
    if (descriptorsLimit > 0 && descriptors >= descriptorsLimit * NEAR) {
      notes.push(['hopscope.proxy.descriptors', descriptors], ['hopscope.proxy.descriptors_limit', descriptorsLimit])
    }
    if (conntrackLimit > 0 && conntrack >= conntrackLimit * NEAR) {
      notes.push(['hopscope.host.conntrack', conntrack], ['hopscope.host.conntrack_limit', conntrackLimit])
    }
    const { dropped } = this.#counts?.() ?? {}
    this.#lost = dropped === undefined ? 0 : Object.values(dropped).reduce((sum, spans) => sum + spans, 0)
    if (this.#lost > this.#lostNoted) notes.push(['hopscope.proxy.dropped_spans', this.#lost - this.#lostNoted])
    this.#lostNoted = this.#lost
  }

  /** The loop was last seen a beat ago at most, or it stood still. */
  #check(atUs: number): void {
    const lateUs = atUs - this.#beatUs - BEAT_MS * 1000
    if (lateUs > PAUSE_US) {
      this.#pausedFromUs = atUs - lateUs
      this.#pausedToUs = atUs
      this.#pausedUs += lateUs
    }
    this.#beatUs = Math.max(this.#beatUs, atUs)
  }
}
