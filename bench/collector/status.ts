/** What the report asks for. Spans are counted when their export is acknowledged. */
export interface CollectorStatus {
  exports: number
  spans: number
  distinctSpans: number
  isDistinctFull: boolean
  badExports: number
  bytes: number
}
