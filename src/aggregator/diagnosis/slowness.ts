/** What made a hop slow, by the phases of its time. */
import type { DiagnosisName } from '../../core/diagnoses.ts'
import type { Phase } from '../assembly/hop.ts'

/** What is usual at a place, microseconds. */
export interface Expectation {
  readonly medianUs: number
  readonly p95Us: number
  /** Calls that it was learnt from. */
  readonly samples: number
}

export type Measure = 'own' | 'total' | Phase

/** What is usual; undefined: nothing is known yet. `other` is the route of a service, or the peer of a call. */
export interface Expectations {
  of(kind: 'service' | 'call', service: string, other: string, measure: Measure): Expectation | undefined
}

export const NOTHING_KNOWN: Expectations = { of: () => undefined }

const BY_PHASE: Partial<Record<Phase, DiagnosisName>> = {
  queue: 'pool_exhausted',
  dns: 'dns_slow',
  connect: 'network_slow',
  tls: 'network_slow',
  send: 'network_slow',
}

/** A phase counts as the reason when it has so much of the excess. */
const MOST = 0.5

export interface SlowFacts {
  readonly isCall: boolean
  readonly unseen: boolean
  /** Time over what is usual, and the parts of it. */
  readonly excessUs: number
  readonly phases: readonly { readonly phase: Phase; readonly excessUs: number }[]
  /** Of the proxy's own time. */
  readonly selfExcessUs: number
}

export function nameSlowness({ isCall, unseen, excessUs, phases, selfExcessUs }: SlowFacts): {
  readonly diagnosis: DiagnosisName
  /** The phase that shows it, undefined where none does. */
  readonly phase: Phase | undefined
} {
  for (const { phase, excessUs: own } of phases) {
    const diagnosis = BY_PHASE[phase]
    if (diagnosis !== undefined && own > excessUs * MOST) return { diagnosis, phase }
  }
  if (selfExcessUs > excessUs * MOST) return { diagnosis: 'proxy_slow', phase: undefined }
  if (!isCall) return { diagnosis: 'slow_service', phase: undefined }
  return { diagnosis: unseen ? 'slow_dependency' : 'network_slow', phase: undefined }
}
