/** The answer for a stretch of time, out of the spans that are kept. */
import type { SegmentView } from '../intake/segment.ts'
import type { IncidentCause } from './incidents.ts'
import type { Retrospect } from './retrospect.ts'

/** What was wrong between two times; the likeliest first. */
export interface LookBack {
  readonly fromMs: number
  readonly toMs: number
  /** Spans that were looked at. */
  readonly spans: number
  /** There were more than are looked at in one go: the end of the time is missing. */
  readonly partial: boolean
  /** Empty: all was as usual, or nothing is known of what is. */
  readonly causes: readonly IncidentCause[]
}

/** Spans as they came, by blocks: rows by time of reception, milliseconds after `baseMs`. */
export type Replay = (
  fromMs: number,
  toMs: number,
  take: (view: SegmentView, rows: number, baseMs: number) => void,
) => Promise<{ readonly partial: boolean }>

export async function lookBack(fromMs: number, toMs: number, back: Retrospect, replay: Replay): Promise<LookBack> {
  let spans = 0
  const { partial } = await replay(fromMs, toMs, (view, rows, baseMs) => {
    for (let from = 0; from < rows; ) {
      const second = secondOf(view, from, baseMs)
      let to = from + 1
      while (to < rows && secondOf(view, to, baseMs) === second) to++
      const atMs = second * 1000
      if (atMs >= fromMs && atMs <= toMs) {
        // Small numbers: signatures count tenths of seconds in 32 bits.
        back.add(view, from, to, (atMs - fromMs) / 1000 + 1)
        spans += to - from
      }
      from = to
    }
  })
  return { fromMs, toMs, spans, partial, causes: back.causes() }
}

const secondOf = (view: SegmentView, row: number, baseMs: number): number =>
  Math.ceil((baseMs + view.received[row]!) / 1000)
