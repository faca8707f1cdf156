/** Names of the fields of trace.proto and common.proto by number, for faults: a field known by number has its wire type. */

export const REQUEST = { 1: 'ExportTraceServiceRequest.resource_spans' }
export const RESOURCE_SPANS = { 1: 'ResourceSpans.resource', 2: 'ResourceSpans.scope_spans' }
export const RESOURCE = { 1: 'Resource.attributes' }
export const SCOPE_SPANS = { 1: 'ScopeSpans.scope', 2: 'ScopeSpans.spans' }
export const SPAN = {
  1: 'Span.trace_id',
  2: 'Span.span_id',
  3: 'Span.trace_state',
  4: 'Span.parent_span_id',
  5: 'Span.name',
  6: 'Span.kind',
  7: 'Span.start_time_unix_nano',
  8: 'Span.end_time_unix_nano',
  9: 'Span.attributes',
  11: 'Span.events',
  13: 'Span.links',
  15: 'Span.status',
  16: 'Span.flags',
}
export const EVENT = { 1: 'Event.time_unix_nano', 2: 'Event.name', 3: 'Event.attributes' }
export const LINK = { 1: 'Link.trace_id', 2: 'Link.span_id', 4: 'Link.attributes' }
export const SCOPE = {
  1: 'InstrumentationScope.name',
  2: 'InstrumentationScope.version',
  3: 'InstrumentationScope.attributes',
}
export const STATUS = { 2: 'Status.message', 3: 'Status.code' }
export const KEY_VALUE = { 1: 'KeyValue.key', 2: 'KeyValue.value' }
export const LIST = { 1: 'values' }
export const ANY_VALUE = {
  1: 'AnyValue.string_value',
  2: 'AnyValue.bool_value',
  3: 'AnyValue.int_value',
  4: 'AnyValue.double_value',
  5: 'AnyValue.array_value',
  6: 'AnyValue.kvlist_value',
  7: 'AnyValue.bytes_value',
}
