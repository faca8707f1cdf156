/** What the data thread and the telemetry thread say to each other, apart from the ring. */
import type { LogFields } from '../core/log.ts'
import type { LaneCounts } from './otlp-lane.ts'
import type { RecorderOptions } from './recorder/options.ts'

/** OTLP settings as they cross to the thread. PEM fields hold text. */
export interface OtlpOptions {
  /** `http://host:4317`, or `https://…` for TLS. */
  readonly endpoint: string
  /** Several receivers: each address of each of these; the spans of a trace go to one of them. Goes before `endpoint`. */
  readonly endpoints?: readonly string[] | undefined
  readonly caPem?: string | undefined
  readonly certPem?: string | undefined
  readonly keyPem?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** Default `none`: on one core compression costs more than the bytes on most networks. */
  readonly compression?: 'gzip' | 'none'
  /** One export, default 10000. */
  readonly timeoutMs?: number
  /** Spans in one export, default 1024: fewer, larger ones cost less, a collection of garbage each. */
  readonly batchSpans?: number
  /** Spans that wait, in bytes, default 16 MiB. */
  readonly queueBytes?: number
  /** Exports in flight, default 4. */
  readonly maxInflight?: number
  /** Age at which undelivered spans are dropped, default 120000. */
  readonly maxAgeMs?: number
}

export interface WorkerOptions {
  readonly ring: SharedArrayBuffer
  readonly counters: SharedArrayBuffer
  readonly otlp: OtlpOptions | undefined
  readonly resource: Readonly<Record<string, string>>
  readonly version: string
  /** Longest wait of a span before it is sent. */
  readonly scheduleMs: number
  /** Standard output, or another descriptor in tests. */
  readonly accessLogFd: number
  readonly redactQuery: readonly string[]
  readonly recorder?: RecorderOptions
  /** Microseconds from the data thread's clock to Unix time. */
  readonly originUs: number
}

export type ToWorker = { readonly type: 'wake' } | { readonly type: 'close'; readonly deadlineMs: number }

export type FromWorker =
  | { readonly type: 'warn'; readonly message: string; readonly fields: LogFields }
  /** Only where there are several receivers. */
  | { readonly type: 'receivers'; readonly receivers: readonly LaneCounts[] }
  | { readonly type: 'closed' }
