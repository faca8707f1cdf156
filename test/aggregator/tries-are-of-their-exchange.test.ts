/** A call that was sent again is one call, on the map and in diagnosis, though its callee names a try as its parent. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Learning } from '../../src/aggregator/diagnosis/learning.ts'
import { CALL, Signatures } from '../../src/aggregator/diagnosis/signatures.ts'
import { TraceWindow } from '../../src/aggregator/diagnosis/trace-window.ts'
import { Names } from '../../src/aggregator/intake/names.ts'
import { allocateSegment, SegmentView } from '../../src/aggregator/intake/segment.ts'
import { SpanScan } from '../../src/aggregator/intake/span-scan.ts'
import { type Edge, Pairing } from '../../src/aggregator/store/pairing.ts'
import { requestOf } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'

const direction = (of: string) => ({ 'hopscope.direction': of })
const tried = (attempt: number) => ({ 'server.address': '10.0.0.9', 'hopscope.attempt': attempt })

/** `shop` serves, calls `stock` twice in one exchange; the second try comes through. */
const shop = [
  rawSpan({ trace: 'a', span: '1', ms: 50, attributes: direction('inbound') }),
  rawSpan({
    ...{ trace: 'a', span: '2', parent: '1', kind: 'client', startMs: 1, ms: 40 },
    attributes: { ...direction('outbound'), 'server.address': 'stock.mesh' },
  }),
  rawSpan({
    ...{ trace: 'a', span: '3', parent: '2', kind: 'client', startMs: 1, ms: 4, failed: true },
    attributes: tried(1),
  }),
  rawSpan({ trace: 'a', span: '4', parent: '2', kind: 'client', startMs: 6, ms: 30, attributes: tried(2) }),
]
const stock = [
  rawSpan({
    ...{ trace: 'a', span: '5', parent: '4', startMs: 7, ms: 28 },
    attributes: { ...direction('inbound'), 'server.address': 'stock.mesh' },
  }),
]

/** Rows of both services' spans, and the names in them. */
function scanned(): { view: SegmentView; rows: number; names: Names } {
  const [names, view] = [new Names(), new SegmentView(allocateSegment())]
  const scan = new SpanScan(names)
  let [at, row, scope] = [100, 0, 0]
  for (const bytes of [requestOf(shop, 'shop'), requestOf(stock, 'stock')]) {
    view.raw.set(bytes, at)
    const found = scan.scan(view, { frameAt: at - 16, start: at, end: at + bytes.length, row, scope, received: 0 })
    assert.equal(found.fault, undefined)
    row += found.rows
    scope += found.scopes
    at += bytes.length + 16
  }
  return { view, rows: row, names }
}

test('the map has one call, and nothing outside', () => {
  const { view, rows, names } = scanned()
  const edges: Edge[] = []
  const pairing = new Pairing({ onEdge: (edge) => edges.push({ ...edge }) })
  pairing.add(view, rows, 1000)
  pairing.add(view, 0, 1_000_000)
  assert.deepEqual(
    edges.map(({ relation, client, server, clientUs }) => [relation, names.text(client), names.text(server), clientUs]),
    [
      [1, '', 'shop', -1],
      [0, 'shop', 'stock', 40_000],
    ],
  )
  assert.equal(names.text(pairing.servedBy(names.find('stock.mesh')!)!), 'stock')
})

test('diagnosis knows who answered the call, and calls nobody by the address that was dialled', () => {
  const { view, rows, names } = scanned()
  const signatures = new Signatures()
  const learning = new Learning(names, signatures, () => {})
  const window = new TraceWindow(() => true)
  window.add(view, rows, 1)
  for (const trace of window.quiet(10)) learning.take(trace, 10)
  const entry = signatures.find(CALL, names.find('shop')!, names.find('stock.mesh')!)
  assert.equal(names.text(entry!.callee), 'stock')
  assert.equal(signatures.find(CALL, names.find('shop')!, names.find('10.0.0.9')!), undefined)
})
