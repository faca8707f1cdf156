/** What intake acknowledges must be readable later: the scan accepts exactly what the full decoder does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Names } from '../../src/aggregator/intake/names.ts'
import { allocateSegment, SegmentView, TRY } from '../../src/aggregator/intake/segment.ts'
import { type Scanned, SpanScan } from '../../src/aggregator/intake/span-scan.ts'
import { decodeSpan, decodeTraceRequest } from '../../src/aggregator/otlp-decode.ts'
import { durationUs } from '../../src/aggregator/span.ts'
import { placeOf } from '../../src/aggregator/store/block-reader.ts'
import { requestOf } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'

const names = new Names()
const view = new SegmentView(allocateSegment())
const scanner = new SpanScan(names)

function scan(bytes: Uint8Array): Scanned {
  view.raw.set(bytes, 100)
  const place = { frameAt: 84, start: 100, end: 100 + bytes.length, row: 0, scope: 0, received: 0 }
  return scanner.scan(view, place)
}

const request = requestOf(
  [
    rawSpan({
      trace: 'a1',
      span: 'b1',
      name: 'GET /straße',
      startMs: 5,
      ms: 12.5,
      failed: true,
      attributes: {
        'http.response.status_code': 503,
        'url.path': '/orders/77/items?x=1',
        'http.request.header.x-request-id': ['req-1'],
        'server.address': 'stock',
        'error.type': '503',
        'hopscope.direction': 'outbound',
        list: ['a', 'b'],
        half: 0.5,
        yes: true,
      },
    }),
    rawSpan({
      ...{ trace: 'a1', span: 'b2', parent: 'b1', kind: 'client' },
      attributes: { 'server.address': '10.0.0.9', 'hopscope.attempt': 1 },
    }),
    { ...rawSpan({ trace: 'a1', span: 'b3' }), span_id: Buffer.alloc(8) },
    {
      ...rawSpan({ trace: 'a2', span: 'b4' }),
      events: [{ time_unix_nano: '5', name: 'retry', attributes: [{ key: 'n', value: { int_value: 1 } }] }],
      links: [{ trace_id: Buffer.alloc(16, 1), span_id: Buffer.alloc(8, 1) }],
    },
  ],
  'shop',
)

test('rows hold what the spans say', () => {
  const { fault, rows, rejected, scopes } = scan(request)
  assert.deepEqual([fault, rows, rejected, scopes], [undefined, 3, 1, 1])
  assert.equal(names.text(view.service[0]!), 'shop')
  assert.equal(names.text(view.name[0]!), 'GET /straße')
  assert.equal(names.text(view.route[0]!), '/orders/{id}/items')
  assert.equal(names.text(view.peer[0]!), 'stock')
  assert.equal(names.text(view.error[0]!), '503')
  assert.deepEqual([view.http[0], view.status[0], view.kind[0], view.direction[0]], [503, 2, 2, 2])
  assert.equal(view.duration[0], 12_500)
  assert.notEqual(view.requestId[0], 0)
  assert.equal(view.requestId[2], 0)
  assert.equal(names.text(view.route[1]!), 'GET')
  // Whom a try called is told by its exchange.
  assert.deepEqual([view.direction[1], view.peer[1]], [TRY, 0])
})

test('a row leads back to its whole span', () => {
  scan(request)
  const decoded = decodeTraceRequest(request)
  assert.ok(decoded.ok)
  for (const [row, expected] of decoded.spans.entries()) {
    const { scope, ...span } = decodeSpan(view.raw, placeOf(view, row))!
    assert.deepEqual(scope, { name: 'hopscope', version: '1' })
    assert.deepEqual(span, expected)
    assert.equal(view.duration[row], durationUs(expected))
  }
})

test('cut off at any byte it is a fault within', () => {
  for (let end = 1; end < request.length; end++) {
    const { fault } = scan(request.subarray(0, end))
    assert.ok(fault !== undefined, `cut at ${end}`)
    assert.ok(fault.offset >= 0 && fault.offset <= end, `${fault.reason} at ${fault.offset} of ${end}`)
  }
})

test('bytes changed at random: accepted by both or by neither, with the same spans', () => {
  const changes = fc.array(fc.tuple(fc.nat(request.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(changes, (list) => {
      const bytes = Buffer.from(request)
      for (const [at, byte] of list) bytes[at] = byte
      const decoded = decodeTraceRequest(bytes)
      const scanned = scan(bytes)
      // Text that is not UTF-8 is no fault for the scan: it is stored as it is, and repaired when it is read.
      if (!decoded.ok && /UTF-8/.test(decoded.reason)) return
      assert.equal(scanned.fault === undefined, decoded.ok, JSON.stringify([scanned.fault, decoded.ok || decoded]))
      if (decoded.ok) assert.deepEqual([scanned.rows, scanned.rejected], [decoded.spans.length, decoded.rejected])
    }),
    { numRuns: 6_000 },
  )
})

test('no bytes make it throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const { fault } = scan(bytes)
      assert.ok(fault === undefined || (fault.offset >= 0 && fault.offset <= bytes.length))
    }),
    { numRuns: 10_000 },
  )
})

test('spans, scopes and values of one request are bounded', () => {
  const block = (field: number, ...parts: readonly Buffer[]): Buffer => {
    const body = Buffer.concat(parts)
    const length: number[] = []
    let rest = body.length
    for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80)
    return Buffer.concat([Buffer.from([field * 8 + 2, ...length, rest]), body])
  }
  const ids = [block(1, Buffer.alloc(16, 1)), block(2, Buffer.alloc(8, 1))]
  const many = (one: Buffer, count: number): Buffer => Buffer.alloc(one.length * count).fill(one)
  const spans = block(1, block(2, many(block(2, ...ids), 65_537)))
  assert.match(scan(spans).fault!.reason, /more than 65536 spans/)
  const scopes = block(1, many(block(2), 16_385))
  assert.match(scan(scopes).fault!.reason, /more than 16384 scopes/)
  const values = block(1, block(2, block(2, ...ids, many(block(9), 262_145))))
  assert.match(scan(values).fault!.reason, /too many attribute values/)
})
