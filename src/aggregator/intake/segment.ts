/**
 * A segment: some seconds of received requests and the facts of their spans, in shared memory. The raw part is byte for
 * byte what the write-ahead log holds on disk; the columns are what a scan of it gives. The intake thread writes; the
 * store thread reads what is below the counts of a sealed segment. Nothing is copied between the two.
 *
 * A frame of the raw part: payload length u32, CRC-32 of the rest of the frame u32, reception in milliseconds since the
 * epoch f64, payload (an ExportTraceServiceRequest); little endian.
 */

export const FRAME_HEADER_BYTES = 16
/** Room for raw frames; holds several of the largest requests. */
export const SEGMENT_BYTES = 12 * 1024 * 1024
/** Spans of one segment; more than the largest number of one request. */
export const SEGMENT_ROWS = 98_304
/** ScopeSpans of one segment. */
export const SEGMENT_SCOPES = 32_768

/** In the place of a direction. What stands beneath it is of the exchange above it, which alone tells whom it called. */
export const TRY = 4

/** Columns by name: bytes of an item and how many items a row has. */
const ROW_COLUMNS = {
  /** Body of the Span message in the raw part. */
  spanAt: 4,
  spanEnd: 4,
  /** Index of its scope. */
  scope: 4,
  /** Ids as on the wire, read as little-endian words. */
  trace: 16,
  span: 8,
  parent: 8,
  /** Nanoseconds since the epoch, a little-endian fixed64. */
  start: 8,
  /** Microseconds; 0 where the end is before the start. */
  duration: 8,
  /** Of the request id, 0 for none. */
  requestId: 8,
  /** Of the idempotency key's hash, 0 for none. */
  idempotencyKey: 8,
  /** Milliseconds since the segment's base. */
  received: 4,
  /** Names by number, 0 for none; see names.ts. */
  service: 4,
  host: 4,
  name: 4,
  route: 4,
  peer: 4,
  error: 4,
  outcome: 4,
  /** How many spans it stands for: 1 unless it was sampled, 0 for what only completes its trace. */
  weight: 4,
  http: 2,
  kind: 1,
  /** Code of the status, 0 … 2. */
  status: 1,
  /** 1 inbound, 2 outbound, 3 edge, 0 not of a proxy of ours; {@link TRY}: one of several tries of such a one. */
  direction: 1,
  /** 1: came before, and counts for nothing. */
  duplicate: 1,
} as const
const SCOPE_COLUMNS = {
  /** Bodies of Resource and InstrumentationScope messages; 0, 0 for none. */
  resourceAt: 4,
  resourceEnd: 4,
  scopeAt: 4,
  scopeEnd: 4,
  /** Start of the frame that it is of. */
  frameAt: 4,
} as const

const sizeOf = (columns: Readonly<Record<string, number>>): number => Object.values(columns).reduce((a, b) => a + b, 0)

/** Bytes of shared memory that a segment takes when it is full. */
export const SEGMENT_MEMORY_BYTES =
  SEGMENT_BYTES + SEGMENT_ROWS * sizeOf(ROW_COLUMNS) + SEGMENT_SCOPES * sizeOf(SCOPE_COLUMNS)

/** The memory of a segment; may be sent to another thread. */
export interface SegmentMemory {
  readonly raw: SharedArrayBuffer
  readonly columns: SharedArrayBuffer
}

export function allocateSegment(): SegmentMemory {
  const bytes = SEGMENT_ROWS * sizeOf(ROW_COLUMNS) + SEGMENT_SCOPES * sizeOf(SCOPE_COLUMNS)
  return { raw: new SharedArrayBuffer(SEGMENT_BYTES), columns: new SharedArrayBuffer(bytes) }
}

/** Typed views on the memory of a segment. Columns with several words a row are indexed `row * words + word`. */
export class SegmentView {
  readonly memory: SegmentMemory
  readonly raw: Buffer
  readonly spanAt: Uint32Array
  readonly spanEnd: Uint32Array
  readonly scope: Uint32Array
  readonly trace: Uint32Array
  readonly span: Uint32Array
  readonly parent: Uint32Array
  readonly start: Uint32Array
  readonly duration: Float64Array
  readonly requestId: Uint32Array
  readonly idempotencyKey: Uint32Array
  readonly received: Uint32Array
  readonly service: Uint32Array
  readonly host: Uint32Array
  readonly name: Uint32Array
  readonly route: Uint32Array
  readonly peer: Uint32Array
  readonly error: Uint32Array
  readonly outcome: Uint32Array
  readonly weight: Float32Array
  readonly http: Uint16Array
  readonly kind: Uint8Array
  readonly status: Uint8Array
  readonly direction: Uint8Array
  readonly duplicate: Uint8Array
  readonly resourceAt: Uint32Array
  readonly resourceEnd: Uint32Array
  readonly scopeAt: Uint32Array
  readonly scopeEnd: Uint32Array
  readonly frameAt: Uint32Array

  constructor(memory: SegmentMemory) {
    this.memory = memory
    this.raw = Buffer.from(memory.raw)
    let at = 0
    const take = (bytes: number, rows: number): number => {
      at += bytes * rows
      return at - bytes * rows
    }
    const words = (bytes: number, rows: number): Uint32Array =>
      new Uint32Array(memory.columns, take(bytes, rows), (bytes / 4) * rows)
    const [c, s] = [ROW_COLUMNS, SCOPE_COLUMNS]
    const [n, m] = [SEGMENT_ROWS, SEGMENT_SCOPES]
    // Widest first, so that each column is aligned.
    this.duration = new Float64Array(memory.columns, take(c.duration, n), n)
    this.trace = words(c.trace, n)
    this.span = words(c.span, n)
    this.parent = words(c.parent, n)
    this.start = words(c.start, n)
    this.requestId = words(c.requestId, n)
    this.idempotencyKey = words(c.idempotencyKey, n)
    this.spanAt = words(c.spanAt, n)
    this.spanEnd = words(c.spanEnd, n)
    this.scope = words(c.scope, n)
    this.received = words(c.received, n)
    this.service = words(c.service, n)
    this.host = words(c.host, n)
    this.name = words(c.name, n)
    this.route = words(c.route, n)
    this.peer = words(c.peer, n)
    this.error = words(c.error, n)
    this.outcome = words(c.outcome, n)
    this.weight = new Float32Array(memory.columns, take(c.weight, n), n)
    this.resourceAt = words(s.resourceAt, m)
    this.resourceEnd = words(s.resourceEnd, m)
    this.scopeAt = words(s.scopeAt, m)
    this.scopeEnd = words(s.scopeEnd, m)
    this.frameAt = words(s.frameAt, m)
    this.http = new Uint16Array(memory.columns, take(c.http, n), n)
    this.kind = new Uint8Array(memory.columns, take(c.kind, n), n)
    this.status = new Uint8Array(memory.columns, take(c.status, n), n)
    this.direction = new Uint8Array(memory.columns, take(c.direction, n), n)
    this.duplicate = new Uint8Array(memory.columns, take(c.duplicate, n), n)
  }
}

/** How much of a segment is filled, and which one it is. */
export interface SegmentExtent {
  /** Number in the write-ahead log, rising. */
  readonly sequence: number
  readonly bytes: number
  readonly rows: number
  readonly scopes: number
  /** Milliseconds since the epoch that `received` counts from. */
  readonly baseMs: number
}
