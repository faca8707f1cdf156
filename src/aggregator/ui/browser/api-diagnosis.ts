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
