/** Metrics of the exporter under OpenTelemetry's own names (semantic conventions `otel.sdk.*`). */
import { DROP_REASONS, type ExporterCounts, type RecorderCounts } from './counters.ts'
import type { ScrapedMetric } from './metrics.ts'
import type { LaneCounts } from './otlp-lane.ts'

/** Drops that happen before a span gets to the exporter. What was queued when the thread ended counted as processed. */
const BEFORE_EXPORT = new Set<string>(['ring_full', 'queue_full', 'encode_error'])

export function exporterMetrics(read: () => ExporterCounts): ScrapedMetric[] {
  const one =
    (of: (counts: ExporterCounts) => number): ScrapedMetric['samples'] =>
    () => [{ labels: {}, value: of(read()) }]
  const byReason = (before: boolean, success: (counts: ExporterCounts) => number): ScrapedMetric['samples'] => {
    return () => {
      const counts = read()
      const failed = DROP_REASONS.filter((reason) => BEFORE_EXPORT.has(reason) === before)
      return [
        { labels: { error_type: '' }, value: success(counts) },
        ...failed.map((reason) => ({ labels: { error_type: reason }, value: counts.dropped[reason] })),
      ]
    }
  }
  const taken = (counts: ExporterCounts): number =>
    counts.recorded -
    counts.inRing -
    DROP_REASONS.reduce((sum, r) => sum + (BEFORE_EXPORT.has(r) ? counts.dropped[r] : 0), 0)
  const metric = (
    name: string,
    help: string,
    type: 'counter' | 'gauge',
    samples: ScrapedMetric['samples'],
  ): ScrapedMetric => ({
    name,
    help,
    type,
    samples,
  })
  return [
    metric(
      'otel_sdk_span_started_total',
      'Spans recorded for export.',
      'counter',
      one((c) => c.recorded),
    ),
    metric(
      'otel_sdk_processor_span_processed_total',
      'Spans handed to the exporter; with error_type, dropped before it.',
      'counter',
      byReason(true, taken),
    ),
    metric(
      'otel_sdk_processor_span_queue_size',
      'Spans in the ring.',
      'gauge',
      one((c) => c.inRing),
    ),
    metric(
      'otel_sdk_exporter_span_exported_total',
      'Spans that the collector acknowledged; with error_type, given up.',
      'counter',
      byReason(false, (c) => c.exported),
    ),
    metric(
      'otel_sdk_exporter_span_inflight',
      'Spans that wait for an acknowledgement.',
      'gauge',
      one((c) => c.queued),
    ),
    metric(
      'hopscope_exporter_queue_bytes',
      'Memory of spans that wait.',
      'gauge',
      one((c) => c.queuedBytes),
    ),
    metric(
      'hopscope_exporter_requests_total',
      'Export requests sent.',
      'counter',
      one((c) => c.exports),
    ),
    metric(
      'hopscope_exporter_failures_total',
      'Export requests that failed.',
      'counter',
      one((c) => c.exportFailures),
    ),
    metric(
      'hopscope_exporter_seconds_total',
      'Time that export requests took.',
      'counter',
      one((c) => c.exportSeconds),
    ),
    metric(
      'hopscope_exporter_retries_total',
      'Export requests repeated.',
      'counter',
      one((c) => c.retries),
    ),
    metric(
      'hopscope_exporter_channels_total',
      'Channels opened to the collector.',
      'counter',
      one((c) => c.channels),
    ),
    metric(
      'hopscope_exporter_warnings_total',
      'Warnings of the collector.',
      'counter',
      one((c) => c.warnings),
    ),
    metric(
      'hopscope_access_log_lines_total',
      'Access log lines formatted.',
      'counter',
      one((c) => c.logged),
    ),
    metric(
      'hopscope_access_log_dropped_total',
      'Access log lines lost.',
      'counter',
      one((c) => c.logDropped),
    ),
  ]
}

/** What the flight recorder wrote out and left alone. */
export function recorderMetrics(read: () => RecorderCounts): ScrapedMetric[] {
  const one = (name: string, help: string, of: (counts: RecorderCounts) => number): ScrapedMetric => ({
    ...{ name: `hopscope_recorder_${name}_total`, help, type: 'counter' as const },
    samples: () => [{ labels: {}, value: of(read()) }],
  })
  return [
    one('spans', 'Spans exported though they were not sampled.', ({ spans }) => spans),
    one('traces', 'Traces recorded for what failed or was slow here.', ({ traces }) => traces),
    one('asked', 'Traces that other proxies were asked about.', ({ asked }) => asked),
    one('wanted', 'Traces that other proxies asked about.', ({ wanted }) => wanted),
    one('spared', 'Traces that were left alone, being too many a second.', ({ spared }) => spared),
    one('dumps', 'Files written.', ({ dumps }) => dumps),
    one('faults', 'Records and files that could not be read or written.', ({ faults }) => faults),
  ]
}

/** One line a receiver, where spans are spread over several. */
export function receiverMetrics(read: () => readonly LaneCounts[]): ScrapedMetric[] {
  const each = (
    name: string,
    help: string,
    type: 'counter' | 'gauge',
    of: (counts: LaneCounts) => number,
  ): ScrapedMetric => ({
    ...{ name: `hopscope_exporter_receiver_${name}`, help, type },
    ...(type === 'gauge' ? { aggregator: 'min' } : {}),
    samples: () => read().map((one) => ({ labels: { receiver: one.name }, value: of(one) })),
  })
  return [
    each('up', 'Whether the receiver takes spans of its own traces.', 'gauge', ({ up }) => (up ? 1 : 0)),
    each('spans_total', 'Spans that the receiver acknowledged.', 'counter', ({ spans }) => spans),
    each('failures_total', 'Exports that failed at the receiver.', 'counter', ({ failures }) => failures),
    each('moved_total', 'Spans of the receiver that went to others.', 'counter', ({ moved }) => moved),
  ]
}
