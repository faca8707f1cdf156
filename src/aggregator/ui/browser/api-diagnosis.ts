/** What the query API says of causes and incidents. */

export interface Cause {
  readonly diagnosis: string
  readonly domain: string
  readonly service: string
  readonly from: string
  readonly route: string
  readonly text: string
  readonly evidence: readonly string[]
  readonly check: string
  readonly weight: number
}

export interface TraceDiagnosis {
  readonly verdict: string
  readonly summary: string
  readonly causes: readonly (Cause & { readonly spanId: string })[]
  readonly note: string
}

export interface Incident {
  readonly id: string
  readonly severity: string
  readonly state: string
  readonly onsetMs: number
  readonly openedMs: number
  readonly closedMs: number | null
  readonly summary: string
  readonly causes: readonly (Cause & { readonly traceIds: readonly string[]; readonly z: number })[]
  readonly timeline: readonly { readonly atMs: number; readonly text: string }[]
}

export interface Watching {
  readonly state: string
  readonly signatures: number
  readonly ready: number
  readonly oneOf: number
  readonly incidents: readonly Incident[]
}
