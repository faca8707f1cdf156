/** What is said of a trace or of an incident. */
import type { DiagnosisName } from '../../core/diagnoses.ts'
import type { Domain } from '../../core/diagnosis-entry.ts'

/** One cause; the first of a list is the likeliest. */
export interface Cause {
  readonly diagnosis: DiagnosisName
  readonly domain: Domain
  /** The service it is at; of an edge, the one called. */
  readonly service: string
  /** The caller where it is on the way between two; else ''. */
  readonly from: string
  /** The route, where it is one of several; else ''. */
  readonly route: string
  /** One sentence: what, where. */
  readonly text: string
  /** Sentences with figures. */
  readonly evidence: readonly string[]
  /** What to look at next. */
  readonly check: string
  /** 0 to 1: how much of the symptom it explains. */
  readonly weight: number
}

export type TraceVerdict = 'failed' | 'recovered' | 'slow' | 'healthy' | 'unknown'

export interface TraceCause extends Cause {
  /** The hop that explains it. */
  readonly spanId: string
}

/** `recovered`: something failed, and the caller never noticed. `unknown`: the verdict cannot be had; `note` says why. */
export interface TraceDiagnosis {
  readonly verdict: TraceVerdict
  /** One sentence for people. */
  readonly summary: string
  readonly causes: readonly TraceCause[]
  /** What keeps the answer from being sure; '' for nothing. */
  readonly note: string
}
