/** Span metrics under the names of OpenTelemetry's span metrics connector: calls and durations by service and span. */
import type { Names } from '../intake/names.ts'
import type { SegmentView } from '../intake/segment.ts'
import { isMeasure } from '../measure.ts'
import { bucketOf, type Exemplar, type Histogram, histogramLines, labelText } from './exposition.ts'

/** Default buckets of the connector, milliseconds. */
export const DURATION_BOUNDS_MS = [2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000]
/** Series at once; further combinations go to one cell of their own. */
const MAX_CELLS = 4096

const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'].map((kind) => `SPAN_KIND_${kind}`)
const CODES = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR']

interface Cell extends Histogram {
  readonly labels: string
  /** The last span of each bucket, by its ids in words. */
  readonly exemplars: Map<number, Exemplar>
  /** Spans that were counted. */
  seen: number
  /** Calls, weighed, whose duration is none. */
  overlong: number
}

export class SpanMetrics {
  readonly #names: Names
  readonly #cells = new Map<number, Cell>()
  #overflow: Cell | undefined
  #overlongSpans = 0

  constructor(names: Names) {
    this.#names = names
  }

  add(view: SegmentView, rows: number): void {
    for (let row = 0; row < rows; row++) {
      const weight = view.weight[row]!
      if (view.duplicate[row] === 1 || weight === 0) continue
      const cell = this.#cell(view, row)
      const durationUs = view.duration[row]!
      if (!isMeasure(durationUs)) {
        cell.overlong += weight
        this.#overlongSpans++
        continue
      }
      const ms = durationUs / 1000
      const bucket = bucketOf(DURATION_BOUNDS_MS, ms)
      const isFirst = cell.counts[bucket] === 0
      cell.counts[bucket]! += weight
      cell.sum += ms * weight
      // One of so many is enough, and spares the making of text.
      if (isFirst || (++cell.seen & 63) === 0) cell.exemplars.set(bucket, exemplarOf(view, row, ms))
    }
  }

  text(): string {
    const cells = [...this.#cells.values(), ...(this.#overflow === undefined ? [] : [this.#overflow])]
    let calls = '# TYPE traces_span_metrics_calls counter\n'
    let durations =
      '# TYPE traces_span_metrics_duration_milliseconds histogram\n# UNIT traces_span_metrics_duration_milliseconds milliseconds\n'
    for (const cell of cells) {
      const total = cell.counts.reduce((a, b) => a + b, cell.overlong)
      calls += `traces_span_metrics_calls_total{${cell.labels}} ${Math.round(total)}\n`
      const name = 'traces_span_metrics_duration_milliseconds'
      durations += histogramLines(name, cell.labels, DURATION_BOUNDS_MS, cell, (bucket) => cell.exemplars.get(bucket))
    }
    const overlong =
      '# TYPE hopscope_aggregator_overlong_spans counter\n' +
      '# HELP hopscope_aggregator_overlong_spans Spans of more than seven days: calls whose duration is in no histogram.\n' +
      `hopscope_aggregator_overlong_spans_total ${this.#overlongSpans}\n`
    return calls + durations + overlong
  }

  #cell(view: SegmentView, row: number): Cell {
    // Below 2^53: names have 18 bits.
    const pair = view.service[row]! * 262_144 + view.name[row]!
    const key = (pair * 8 + view.kind[row]!) * 4 + view.status[row]!
    const known = this.#cells.get(key)
    if (known !== undefined) return known
    if (this.#cells.size >= MAX_CELLS) {
      this.#overflow ??= cellOf('otel_metric_overflow="true"')
      return this.#overflow
    }
    const cell = cellOf(
      labelText([
        ['service_name', this.#names.text(view.service[row]!)],
        ['span_name', this.#names.text(view.name[row]!)],
        ['span_kind', KINDS[view.kind[row]!] ?? KINDS[0]!],
        ['status_code', CODES[view.status[row]!] ?? CODES[0]!],
      ]),
    )
    this.#cells.set(key, cell)
    return cell
  }
}

function cellOf(labels: string): Cell {
  const counts = new Float64Array(DURATION_BOUNDS_MS.length + 1)
  return { labels, counts, sum: 0, exemplars: new Map(), seen: 0, overlong: 0 }
}

function exemplarOf(view: SegmentView, row: number, value: number): Exemplar {
  const trace = Buffer.from(view.trace.buffer, view.trace.byteOffset + row * 16, 16).toString('hex')
  const span = Buffer.from(view.span.buffer, view.span.byteOffset + row * 8, 8).toString('hex')
  const startS = (view.start[row * 2 + 1]! * 0x100000000 + view.start[row * 2]!) / 1e9
  return { traceId: trace, spanId: span, value, timestampS: startS }
}
