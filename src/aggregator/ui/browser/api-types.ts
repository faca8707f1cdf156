/** What the query API answers, as docs/aggregator.md has it. Times in microseconds (`Us`), milliseconds (`Ms`), nanoseconds as text (`Ns`). */
import type { TraceDiagnosis } from './api-diagnosis.ts'

export interface TraceSummary {
  readonly traceId: string
  readonly service: string
  readonly name: string
  readonly route: string
  readonly http: number
  readonly startNs: string
  readonly durationUs: number
  readonly spans: number
  readonly errors: number
  readonly services: readonly string[]
  readonly rootSeen: boolean
  readonly matched: number
}

export interface SpanLine {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly startNs: string
  readonly durationUs: number
  readonly service: string
  readonly host: string
  readonly name: string
  readonly route: string
  readonly peer: string
  readonly error: string
  readonly outcome: string
  readonly http: number
  readonly kind: string
  readonly failed: boolean
  readonly direction: string
}

export interface LiveTrace {
  readonly traceId: string
  readonly service: string
  readonly name: string
  readonly route: string
  /** Since the epoch. */
  readonly startUs: number
  readonly durationUs: number
  readonly spans: number
  readonly errors: number
  readonly http: number
  readonly services: readonly string[]
  readonly state: string
}

export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain }
export type PlainMap = Readonly<Record<string, Plain>>

/** What `trace/{id}/span/{id}` adds to a hop. */
export interface HopDetails {
  readonly attributes?: PlainMap
  readonly resource?: PlainMap
  readonly scope?: { readonly name: string; readonly version: string }
  readonly statusMessage?: string
  readonly events?: readonly { readonly timeNs: string; readonly name: string; readonly attributes: PlainMap }[]
  readonly links?: readonly { readonly traceId: string; readonly spanId: string; readonly attributes: PlainMap }[]
}

export interface Hop extends HopDetails {
  readonly spanId: string
  readonly parentSpanId: string
  readonly depth: number
  readonly gap: boolean
  readonly service: string
  readonly host: string
  readonly name: string
  readonly route: string
  readonly kind: string
  readonly direction: string
  readonly failed: boolean
  readonly http: number
  readonly error: string
  readonly errorPhase: string
  readonly peer: string
  readonly startUs: number
  readonly durationUs: number
  readonly rawStartNs: string
  readonly shiftUs: number
  /** null: nothing is known. */
  readonly uncertaintyUs: number | null
  readonly exclusiveUs: number
  readonly edgeUs: number | null
  readonly phases: readonly { readonly phase: string; readonly us: number }[]
  readonly selfUs: number
  readonly receivedMs: number
  readonly late: boolean
}

export interface Clock {
  readonly host: string
  readonly offsetUs: number
  readonly uncertaintyUs: number | null
  readonly samples: number
  readonly source: string
  readonly applied: boolean
}

export interface Trace {
  readonly traceId: string
  readonly state: string
  readonly rootSeen: boolean
  readonly quietMs: number
  readonly lateSpans: number
  readonly startNs: string
  readonly durationUs: number
  readonly spans: number
  readonly errors: number
  readonly services: readonly string[]
  readonly clocks: readonly Clock[]
  readonly findings: readonly { readonly kind: string; readonly spanId: string; readonly text: string }[]
  readonly hops: readonly Hop[]
  /** Not in what is assembled, but in every answer. */
  readonly diagnosis?: TraceDiagnosis
}

interface Quantiles {
  readonly p50Us: number | null
  readonly p95Us: number | null
  readonly p99Us: number | null
}

export interface RouteFigures extends Quantiles {
  readonly route: string
  readonly calls: number
  readonly errors: number
}

export interface ServiceFigures extends Quantiles {
  readonly service: string
  readonly spans: number
  readonly calls: number
  readonly errors: number
  readonly routes: readonly RouteFigures[]
}

export interface Services {
  readonly seconds: number
  readonly services: readonly ServiceFigures[]
}

export interface Edge extends Quantiles {
  readonly client: string | null
  readonly server: string
  readonly relation: string
  readonly calls: number
  readonly errors: number
  readonly perSecond: number
  readonly networkP50Us: number | null
  readonly networkP99Us: number | null
}

export interface ServiceMap {
  readonly seconds: number
  readonly edges: readonly Edge[]
}

export interface HeatCell {
  readonly column: number
  readonly bucket: number
  readonly count: number
  readonly errors: number
}

export interface Heatmap {
  readonly fromMs: number
  readonly stepMs: number
  readonly columns: number
  readonly buckets: readonly { readonly bucket: number; readonly fromUs: number; readonly toUs: number }[]
  readonly cells: readonly HeatCell[]
}

export interface Outcomes {
  readonly outcomes: readonly {
    readonly service: string
    readonly route: string
    readonly outcome: string
    readonly count: number
    readonly errors: number
  }[]
}

export interface ClockPairs {
  readonly pairs: readonly {
    readonly client: string
    readonly server: string
    readonly offsetUs?: number
    readonly uncertaintyUs?: number
    readonly samples: number
    readonly impossible: number
    readonly drift: { readonly ppm: number; readonly certain: boolean } | null
    readonly points: readonly { readonly atS: number; readonly offsetUs: number; readonly uncertaintyUs: number }[]
  }[]
}
