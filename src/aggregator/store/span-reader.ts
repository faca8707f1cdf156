/** Spans wherever they are: in segments in memory, and in files. A span is in one of the two, never in both. */
import type { Names } from '../intake/names.ts'
import type { SegmentExtent, SegmentView } from '../intake/segment.ts'
import { type AttributeValue, MAX_TRACE_SPANS, type ReceivedSpan } from '../span.ts'
import { MAX_INDEXED_BYTES } from './attribute-tokens.ts'
import { BlockReader, decodeRow } from './block-reader.ts'
import { DamagedBlock } from './blocks.ts'
import { mayHold, tokenOf } from './bloom.ts'
import type { SpanFile } from './span-file.ts'
import { filterOf, matching, type SpanFilter, type SpanQuery, sqlOf } from './span-filter.ts'
import { partsOf, type SpanParts } from './span-parts.ts'
import { idNumber, latestFirst, ROW_COLUMNS, rowOfColumns, rowOfView, type SpanRow } from './span-row.ts'
import type { SpanStore } from './span-store.ts'

/** Segments that are not in files, and the number below which all are. */
export interface Window {
  readonly hot: readonly { readonly view: SegmentView; readonly extent: SegmentExtent }[]
  readonly committedBelow: number
}

const FIRST_STEP_NS = 10_000_000_000n
const FILTERS_AT_ONCE = 512
/** Blocks of a stretch of time that are read; a second has one at least. */
const MAX_REPLAYED = 4096

export class SpanReader {
  readonly #store: SpanStore
  readonly #names: Names
  readonly #blocks: BlockReader
  readonly #damaged = new Set<string>()
  /** Blocks are read into one buffer: one reading at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(store: SpanStore, names: Names) {
    this.#store = store
    this.#names = names
    this.#blocks = new BlockReader(names)
  }

  /**
   * All spans of a trace (32 hex digits), as they came, or the one with `spanId` (16) alone; a span that came again much later
   * is there twice.
   */
  async trace(traceId: string, window: Window, spanId?: string): Promise<SpanParts[]> {
    const [a, b] = [idNumber(traceId.slice(0, 16)), idNumber(traceId.slice(16))]
    const ids = { a, b, span: spanId === undefined ? undefined : idNumber(spanId) }
    const ofSpan = ids.span === undefined ? '' : `AND span = ${ids.span} `
    const parts: SpanParts[] = []
    // At once, before anything is waited for: the memory may be used anew after that.
    const hot = window.hot.flatMap(({ view, extent }) =>
      rowsOfTrace(view, extent, ids).map((row) => partsOf(view, extent, row)),
    )
    for (const file of this.#store.files) {
      const found = await this.#store.engine.rows(
        `SELECT DISTINCT block FROM ${file.db}.spans WHERE trace_a = ${a} AND trace_b = ${b} ${ofSpan}AND seg < ${window.committedBelow} ORDER BY block`,
      )
      for (const [block] of found) {
        await this.#inBlock(file, Number(block), (view, extent) => {
          for (const row of rowsOfTrace(view, extent, ids)) {
            if (parts.length < MAX_TRACE_SPANS) parts.push(partsOf(view, extent, row))
          }
        })
      }
    }
    return [...parts, ...hot].slice(0, MAX_TRACE_SPANS)
  }

  /**
   * Spans that match, latest first, at most `limit`. By attribute, where each block has to be read, it stops as soon as
   * there are spans of `traces` traces.
   */
  async search(query: SpanQuery, limit: number, window: Window, traces = limit): Promise<SpanRow[]> {
    const filter = filterOf(query, this.#names)
    const found = this.#searchHot(filter, limit, window)
    const byAttribute = filter.attributes.length > 0
    const enough = (more: readonly SpanRow[]): boolean =>
      found.length + more.length >= limit || new Set([...found, ...more].map(({ traceId }) => traceId)).size >= traces
    const files = this.#store.files.filter((file) => file.overlaps(filter.fromNs, filter.toNs))
    for (const file of files.reverse()) {
      // Files follow each other in time, but for spans that came late.
      if (byAttribute && enough([])) break
      const more = byAttribute
        ? await this.#searchBlocks(file, filter, enough)
        : await this.#searchFile(file, filter, limit, window)
      for (const row of more) found.push(row)
    }
    return distinct(found.sort(latestFirst)).slice(0, limit)
  }

  /** Rows of the given traces. */
  async rowsOf(traceIds: readonly string[], fromNs: bigint, toNs: bigint, window: Window): Promise<SpanRow[]> {
    if (traceIds.length === 0) return []
    const wanted = new Set(traceIds)
    const rows = new Map<string, SpanRow>()
    const put = (row: SpanRow): void => {
      if (wanted.has(row.traceId)) rows.set(row.traceId + row.spanId, row)
    }
    const lows = new Set(traceIds.map((id) => Buffer.from(id, 'hex').readUInt32LE(8)))
    for (const { view, extent } of window.hot) {
      for (let row = 0; row < extent.rows; row++) {
        if (view.duplicate[row] === 0 && lows.has(view.trace[row * 4 + 2]!)) {
          put(rowOfView(view, extent, row, this.#names))
        }
      }
    }
    const list = traceIds.map((id) => idNumber(id.slice(16))).join(',')
    for (const file of this.#store.files.filter((one) => one.overlaps(fromNs, toNs))) {
      const found = await this.#store.engine.rows(
        // Found by three columns first: the other nineteen of ten million rows would cost four times as much.
        `SELECT ${ROW_COLUMNS} FROM ${file.db}.spans WHERE rowid IN (SELECT rowid FROM ${file.db}.spans WHERE start_ns BETWEEN ${fromNs} AND ${toNs} AND trace_b IN (${list}) AND seg < ${window.committedBelow} LIMIT 200000)`,
      )
      for (const values of found) put(rowOfColumns(values, this.#names))
    }
    return [...rows.values()]
  }

  /** Spans of a stretch of time, block by block as they were written: all but those of the last second or two. */
  async replay(
    fromMs: number,
    toMs: number,
    take: (view: SegmentView, rows: number, baseMs: number) => void,
  ): Promise<{ readonly partial: boolean }> {
    const [fromNs, toNs] = [BigInt(Math.floor(fromMs)) * 1_000_000n, BigInt(Math.ceil(toMs)) * 1_000_000n]
    let left = MAX_REPLAYED
    for (const file of this.#store.files.filter((one) => one.overlaps(fromNs, toNs))) {
      const found = await this.#store.engine.rows(
        `SELECT block FROM ${file.db}.blocks WHERE least_ns <= ${toNs} AND most_ns >= ${fromNs} ORDER BY block LIMIT ${left + 1}`,
      )
      for (const [block] of found) {
        if (left-- === 0) return { partial: true }
        await this.#inBlock(file, Number(block), (view, { rows, baseMs }) => take(view, rows, baseMs))
      }
    }
    return { partial: false }
  }

  #searchHot(filter: SpanFilter, limit: number, window: Window): SpanRow[] {
    const found: SpanRow[] = []
    for (const { view, extent } of [...window.hot].reverse()) {
      for (const row of matching(view, extent, filter).reverse()) {
        if (found.length >= limit * 2) return found
        if (this.#holds(view, extent, row, filter)) found.push(rowOfView(view, extent, row, this.#names))
      }
    }
    return found
  }

  #holds(view: SegmentView, extent: SegmentExtent, row: number, filter: SpanFilter): boolean {
    if (filter.attributes.length === 0) return true
    if (!filter.attributes.every((one) => mayStand(view, row, one.value))) return false
    const stored = decodeRow(view, extent, row)
    return stored !== undefined && filter.attributes.every(({ key, value }) => hasAttribute(stored.span, key, value))
  }

  /**
   * Back in time by growing steps. One query over all of it would meet rows in rising order, each of which is the latest
   * so far: seconds over ten million rows, where the last ten of their seconds have all that is wanted.
   */
  async #searchFile(file: SpanFile, filter: SpanFilter, limit: number, window: Window): Promise<SpanRow[]> {
    const found: SpanRow[] = []
    const least = filter.fromNs > file.leastNs ? filter.fromNs : file.leastNs
    let toNs = filter.toNs < file.mostNs ? filter.toNs : file.mostNs
    for (let step = FIRST_STEP_NS; toNs >= least && found.length < limit; step *= 4n) {
      const fromNs = toNs - step > least ? toNs - step : least
      const rows = await this.#store.engine.rows(
        `SELECT ${ROW_COLUMNS} FROM ${file.db}.spans WHERE ${sqlOf({ ...filter, fromNs, toNs })} AND seg < ${window.committedBelow} ORDER BY start_ns DESC LIMIT ${limit - found.length}`,
      )
      for (const values of rows) found.push(rowOfColumns(values, this.#names))
      toNs = fromNs - 1n
    }
    return found
  }

  /** By attribute: blocks whose filter lets it through, latest first, are read until there is enough. */
  async #searchBlocks(file: SpanFile, filter: SpanFilter, enough: Enough): Promise<SpanRow[]> {
    const found: SpanRow[] = []
    for (const block of await this.#candidates(file, filter)) {
      if (enough(found)) break
      await this.#inBlock(file, block, (view, extent) => {
        for (const row of matching(view, extent, filter)) {
          if (this.#holds(view, extent, row, filter)) found.push(rowOfView(view, extent, row, this.#names))
        }
      })
    }
    return found
  }

  async #candidates(file: SpanFile, filter: SpanFilter): Promise<number[]> {
    const indexed = filter.attributes.filter(({ value }) => isIndexed(value))
    const tokens = indexed.map(({ key, value }) => tokenOf(key, value))
    const where = `least_ns <= ${filter.toNs} AND most_ns >= ${filter.fromNs}`
    const found: number[] = []
    // Some at a time: the filters of ten thousand blocks are 80 MiB.
    for (let to = file.nextBlock; to > 0; to -= FILTERS_AT_ONCE) {
      const rows = await this.#store.engine.rows(
        `SELECT block, bloom FROM ${file.db}.blocks WHERE block >= ${to - FILTERS_AT_ONCE} AND block < ${to} AND ${where} ORDER BY block DESC`,
      )
      for (const [block, bloom] of rows) {
        const bits = (bloom as { readonly bytes: Uint8Array }).bytes
        if (tokens.every((token) => mayHold(bits, token))) found.push(Number(block))
      }
    }
    return found
  }

  #inBlock(file: SpanFile, block: number, look: (view: SegmentView, extent: SegmentExtent) => void): Promise<void> {
    const done = this.#turn.then(async () => {
      try {
        const { view, extent } = await this.#blocks.read(file, block)
        look(view, extent)
      } catch (error) {
        if (!(error instanceof DamagedBlock)) throw error
        this.#passOver(file, block, error)
      }
    })
    this.#turn = done.catch(() => {})
    return done
  }

  /** All others can be read: a block that the disk lost is told once, and has no spans. */
  #passOver(file: SpanFile, block: number, error: Error): void {
    const key = `${file.db} ${block}`
    if (this.#damaged.has(key)) return
    this.#damaged.add(key)
    this.#store.onDamaged(file.path, error)
  }
}

/** Long texts, negative integers and those beyond 2^53 are not in the filters of blocks: they are found by reading. */
function isIndexed(value: string): boolean {
  return Buffer.byteLength(value) <= MAX_INDEXED_BYTES && !/^(-\d+|\d{16,})$/.test(value)
}

/** Texts stand in the raw bytes as they are; numbers do not, so that they are let through. */
function mayStand(view: SegmentView, row: number, value: string): boolean {
  if (/^(-?[\d.]+(e[-+]?\d+)?|true|false|NaN|-?Infinity)?$/.test(value)) return true
  const scope = view.scope[row]!
  return (
    view.raw.subarray(view.spanAt[row]!, view.spanEnd[row]!).includes(value) ||
    view.raw.subarray(view.resourceAt[scope]!, view.resourceEnd[scope]!).includes(value)
  )
}

type Enough = (found: readonly SpanRow[]) => boolean

/** A span that came again long after it was stored is in two places. */
function distinct(rows: readonly SpanRow[]): SpanRow[] {
  const seen = new Set<string>()
  return rows.filter(({ traceId, spanId }) => {
    const key = traceId + spanId
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

interface WantedIds {
  readonly a: bigint
  readonly b: bigint
  /** Undefined: every span of the trace. */
  readonly span: bigint | undefined
}

function rowsOfTrace(view: SegmentView, extent: SegmentExtent, { a, b, span: one }: WantedIds): number[] {
  const words = new Uint32Array(BigUint64Array.of(a, b, one ?? 0n).buffer)
  const { trace, span } = view
  const rows: number[] = []
  for (let row = 0, at = 0; row < extent.rows; row++, at += 4) {
    if (
      trace[at] === words[0] &&
      trace[at + 1] === words[1] &&
      trace[at + 2] === words[2] &&
      trace[at + 3] === words[3] &&
      view.duplicate[row] === 0 &&
      (one === undefined || (span[row * 2] === words[4] && span[row * 2 + 1] === words[5]))
    )
      rows.push(row)
  }
  return rows
}

/** Of the span or its resource; an item of a list counts. */
export function hasAttribute(span: ReceivedSpan, key: string, value: string): boolean {
  return isValue(span.attributes.get(key), value) || isValue(span.resource.get(key), value)
}

function isValue(given: AttributeValue | undefined, value: string): boolean {
  if (given === undefined || given === null) return false
  if (Array.isArray(given)) return given.some((item) => isValue(item, value))
  return typeof given !== 'object' && String(given) === value
}
