/** A segment on the intake thread: its views and how far it is filled. */
import { type SegmentExtent, type SegmentMemory, SegmentView } from './segment.ts'

export class HotSegment implements SegmentExtent {
  readonly view: SegmentView
  sequence = 0
  bytes = 0
  rows = 0
  scopes = 0
  baseMs = 0

  constructor(memory: SegmentMemory) {
    this.view = new SegmentView(memory)
  }

  begin(sequence: number, baseMs: number): void {
    this.sequence = sequence
    this.baseMs = baseMs
    this.bytes = this.rows = this.scopes = 0
  }

  /** What another thread needs to read what is there now. */
  extent(): SegmentExtent {
    const { sequence, bytes, rows, scopes, baseMs } = this
    return { sequence, bytes, rows, scopes, baseMs }
  }
}
