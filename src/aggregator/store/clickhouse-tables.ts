/** The tables of OpenTelemetry's ClickHouse exporter, so that what reads them reads ours. */

const CODEC = 'CODEC(ZSTD(1))'

/** `days`: whole parts older than that go. */
export const createTraces = (days: number): string => `
CREATE TABLE IF NOT EXISTS otel_traces (
  Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)),
  TraceId String ${CODEC},
  SpanId String ${CODEC},
  ParentSpanId String ${CODEC},
  TraceState String ${CODEC},
  SpanName LowCardinality(String) ${CODEC},
  SpanKind LowCardinality(String) ${CODEC},
  ServiceName LowCardinality(String) ${CODEC},
  ResourceAttributes Map(LowCardinality(String), String) ${CODEC},
  ScopeName String ${CODEC},
  ScopeVersion String ${CODEC},
  SpanAttributes Map(LowCardinality(String), String) ${CODEC},
  Duration UInt64 ${CODEC},
  StatusCode LowCardinality(String) ${CODEC},
  StatusMessage String ${CODEC},
  Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)) ${CODEC},
  Links Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String)) ${CODEC},
  INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX idx_duration Duration TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
TTL toDateTime(Timestamp) + toIntervalDay(${days})
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000`

export const createTraceTimes = (days: number): string => `
CREATE TABLE IF NOT EXISTS otel_traces_trace_id_ts (
  TraceId String ${CODEC},
  Start DateTime CODEC(Delta, ZSTD(1)),
  End DateTime CODEC(Delta, ZSTD(1)),
  INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(Start)
ORDER BY (TraceId, Start)
TTL toDateTime(Start) + toIntervalDay(${days})
SETTINGS ttl_only_drop_parts = 1`

export const CREATE_TRACE_TIMES_VIEW = `
CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts AS
SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End FROM otel_traces WHERE TraceId != '' GROUP BY TraceId`
