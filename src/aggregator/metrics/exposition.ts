/** Lines of the OpenMetrics text format (prometheus.io/docs/specs/om/open_metrics_spec). */

export type Labels = readonly (readonly [string, string])[]

export function labelText(labels: Labels): string {
  return labels.map(([name, value]) => `${name}="${escaped(value)}"`).join(',')
}

const escaped = (value: string): string =>
  /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value

export interface Exemplar {
  readonly traceId: string
  readonly spanId: string
  readonly value: number
  readonly timestampS: number
}

/** Counts in buckets by upper bound, the last one for everything beyond. Spans of sampled traces count for several. */
export interface Histogram {
  readonly counts: Float64Array
  sum: number
}

export function histogramLines(
  name: string,
  labels: string,
  bounds: readonly number[],
  histogram: Histogram,
  exemplarOf: (bucket: number) => Exemplar | undefined = () => undefined,
): string {
  let lines = ''
  let total = 0
  for (let bucket = 0; bucket <= bounds.length; bucket++) {
    total += histogram.counts[bucket]!
    const le = bucket < bounds.length ? String(bounds[bucket]) : '+Inf'
    lines += `${name}_bucket{${labels},le="${le}"} ${Math.round(total)}${exemplarText(exemplarOf(bucket))}\n`
  }
  return `${lines}${name}_sum{${labels}} ${histogram.sum}\n${name}_count{${labels}} ${Math.round(total)}\n`
}

function exemplarText(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return ''
  const { traceId, spanId, value, timestampS } = exemplar
  return ` # {trace_id="${traceId}",span_id="${spanId}"} ${value} ${timestampS.toFixed(3)}`
}

/** The bucket that a value belongs to. */
export function bucketOf(bounds: readonly number[], value: number): number {
  let bucket = 0
  while (bucket < bounds.length && value > bounds[bucket]!) bucket++
  return bucket
}
