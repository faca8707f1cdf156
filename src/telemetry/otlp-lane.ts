/** One receiver of spans: the batch that fills for it, its queue, its channel, and whether it takes any. */
import type { Member } from '../core/members.ts'
import type { Batch, BatchBuilder } from './otlp-batch.ts'
import { type ExporterOptions, OtlpExporter, type Pending } from './otlp-export.ts'

/** A receiver that failed is asked again after this long, doubled each time that it fails without having taken any. */
const AWAY_FIRST_MS = 250
const AWAY_MAX_MS = 10_000

/** Counts of one receiver since the thread began. */
export interface LaneCounts {
  readonly name: string
  readonly up: boolean
  readonly spans: number
  readonly failures: number
  /** Spans that were meant for it and went to others. */
  readonly moved: number
}

export interface LaneOptions extends Omit<ExporterOptions, 'onTrouble' | 'onDelivered' | 'release'> {
  readonly member: Member
  readonly builder: BatchBuilder
  /** It failed; `wasUp`: as the first of its exports since it was well. */
  readonly onTrouble: (lane: Lane, wasUp: boolean) => void
  readonly onReturn: () => void
  readonly onRelease: () => void
}

export class Lane {
  readonly member: Member
  readonly builder: BatchBuilder
  readonly exporter: OtlpExporter
  readonly #options: LaneOptions
  /** It is asked for spans of its own; a name that went is not. */
  listed = true
  up = true
  moved = 0
  #spans = 0
  #failures = 0
  #awayMs = AWAY_FIRST_MS
  #askAt = 0

  constructor(options: LaneOptions) {
    this.#options = options
    this.member = options.member
    this.builder = options.builder
    this.exporter = new OtlpExporter({
      ...options,
      release: (batch) => {
        this.builder.recycle(batch)
        options.onRelease()
      },
      onTrouble: () => this.#onTrouble(),
      onDelivered: (spans) => this.#onDelivered(spans),
    })
  }

  get counts(): LaneCounts {
    const { up, moved } = this
    return { name: this.member.name, up, spans: this.#spans, failures: this.#failures, moved }
  }

  /** What fills goes to the queue. */
  flush(): void {
    if (this.builder.spans > 0) this.exporter.add(this.builder.take())
  }

  /** Everything that waits here, taken out. */
  empty(): Pending[] {
    const taken = this.exporter.takeQueued()
    if (this.builder.spans > 0) taken.push({ batch: this.builder.take(), queuedAt: performance.now() })
    return taken
  }

  recycle(batch: Batch): void {
    this.builder.recycle(batch)
  }

  /** A receiver that is away is back as soon as it speaks HTTP/2 with us. */
  look(): void {
    if (this.up || !this.listed || performance.now() < this.#askAt) return
    if (this.exporter.connected) this.#return()
  }

  #return(): void {
    this.up = true
    this.exporter.resume()
    this.#options.onReturn()
  }

  #onTrouble(): void {
    this.#failures++
    const wasUp = this.up
    if (wasUp) {
      this.up = false
      this.#askAt = performance.now() + this.#awayMs
      this.#awayMs = Math.min(AWAY_MAX_MS, this.#awayMs * 2)
    }
    this.#options.onTrouble(this, wasUp)
  }

  #onDelivered(spans: number): void {
    this.#spans += spans
    this.#awayMs = AWAY_FIRST_MS
    if (!this.up && this.listed) this.#return()
  }
}
