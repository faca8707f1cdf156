/** The spans of this replica alone. */

import { inPortions, type Steps } from '../portions.ts'
import type { ReceivedSpan } from '../span.ts'
import type { StoredSpan } from '../store/block-reader.ts'
import type { SpanQuery } from '../store/span-filter.ts'
import { decodeParts, haveOneOrigin, type SpanParts } from '../store/span-parts.ts'
import type { SpanReader } from '../store/span-reader.ts'
import type { SpanRow } from '../store/span-row.ts'
import type { ReplicaRows, SpanSource } from './context.ts'
import { type LocalData, localRows, type Row, type RowsQuestion } from './rows.ts'

export class LocalSpans implements SpanSource {
  readonly #reader: SpanReader
  readonly #data: LocalData

  constructor(reader: SpanReader, data: LocalData) {
    this.#reader = reader
    this.#data = data
  }

  async trace(traceId: string): Promise<StoredSpan[]> {
    return inPortions(distinctSpans(traceId, await this.parts(traceId)))
  }

  async span(traceId: string, spanId: string): Promise<StoredSpan | undefined> {
    return spanAmong(traceId, spanId, await this.parts(traceId, spanId))
  }

  /** Of all spans of the trace, or of one. */
  parts(traceId: string, spanId?: string): Promise<SpanParts[]> {
    return this.#reader.trace(traceId, this.#data.window, spanId)
  }

  search(query: SpanQuery, limit: number, traces = limit): Promise<SpanRow[]> {
    return this.#reader.search(query, limit, this.#data.window, traces)
  }

  rowsOf(traceIds: readonly string[], fromNs: bigint, toNs: bigint): Promise<SpanRow[]> {
    return this.#reader.rowsOf(traceIds, fromNs, toNs, this.#data.window)
  }

  localRows(question: RowsQuestion): Promise<Row[]> {
    return localRows(question, this.#data, (from, to, take) => this.#reader.replay(from, to, take))
  }

  async rows(question: RowsQuestion): Promise<ReplicaRows[]> {
    return [{ replica: '', rows: await this.localRows(question) }]
  }
}

/** The span of that id, the first in the list, which may hold others. */
export async function spanAmong(
  traceId: string,
  spanId: string,
  parts: readonly SpanParts[],
): Promise<StoredSpan | undefined> {
  const spans = await inPortions(distinctSpans(traceId, parts))
  return spans.find(({ span }) => span.spanId === spanId)
}

/** Spans of the trace, each id once, the first in the list. */
export function* distinctSpans(traceId: string, parts: readonly SpanParts[]): Steps<StoredSpan[]> {
  const spans = new Map<string, StoredSpan>()
  // Spans that came together stand together.
  let last: { readonly parts: SpanParts; readonly span: ReceivedSpan } | undefined
  for (const one of parts) {
    yield
    const like = last !== undefined && haveOneOrigin(last.parts, one) ? last.span : undefined
    const stored = decodeParts(one, like)
    if (stored !== undefined) last = { parts: one, span: stored.span }
    if (stored === undefined || stored.span.traceId !== traceId || spans.has(stored.span.spanId)) continue
    spans.set(stored.span.spanId, stored)
  }
  return [...spans.values()]
}
