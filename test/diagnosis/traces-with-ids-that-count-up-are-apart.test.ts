/** Some senders count: their trace ids differ in the digits that come last on the wire, and in no others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TraceWindow } from '../../src/aggregator/diagnosis/trace-window.ts'
import { allocateSegment, SegmentView } from '../../src/aggregator/intake/segment.ts'

const view = new SegmentView(allocateSegment())

/** Traces of two spans each, ids from `first` on; the rows that they take. */
function counted(first: number, traces: number): number {
  const bytes = Buffer.from(view.trace.buffer, view.trace.byteOffset, view.trace.byteLength)
  for (let row = 0; row < traces * 2; row++) {
    bytes.fill(0, row * 16, row * 16 + 16)
    bytes.writeUInt32BE(first + (row >> 1), row * 16 + 12)
    view.span[row * 2] = row + 1
    view.parent[row * 2] = row % 2 === 0 ? 0 : row
    view.service[row] = 1
    view.kind[row] = 2
  }
  return traces * 2
}

test('each of a thousand is a trace of its own, with its own spans', () => {
  const window = new TraceWindow(() => false)
  window.add(view, counted(1, 1000), 100)
  const quiet = [...window.quiet(103)]
  assert.equal(quiet.length, 1000)
  assert.deepEqual([...new Set(quiet.map(({ spans }) => spans.length))], [2])
})

test('under a flood some of them are looked at, neither all nor none', () => {
  const window = new TraceWindow(() => false)
  // A second of some 40,000 spans: the share is known from the first portions on.
  let seen = 0
  for (let portion = 0; portion < 10; portion++) {
    window.add(view, counted(1 + portion * 2000, 2000), 100.1 + portion / 20)
    seen += 2000
  }
  const { oneOf } = window
  assert.ok(oneOf >= 8 && oneOf <= 16, `one of ${oneOf}`)
  const before = [...window.quiet(105)].length
  window.add(view, counted(100_000, 2000), 105)
  window.add(view, counted(102_000, 2000), 105.1)
  const later = [...window.quiet(110)].length
  assert.ok(before > seen / oneOf / 2 && before < seen, `${before} of ${seen}`)
  assert.ok(later > 0 && later < 4000, `${later}`)
})
