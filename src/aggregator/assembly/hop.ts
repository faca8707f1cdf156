/** A trace as the page and the diagnosis see it: hops in order, with what each did and how sure that is. */
import type { SpanKind } from '../span.ts'
import type { HostClock } from './clocks.ts'

export const PHASES = ['queue', 'dns', 'connect', 'tls', 'send', 'wait', 'receive'] as const
export type Phase = (typeof PHASES)[number]

/** Times are microseconds; starts count from the start of the trace, by the reference clock. */
export interface Hop {
  readonly spanId: string
  /** '' at the root. */
  readonly parentSpanId: string
  /** Steps from its root. */
  readonly depth: number
  /** No span came: others name it as their parent. */
  readonly gap: boolean
  readonly service: string
  readonly host: string
  readonly name: string
  readonly route: string
  readonly kind: SpanKind
  /** Of a proxy of ours: `inbound`, `outbound`, `edge`; else ''. */
  readonly direction: string
  readonly failed: boolean
  readonly http: number
  /** Error code or type. */
  readonly error: string
  readonly errorPhase: string
  readonly peer: string
  readonly startUs: number
  readonly durationUs: number
  /** As its own clock had it, nanoseconds since the epoch. */
  readonly rawStartNs: string
  /** What was taken off its raw times for its clock. */
  readonly shiftUs: number
  /** How far its start can be off against the reference clock. */
  readonly uncertaintyUs: number
  /** Duration in which none of its children ran. */
  readonly exclusiveUs: number
  /** Of a hop called by another service: the caller's duration less this one's, the network and both kernels; else null. */
  readonly edgeUs: number | null
  /** Phases in order of time. Empty for spans of other tracers. */
  readonly phases: readonly { readonly phase: Phase; readonly us: number }[]
  /** The proxy's own time, -1 where it is not known. */
  readonly selfUs: number
  /** When it came here, milliseconds since the epoch. */
  readonly receivedMs: number
  /** It came when the trace had been quiet. */
  readonly late: boolean
}

/** Something that should be there and is not, or cannot be as it is said. */
export interface Finding {
  readonly kind: 'missing-parent' | 'handover-failed' | 'impossible-order' | 'longer-than-caller' | 'clock-unknown'
  /** The hop that it is about. */
  readonly spanId: string
  /** One sentence with names and figures. */
  readonly text: string
}

/** `open`: spans are still coming. `complete`: root and all named parents are here. `cut`: there are more than are read. */
export type TraceState = 'open' | 'complete' | 'gaps' | 'rootless' | 'cut'

export interface AssembledTrace {
  readonly traceId: string
  readonly state: TraceState
  readonly rootSeen: boolean
  /** Milliseconds since the last span came. */
  readonly quietMs: number
  readonly lateSpans: number
  /** Nanoseconds since the epoch, by the reference clock. */
  readonly startNs: string
  readonly durationUs: number
  readonly spans: number
  readonly errors: number
  readonly services: readonly string[]
  readonly clocks: readonly HostClock[]
  readonly findings: readonly Finding[]
  /** Parents before children. */
  readonly hops: readonly Hop[]
}
