/**
 * Requests in, acknowledgements out: each request is scanned into the open segment, written ahead, and only then
 * acknowledged. Sealed segments wait for the store; when none is free, requests are refused rather than held.
 */
import { nowUs, wallUs } from '../../core/clock.ts'
import type { Logger } from '../../core/log.ts'
import type { WireFault } from '../wire-cursor.ts'
import { HotSegment } from './hot-segment.ts'
import type { Names } from './names.ts'
import { RecentIds } from './recent-ids.ts'
import { allocateSegment, FRAME_HEADER_BYTES, SEGMENT_BYTES, SEGMENT_ROWS, SEGMENT_SCOPES } from './segment.ts'
import { MAX_SCOPES, type Scanned, SpanScan } from './span-scan.ts'
import { framesOf, openWalFolder, readWalFile, removeWalFile, sealFrame, WalFile, type WalSync } from './wal.ts'

/** Fewest bytes of a span that has both ids. */
const LEAST_SPAN_BYTES = 30
const MAX_SPANS_OF_REQUEST = 65_536
/** Ids that are looked up together; a power of two. */
const IDS_AT_ONCE = 16

export interface IntakeOptions {
  /** Folder of the write-ahead log; undefined: nothing is written, and what is acknowledged is in memory alone. */
  readonly walFolder: string | undefined
  readonly sync: WalSync
  readonly names: Names
  readonly log: Logger
  /** Segments in memory at once, 2 at least; with all of them taken, requests are refused. */
  readonly segments: number
  /** Oldest that a segment may become before it is sealed, milliseconds. */
  readonly sealMs: number
  /** Ids of spans that are remembered; a power of two. */
  readonly recentIds?: number
  /** A segment is sealed and written: to be stored. */
  readonly onSealed: (segment: HotSegment) => void
  /** Segments below this number are stored already. */
  readonly storedBelow: number
}

/** What became of a request. `refused`: nothing of it was kept, and it may be sent again. */
export type Intook =
  | { readonly kind: 'accepted'; readonly spans: number; readonly rejected: number; readonly duplicates: number }
  | { readonly kind: 'malformed'; readonly fault: WireFault }
  | { readonly kind: 'refused'; readonly reason: string; readonly retryMs: number }

export interface IntakeCounters {
  spans: number
  duplicates: number
  rejected: number
  requests: number
  malformed: number
  refused: number
  recovered: number
  writeErrors: number
}

interface Waiter {
  readonly segment: HotSegment
  readonly bytes: number
  readonly settle: (error: Error | undefined) => void
}

const RETRY_MS = 1000

export class Intake {
  readonly counters: IntakeCounters = {
    ...{ spans: 0, duplicates: 0, rejected: 0, requests: 0 },
    ...{ malformed: 0, refused: 0, recovered: 0, writeErrors: 0 },
  }
  /** Segments that are not stored yet, by age; the last one is open. */
  readonly live: HotSegment[] = []
  readonly #options: IntakeOptions
  readonly #scan: SpanScan
  readonly #recent: RecentIds
  readonly #free: HotSegment[] = []
  readonly #files = new Map<HotSegment, WalFile>()
  readonly #sealed: HotSegment[] = []
  #allocated = 0
  #nextSequence: number
  #open: HotSegment | undefined
  #waiters: Waiter[] = []
  #writing = false
  #failing: Error | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false
  #syncAtUs = 0

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#scan = new SpanScan(options.names)
    this.#recent = new RecentIds(options.recentIds)
    this.#nextSequence = options.storedBelow
  }

  /** Segments that were written ahead and not stored before the last end, scanned anew. Call once, before the first request. */
  recover(): void {
    const { walFolder, storedBelow, log } = this.#options
    if (walFolder === undefined) return
    for (const sequence of openWalFolder(walFolder)) {
      this.#nextSequence = Math.max(this.#nextSequence, sequence + 1)
      if (sequence < storedBelow) {
        void removeWalFile(walFolder, sequence)
        continue
      }
      const bytes = readWalFile(walFolder, sequence)
      const segment = this.#begin(sequence)
      let end = 0
      for (const frame of framesOf(bytes)) {
        if (segment.bytes === 0) segment.baseMs = Math.floor(frame.receivedMs)
        bytes.copy(segment.view.raw, frame.at, frame.at, frame.end)
        const scanned = this.#scanFrame(segment, frame.at, frame.end - frame.start, frame.receivedMs)
        // Only what had no fault was ever written.
        if (scanned.fault !== undefined) break
        this.#keep(segment, scanned, frame.at, frame.end - frame.start, frame.receivedMs)
        end = frame.end
      }
      this.counters.recovered += segment.rows
      if (end < bytes.length)
        log.warn({ sequence, kept: end, of: bytes.length }, 'the write-ahead log ends in a torn frame')
      if (segment.rows === 0) {
        this.live.pop()
        this.#recycle(segment)
        void removeWalFile(walFolder, sequence)
      } else this.#options.onSealed(segment)
    }
  }

  /** Why a request would be refused now, undefined where it would not. */
  get pressure(): string | undefined {
    if (this.#closed) return 'shutting down'
    if (this.#failing !== undefined) return `the write-ahead log cannot be written: ${this.#failing.message}`
    if (this.#open === undefined && this.#free.length === 0 && this.#allocated >= this.#options.segments) {
      return 'the store is behind, and memory for waiting spans is full'
    }
    return undefined
  }

  /** Take an ExportTraceServiceRequest, in parts as it came. Resolves when it is written, or at once where it is not taken. */
  accept(parts: readonly Uint8Array[]): Intook | Promise<Intook> {
    const { counters } = this
    let length = 0
    for (const part of parts) length += part.length
    const segment = this.#roomFor(length)
    if (segment === undefined) {
      counters.refused++
      return { kind: 'refused', reason: this.pressure ?? 'no room', retryMs: RETRY_MS }
    }
    counters.requests++
    if (length === 0) return { kind: 'accepted', spans: 0, rejected: 0, duplicates: 0 }
    const at = segment.bytes
    let to = at + FRAME_HEADER_BYTES
    for (const part of parts) {
      segment.view.raw.set(part, to)
      to += part.length
    }
    const receivedMs = wallUs(nowUs()) / 1000
    const scanned = this.#scanFrame(segment, at, length, receivedMs)
    if (scanned.fault !== undefined) {
      counters.malformed++
      return { kind: 'malformed', fault: scanned.fault }
    }
    const duplicates = this.#keep(segment, scanned, at, length, receivedMs)
    counters.spans += scanned.rows - duplicates
    counters.duplicates += duplicates
    counters.rejected += scanned.rejected
    return this.#written(segment, { kind: 'accepted', spans: scanned.rows, rejected: scanned.rejected, duplicates })
  }

  /** The store has it: its memory and its file are free. */
  stored(segment: HotSegment): void {
    const index = this.live.indexOf(segment)
    if (index >= 0) this.live.splice(index, 1)
    if (this.#options.walFolder !== undefined) void removeWalFile(this.#options.walFolder, segment.sequence)
    this.#recycle(segment)
  }

  /** Seal what is open, so that it reaches the store. */
  async flush(): Promise<void> {
    this.#seal()
    while (this.#writing) await new Promise((resolve) => setImmediate(resolve))
  }

  /** No more requests; resolves when all that was taken is written. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.flush()
  }

  #roomFor(bytes: number): HotSegment | undefined {
    if (this.#closed || this.#failing !== undefined) return undefined
    const segment = this.#open
    if (segment !== undefined) {
      const rows = Math.min(MAX_SPANS_OF_REQUEST, Math.ceil(bytes / LEAST_SPAN_BYTES))
      const scopes = Math.min(MAX_SCOPES, Math.ceil(bytes / 2))
      const fits =
        segment.bytes + FRAME_HEADER_BYTES + bytes <= SEGMENT_BYTES &&
        segment.rows + rows <= SEGMENT_ROWS &&
        segment.scopes + scopes <= SEGMENT_SCOPES
      if (fits) return segment
      this.#seal()
    }
    if (this.#free.length === 0 && this.#allocated >= this.#options.segments) return undefined
    this.#open = this.#begin(this.#nextSequence++)
    if (this.#options.walFolder !== undefined) {
      this.#files.set(this.#open, new WalFile(this.#options.walFolder, this.#open.sequence))
    }
    this.#timer = setTimeout(() => this.#seal(), this.#options.sealMs)
    return this.#open
  }

  #begin(sequence: number): HotSegment {
    let segment = this.#free.pop()
    if (segment === undefined) {
      segment = new HotSegment(allocateSegment())
      this.#allocated++
    }
    segment.begin(sequence, Math.floor(wallUs(nowUs()) / 1000))
    this.live.push(segment)
    return segment
  }

  #recycle(segment: HotSegment): void {
    // Recovery may need more than the bound; they are let go of one by one.
    if (this.#allocated > this.#options.segments) this.#allocated--
    else this.#free.push(segment)
  }

  #scanFrame(segment: HotSegment, at: number, payloadBytes: number, receivedMs: number): Scanned {
    const start = at + FRAME_HEADER_BYTES
    const { rows: row, scopes: scope } = segment
    const received = Math.max(0, Math.round(receivedMs - segment.baseMs))
    return this.#scan.scan(segment.view, { frameAt: at, start, end: start + payloadBytes, row, scope, received })
  }

  /** Makes what was scanned count; gives the number of spans that came before. */
  #keep(segment: HotSegment, scanned: Scanned, at: number, payloadBytes: number, receivedMs: number): number {
    const { view, rows } = segment
    let duplicates = 0
    const end = rows + scanned.rows
    for (let row = rows; row < end; row++) {
      if (((row - rows) & (IDS_AT_ONCE - 1)) === 0) {
        this.#recent.touch(view.trace, row * 4, view.span, row * 2, Math.min(IDS_AT_ONCE, end - row))
      }
      if (!this.#recent.seen(view.trace, row * 4, view.span, row * 2)) continue
      view.duplicate[row] = 1
      duplicates++
    }
    // Nothing new: there is nothing to write, but what it repeats may still be on its way to disk.
    if (duplicates === scanned.rows) return duplicates
    sealFrame(view.raw, at, payloadBytes, receivedMs)
    segment.bytes = at + FRAME_HEADER_BYTES + payloadBytes
    segment.rows += scanned.rows
    segment.scopes += scanned.scopes
    return duplicates
  }

  #written(segment: HotSegment, intook: Intook): Intook | Promise<Intook> {
    if (this.#options.walFolder === undefined) return intook
    return new Promise((resolve) => {
      const settle = (error: Error | undefined): void => {
        if (error === undefined) resolve(intook)
        else {
          this.counters.refused++
          const reason = `the write-ahead log cannot be written: ${error.message}`
          resolve({ kind: 'refused', reason, retryMs: RETRY_MS })
        }
      }
      this.#waiters.push({ segment, bytes: segment.bytes, settle })
      this.#startWriting()
    })
  }

  #seal(): void {
    const segment = this.#open
    if (segment === undefined) return
    clearTimeout(this.#timer)
    this.#open = undefined
    this.#sealed.push(segment)
    this.#startWriting()
  }

  #startWriting(): void {
    if (this.#writing) return
    this.#writing = true
    // After this turn of the event loop: what comes in the same turn goes with the same write.
    setImmediate(() => void this.#write())
  }

  async #write(): Promise<void> {
    while (this.#waiters.length > 0 || this.#sealed.length > 0) {
      const waiters = this.#waiters
      const sealed = this.#sealed.splice(0)
      this.#waiters = []
      try {
        for (const segment of new Set([...sealed, ...waiters.map((one) => one.segment)])) {
          await this.#writeSegment(segment, sealed.includes(segment))
        }
        this.#failing = undefined
        for (const { settle } of waiters) settle(undefined)
        for (const segment of sealed) this.#handOn(segment)
      } catch (error) {
        this.#sealed.unshift(...sealed)
        this.#fail(error as Error, waiters)
        return
      }
    }
    this.#writing = false
  }

  async #writeSegment(segment: HotSegment, last: boolean): Promise<void> {
    const file = this.#files.get(segment)
    if (file === undefined) return
    const { sync } = this.#options
    const now = nowUs()
    const due = sync === 'always' || (sync === 'second' && (last || now - this.#syncAtUs > 1e6))
    if (due) this.#syncAtUs = now
    await file.write(segment.view.raw, segment.bytes, due)
    if (!last) return
    await file.close()
    this.#files.delete(segment)
  }

  /** Nothing of these is acknowledged. What is in memory stays, and is written as soon as that can be done. */
  #fail(error: Error, waiters: readonly Waiter[]): void {
    this.counters.writeErrors++
    if (this.#failing === undefined) this.#options.log.error({ err: error }, 'the write-ahead log cannot be written')
    this.#failing = error
    for (const { settle } of waiters) settle(error)
    if (this.#closed) {
      this.#writing = false
      return
    }
    const open = this.#open
    setTimeout(() => {
      if (open !== undefined && this.#sealed.length === 0) this.#seal()
      void this.#write()
    }, RETRY_MS)
  }

  #handOn(segment: HotSegment): void {
    if (segment.rows > 0) {
      this.#options.onSealed(segment)
      return
    }
    const index = this.live.indexOf(segment)
    if (index >= 0) this.live.splice(index, 1)
    this.#recycle(segment)
  }
}
