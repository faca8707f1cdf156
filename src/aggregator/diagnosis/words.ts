/** Figures in words. */
import { DIAGNOSES, type DiagnosisName } from '../../core/diagnoses.ts'
import { microseconds } from '../assembly/findings.ts'
import type { Cause } from './diagnosis.ts'

export { microseconds }

export interface Place {
  readonly service: string
  /** The caller of an edge; '' for the service itself. */
  readonly from: string
  readonly route: string
}

/** `orders → payments`, `payments POST /charges`, `payments`. */
export function placeText({ service, from, route }: Place): string {
  if (from !== '') return `${from} → ${service}`
  return route === '' ? service : `${service} ${route}`
}

export function causeAt(diagnosis: DiagnosisName, place: Place, evidence: readonly string[], weight: number): Cause {
  const { domain, title, check } = DIAGNOSES[diagnosis]
  const text = `${placeText(place)}: ${title}`
  return { diagnosis, domain, ...place, text, evidence, check, weight: Math.round(weight * 1000) / 1000 }
}

export function percent(share: number): string {
  const of100 = share * 100
  return `${of100 >= 10 || of100 === 0 ? Math.round(of100) : of100.toFixed(1)} %`
}
