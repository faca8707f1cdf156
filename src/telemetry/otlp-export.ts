/**
 * Delivery of batches: a queue bounded in bytes, a few exports in flight, repeated as OTLP allows. Spans are counted
 * exported when acknowledged, and dropped by reason; nothing is forgotten without a count.
 */
import type { DropReason, SharedCounters } from './counters.ts'
import type { Batch } from './otlp-batch.ts'
import type { ExportAnswer, OtlpChannel } from './otlp-channel.ts'
import { DEADLINE_EXCEEDED, judgeFailure, readResponse, UNAVAILABLE } from './otlp-status.ts'
import type { OpenStream, StreamHandlers } from './recorder/link.ts'

const BACKOFF_FIRST_MS = 500
const BACKOFF_MAX_MS = 10_000
const BACKOFF_FACTOR = 1.6
const JITTER = 0.3
/** What a collector may ask us to wait. Less is no pause: exports would follow each other as fast as they fail. */
const LEAST_ASKED_DELAY_MS = 50
const MAX_ASKED_DELAY_MS = 120_000
/** A connection whose calls all time out is dead, whatever TCP thinks. */
const TIMEOUTS_TO_RECREATE = 5
/** Memory of a queued batch beside its bytes. */
const BATCH_OVERHEAD = 512

export interface ExporterOptions {
  readonly timeoutMs: number
  readonly queueBytes: number
  readonly maxInflight: number
  /** A batch that could not be delivered for this long is dropped as `too_old`. */
  readonly maxAgeMs: number
  /** A batch is delivered or dropped, and its memory free. */
  readonly release: (batch: Batch) => void
  readonly openChannel: () => OtlpChannel
  readonly counters: SharedCounters
  /**
   * A batch that is refused is sent once more at once: a collector that ends an old connection refuses what comes on it
   * meanwhile, and is there.
   */
  readonly secondChance: boolean
  /** Memory of all batches, which several exporters share. */
  readonly budget: Budget
  /**
   * The collector is gone, or refuses for long; what could not be delivered is at the head of the queue again. With
   * {@link OtlpExporter.takeQueued} it can be given to another.
   */
  readonly onTrouble?: () => void
  /** An export was acknowledged. */
  readonly onDelivered?: (spans: number) => void
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void
}

/** Bytes of batches that wait or are in flight. */
export interface Budget {
  heldBytes: number
}

/** A batch and when its spans were first queued. */
export interface Pending {
  readonly batch: Batch
  readonly queuedAt: number
  /** It had its second chance here. */
  refused?: boolean
}

/** A collector that asks to be left alone for longer is treated as gone. */
const REFUSED_TOO_LONG_MS = 5000
/** Failures are told at most this often, each time with the spans that they cost since. */
const WARN_EVERY_MS = 60_000

export class OtlpExporter {
  readonly #options: ExporterOptions
  readonly #counters: SharedCounters
  #channel: OtlpChannel
  /** Bumped with each channel, so that answers of an abandoned one don't count as its successor's. */
  #generation = 0
  #queue: Pending[] = []
  #inflight = 0
  #inflightSpans = 0
  #resumeAt = 0
  #backoffMs = BACKOFF_FIRST_MS
  #timer: NodeJS.Timeout | undefined = undefined
  #timeouts = 0
  #failing = false
  #failingSince = 0
  #warnedAt = Number.NEGATIVE_INFINITY
  /** And not yet that it is over. */
  #warned = false
  /** Spans that were refused for good and of which no warning has told. */
  #untold = 0
  #closed = false
  #idle: (() => void) | undefined = undefined

  constructor(options: ExporterOptions) {
    this.#options = options
    this.#counters = options.counters
    this.#channel = options.openChannel()
    this.#counters.add('channels', 1)
  }

  /** Whether another batch of about `bytes` would go over the bound; spans are then dropped before they are encoded. */
  isFull(bytes: number): boolean {
    return this.#options.budget.heldBytes + bytes + BATCH_OVERHEAD > this.#options.queueBytes
  }

  /** The collector answers, only not fast enough for this moment: waiting may save spans that would be dropped. */
  get working(): boolean {
    return !this.#failing && this.#inflight > 0
  }

  /** Nothing waits and nothing is in flight. */
  get idle(): boolean {
    return this.#queue.length === 0 && this.#inflight === 0
  }

  /** The collector answers on this channel; where it is not connected, that is begun. */
  get connected(): boolean {
    return this.#channel.connected
  }

  /** See {@link OtlpChannel.openStream}; it ends when the channel is made anew. */
  openStream(path: string, handlers: StreamHandlers): OpenStream {
    return this.#channel.openStream(path, handlers)
  }

  /** Take a batch whose spans are counted as queued already. */
  add(batch: Batch, queuedAt = performance.now()): void {
    this.#hold(batch.heldBytes + BATCH_OVERHEAD)
    this.#queue.push({ batch, queuedAt })
    this.#pump()
  }

  /** What waits, no longer here; its spans still count as queued, and its memory is the caller's to release. */
  takeQueued(): Pending[] {
    const taken = this.#queue
    this.#queue = []
    for (const { batch } of taken) this.#hold(-(batch.heldBytes + BATCH_OVERHEAD))
    return taken
  }

  /** All spans gone, or `deadlineMs` over: what is left is dropped as `shutdown`. */
  async close(deadlineMs: number): Promise<void> {
    // One more try at once for what waits for a backoff.
    this.#resumeAt = 0
    this.#pump()
    if (this.#queue.length > 0 || this.#inflight > 0) {
      await new Promise<void>((resolve) => {
        const deadline = setTimeout(resolve, deadlineMs)
        this.#idle = () => {
          clearTimeout(deadline)
          resolve()
        }
      })
    }
    clearTimeout(this.#timer)
    for (const pending of this.#queue) this.#drop(pending, 'shutdown')
    this.#queue = []
    this.#generation++
    this.#closed = true
    this.#channel.close()
    // What was in flight and is not acknowledged by now.
    this.#counters.add('shutdown', this.#inflightSpans)
    this.#counters.add('queued', -this.#inflightSpans)
  }

  #hold(bytes: number): void {
    this.#options.budget.heldBytes += bytes
    this.#counters.set('queuedBytes', this.#options.budget.heldBytes)
  }

  #pump(): void {
    const now = performance.now()
    while (this.#queue.length > 0 && now - this.#queue[0]!.queuedAt > this.#options.maxAgeMs) {
      this.#drop(this.#queue.shift()!, 'too_old')
    }
    if (now < this.#resumeAt) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        this.#pump()
      }, this.#resumeAt - now)
      return
    }
    // While the collector fails, one export at a time finds out whether it is back.
    const bound = this.#failing ? 1 : this.#options.maxInflight
    while (this.#queue.length > 0 && this.#inflight < bound) this.#send(this.#queue.shift()!)
    if (this.#queue.length === 0 && this.#inflight === 0) this.#idle?.()
  }

  #send(pending: Pending): void {
    const generation = this.#generation
    const began = performance.now()
    this.#inflight++
    this.#inflightSpans += pending.batch.spans
    this.#counters.add('inflight', 1)
    this.#counters.add('exports', 1)
    this.#channel.export(pending.batch.bytes, this.#options.timeoutMs, (answer) => {
      if (this.#closed) return
      this.#counters.add('exportSeconds', (performance.now() - began) / 1000)
      this.#inflight--
      this.#counters.add('inflight', -1)
      this.#inflightSpans -= pending.batch.spans
      this.#answered(pending, answer, generation)
      this.#pump()
    })
  }

  #answered(pending: Pending, answer: ExportAnswer, generation: number): void {
    if (answer.code === 0) {
      this.#acknowledged(pending, answer)
      return
    }
    this.#counters.add('exportFailures', 1)
    const { retry, delayMs } = judgeFailure(answer.code, answer.details)
    if (this.#options.secondChance && answer.code === UNAVAILABLE && delayMs < 0 && pending.refused !== true) {
      pending.refused = true
      this.#counters.add('retries', 1)
      this.#queue.unshift(pending)
      return
    }
    if (!retry) {
      this.#untold += pending.batch.spans
      this.#drop(pending, 'non_retryable')
    }
    this.#warnFailing(answer)
    if (!retry) return
    this.#counters.add('retries', 1)
    this.#queue.unshift(pending)
    this.#backOff(delayMs)
    this.#timeouts = answer.code === DEADLINE_EXCEEDED ? this.#timeouts + 1 : 0
    if (generation === this.#generation && this.#timeouts >= TIMEOUTS_TO_RECREATE) {
      this.recreate('every export timed out')
    }
    // One that asks for patience is there.
    const patient = delayMs >= 0 && performance.now() - this.#failingSince < REFUSED_TOO_LONG_MS
    if (!patient) this.#options.onTrouble?.()
  }

  #acknowledged(pending: Pending, answer: ExportAnswer): void {
    const { rejectedSpans, message } = readResponse(answer.response)
    const { spans } = pending.batch
    const rejected = Math.min(rejectedSpans, spans)
    if (message !== '' || rejected > 0) {
      this.#counters.add('warnings', 1)
      this.#options.warn('the collector answered a partial success', { rejectedSpans: rejected, reason: message })
    }
    this.#counters.add('exported', spans - rejected)
    this.#counters.add('rejected', rejected)
    this.#release(pending)
    this.#timeouts = 0
    this.#backoffMs = BACKOFF_FIRST_MS
    if (this.#warned) this.#warn('the collector takes spans again', {})
    this.#warned = false
    this.#failing = false
    this.#options.onDelivered?.(spans)
  }

  #backOff(askedMs: number): void {
    const asked = askedMs >= LEAST_ASKED_DELAY_MS
    // Several exports in flight that fail together are one failure.
    if (!asked && performance.now() < this.#resumeAt) return
    const jitter = 1 + JITTER * (Math.random() * 2 - 1)
    const waitMs = asked ? Math.min(askedMs, MAX_ASKED_DELAY_MS) : this.#backoffMs * jitter
    if (!asked) this.#backoffMs = Math.min(this.#backoffMs * BACKOFF_FACTOR, BACKOFF_MAX_MS)
    this.#resumeAt = Math.max(this.#resumeAt, performance.now() + waitMs)
  }

  #warnFailing(answer: ExportAnswer): void {
    const now = performance.now()
    if (!this.#failing) this.#failingSince = now
    this.#failing = true
    if (now - this.#warnedAt < WARN_EVERY_MS) return
    this.#warn('the collector does not take spans', { grpcStatus: answer.code, reason: answer.message })
    this.#warnedAt = now
    this.#warned = true
  }

  #warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#options.warn(message, { ...fields, ...(this.#untold > 0 && { lostSpans: this.#untold }) })
    this.#untold = 0
  }

  /** A channel of its own connection in place of one that may be dead. */
  recreate(reason: string): void {
    this.#timeouts = 0
    this.#generation++
    this.#channel.close()
    this.#channel = this.#options.openChannel()
    this.#counters.add('channels', 1)
    this.#options.warn('the channel to the collector was made anew', { reason })
  }

  /** The next export is sent at once. */
  resume(): void {
    this.#resumeAt = 0
    this.#backoffMs = BACKOFF_FIRST_MS
    this.#pump()
  }

  #release(pending: Pending): void {
    this.#hold(-(pending.batch.heldBytes + BATCH_OVERHEAD))
    this.#counters.add('queued', -pending.batch.spans)
    this.#options.release(pending.batch)
  }

  #drop(pending: Pending, reason: DropReason): void {
    this.#counters.add(reason, pending.batch.spans)
    this.#release(pending)
  }
}
