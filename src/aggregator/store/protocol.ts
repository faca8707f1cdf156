/** What the intake thread and the store thread say to each other. */
import type { Incident } from '../diagnosis/incidents.ts'
import type { SegmentExtent, SegmentMemory } from '../intake/segment.ts'
import type { WalSync } from '../intake/wal.ts'
import type { ReplicaSecurity } from '../replicas/client.ts'
import type { Fleet } from '../replicas/fleet-spans.ts'
import type { TailSamplingOptions } from '../sampling/tail-sampler.ts'
import type { RefusedSpans } from './clickhouse.ts'

/** workerData of the store thread. */
export interface StoreSettings {
  readonly folder: string
  /** Span files older than this go, milliseconds. */
  readonly maxAgeMs: number
  /** With more bytes than this on disk the oldest files go. */
  readonly maxBytes: number
  /** Memory of the database engine. */
  readonly memoryBytes: number
  readonly sync: WalSync
  /** Length of an epoch in which diagnosis learns what is usual. */
  readonly epochMs: number
  readonly clickhouse: { readonly url: string; readonly username: string; readonly password: string } | undefined
  /** Which traces are stored; undefined: all. */
  readonly sampling: (TailSamplingOptions & { readonly heldSegments: number }) | undefined
  /** How other replicas are asked; undefined: there are none. */
  readonly replicas: ReplicaSecurity | undefined
}

/** A segment as it is now: the memory, and how far it may be read. */
export interface SharedSegment extends SegmentExtent {
  readonly memory: SegmentMemory
}

/** Names with their numbers rise without gaps; `first` is the number of the first one here. */
export interface NewNames {
  readonly first: number
  readonly texts: readonly string[]
}

/** A request of the query API, as the HTTP server got it. */
export interface ApiRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
}

export interface ApiResponse {
  readonly status: number
  readonly contentType: string
  readonly body: string | Uint8Array
  /** Replicas that the answer lacks. */
  readonly missing?: readonly string[]
}

export type ToStore =
  | { readonly kind: 'store'; readonly segment: SharedSegment; readonly names: NewNames }
  | {
      readonly kind: 'api'
      readonly id: number
      readonly request: ApiRequest
      /** Segments that are not known to be stored, the open one included. */
      readonly live: readonly SharedSegment[]
      readonly names: NewNames
      /** Who is asked as well; undefined: this one alone. */
      readonly fleet: Fleet | undefined
    }
  | {
      /** Another replica asks. */
      readonly kind: 'ask'
      readonly id: number
      readonly question: string
      readonly live: readonly SharedSegment[]
      readonly names: NewNames
    }
  | { readonly kind: 'metrics'; readonly id: number; readonly names: NewNames }
  | { readonly kind: 'close' }

export type FromStore =
  | {
      readonly kind: 'ready'
      /** Segments below this number are stored. */
      readonly storedBelow: number
      readonly names: readonly string[]
    }
  | { readonly kind: 'stored'; readonly sequence: number; readonly counters: StoreCounters }
  | { readonly kind: 'answer'; readonly id: number; readonly response: ApiResponse }
  | { readonly kind: 'traces'; readonly traces: readonly LiveTrace[] }
  | { readonly kind: 'incident'; readonly incident: Incident; readonly change: IncidentChange }
  | { readonly kind: 'fault'; readonly message: string }
  | { readonly kind: 'damaged'; readonly path: string; readonly message: string }
  | ({ readonly kind: 'refused' } & RefusedSpans)
  | { readonly kind: 'closed' }

export type IncidentChange = 'opened' | 'changed' | 'closed'

/** Figures of the store for its own metrics. */
export interface StoreCounters {
  readonly files: number
  readonly bytes: number
  readonly rows: number
  readonly expiredFiles: number
  /** Spans of healthy traces that were not stored. */
  readonly sampledOut: number
  /** Segments whose traces were decided on before their time. */
  readonly decidedEarly: number
}

/** A trace that went quiet, for the live tail. */
export interface LiveTrace {
  readonly traceId: string
  readonly service: string
  readonly name: string
  readonly route: string
  readonly startUs: number
  readonly durationUs: number
  readonly spans: number
  readonly errors: number
  readonly http: number
  readonly services: readonly string[]
  readonly state: TraceState
}

/** `complete`: root and every named parent seen. `gaps`: parents are missing. `rootless`: no root was seen. */
export type TraceState = 'complete' | 'gaps' | 'rootless'
