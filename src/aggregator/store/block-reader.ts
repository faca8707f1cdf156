/** Spans out of packed blocks: unpacked and scanned as they were when they came. */
import type { Names } from '../intake/names.ts'
import { allocateSegment, type SegmentExtent, SegmentView } from '../intake/segment.ts'
import { SpanScan } from '../intake/span-scan.ts'
import { framesOf } from '../intake/wal.ts'
import { decodeSpan, type SpanPlace } from '../otlp-decode.ts'
import type { ReceivedSpan } from '../span.ts'
import type { SpanFile } from './span-file.ts'

/** A span with what only its receiver knows. */
export interface StoredSpan {
  readonly span: ReceivedSpan
  readonly receivedMs: number
}

/** Where the parts of the span at a row stand. */
export function placeOf(view: SegmentView, row: number): SpanPlace {
  const scope = view.scope[row]!
  return {
    spanAt: view.spanAt[row]!,
    spanEnd: view.spanEnd[row]!,
    resourceAt: view.resourceAt[scope]!,
    resourceEnd: view.resourceEnd[scope]!,
    scopeAt: view.scopeAt[scope]!,
    scopeEnd: view.scopeEnd[scope]!,
  }
}

export function decodeRow(view: SegmentView, extent: SegmentExtent, row: number): StoredSpan | undefined {
  const span = decodeSpan(view.raw, placeOf(view, row))
  return span === undefined ? undefined : { span, receivedMs: extent.baseMs + view.received[row]! }
}

export class BlockReader {
  readonly #view = new SegmentView(allocateSegment())
  readonly #scan: SpanScan

  /** `names` must be one that takes no new ones: what is read here is numbered already. */
  constructor(names: Names) {
    this.#scan = new SpanScan(names)
  }

  /** The spans of a block by the rows of a scan; valid until the next call. */
  async read(file: SpanFile, block: number): Promise<{ view: SegmentView; extent: SegmentExtent }> {
    const place = await file.place(block)
    const view = this.#view
    if (place === undefined) return { view, extent: { sequence: 0, bytes: 0, rows: 0, scopes: 0, baseMs: 0 } }
    const bytes = file.blocks.read(place)
    view.raw.set(bytes)
    let rows = 0
    let scopes = 0
    let baseMs = 0
    for (const frame of framesOf(view.raw.subarray(0, bytes.length))) {
      if (rows === 0) baseMs = Math.floor(frame.receivedMs)
      const received = Math.max(0, Math.round(frame.receivedMs - baseMs))
      const { at: frameAt, start, end } = frame
      const scanned = this.#scan.scan(view, { frameAt, start, end, row: rows, scope: scopes, received })
      if (scanned.fault !== undefined) break
      rows += scanned.rows
      scopes += scanned.scopes
    }
    return { view, extent: { sequence: 0, bytes: bytes.length, rows, scopes, baseMs } }
  }
}
