import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_DEPTH } from '../../src/aggregator/otlp-attributes.ts'
import { decodeTraceRequest, MAX_SPANS } from '../../src/aggregator/otlp-decode.ts'
import { durationUs, serviceOf } from '../../src/aggregator/span.ts'
import { id, requestOf, SPAN, TRACE } from './otlp-messages.ts'

const START = 1_789_000_000_123_456_789n

const full = requestOf([
  {
    trace_id: id(TRACE),
    span_id: id(SPAN),
    parent_span_id: id('1122334455667788'),
    trace_state: 'a=1',
    name: 'GET /straße',
    kind: 2,
    start_time_unix_nano: String(START),
    end_time_unix_nano: String(START + 1_234_567n),
    attributes: [
      { key: 'int', value: { int_value: '-7' } },
      { key: 'big', value: { int_value: '9223372036854775807' } },
      { key: 'least', value: { int_value: '-9223372036854775808' } },
      { key: 'double', value: { double_value: 0.5 } },
      { key: 'bool', value: { bool_value: true } },
      { key: 'list', value: { array_value: { values: [{ string_value: 'a' }, { bool_value: false }] } } },
    ],
    events: [{ time_unix_nano: '5', name: 'retry', attributes: [{ key: 'n', value: { int_value: '1' } }] }],
    links: [{ trace_id: id(TRACE), span_id: id(SPAN), attributes: [] }],
    status: { code: 2, message: 'broken' },
    flags: 0x301,
  },
])

const length = (value: number): Buffer => {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}
const block = (field: number, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([field * 8 + 2]), length(body.length), body])
}
const IDS = [block(1, id(TRACE)), block(2, id(SPAN))]
const withSpan = (...fields: readonly Buffer[]): Buffer => block(1, block(2, block(2, ...IDS, ...fields)))

function fault(bytes: Buffer): { offset: number; reason: string } {
  const decoded = decodeTraceRequest(bytes)
  assert.equal(decoded.ok, false, 'it was taken')
  return decoded as { ok: false; offset: number; reason: string }
}

test('what another encoder wrote comes out as it went in, to the nanosecond', () => {
  const decoded = decodeTraceRequest(full)
  assert.ok(decoded.ok)
  assert.equal(decoded.rejected, 0)
  const span = decoded.spans[0]!
  assert.deepEqual(
    [span.traceId, span.spanId, span.parentSpanId, span.traceState, span.name, span.kind, span.flags],
    [TRACE, SPAN, '1122334455667788', 'a=1', 'GET /straße', 'server', 0x301],
  )
  assert.deepEqual([span.startNs, span.endNs], [START, START + 1_234_567n])
  assert.equal(durationUs(span), 1234.567)
  assert.equal(serviceOf(span), 'shop')
  assert.deepEqual(span.status, { code: 'error', message: 'broken' })
  assert.deepEqual(
    [...span.attributes],
    [
      ['int', -7],
      ['big', 9223372036854775807n],
      ['least', -9223372036854775808n],
      ['double', 0.5],
      ['bool', true],
      ['list', ['a', false]],
    ],
  )
  assert.deepEqual(span.events, [{ timeNs: 5n, name: 'retry', attributes: new Map([['n', 1]]) }])
  assert.deepEqual(span.links, [{ traceId: TRACE, spanId: SPAN, attributes: new Map() }])
})

test('a request cut off at any byte is a fault within it, but for the empty one', () => {
  for (let end = 1; end < full.length; end++) {
    const { offset, reason } = fault(full.subarray(0, end))
    assert.ok(offset >= 0 && offset <= end, `${reason} at ${offset} of ${end}`)
    assert.notEqual(reason, '')
  }
  assert.deepEqual(decodeTraceRequest(Buffer.alloc(0)), { ok: true, spans: [], rejected: 0 })
})

test('no bytes make it throw', () => {
  const settled = (bytes: Uint8Array): void => {
    const decoded = decodeTraceRequest(Buffer.from(bytes))
    if (!decoded.ok) assert.ok(decoded.offset >= 0 && decoded.offset <= bytes.length, JSON.stringify(decoded))
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), settled), { numRuns: 5000 })
  const changes = fc.array(fc.tuple(fc.nat(full.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  const changed = (list: readonly (readonly [number, number])[]): void => {
    const bytes = Buffer.from(full)
    for (const [at, byte] of list) bytes[at] = byte
    settled(bytes)
  }
  fc.assert(fc.property(changes, changed), { numRuns: 6_000 })
})

test('each fault says what is wrong', () => {
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.from([0x02]), /field number 0/],
    [Buffer.from([0x0b]), /ResourceSpans|resource_spans has wire type group start/],
    [Buffer.from([0x0a, 0x05, 0x00]), /length 5 is over the 1 bytes that follow/],
    [withSpan(Buffer.from([0x32, 0x00])), /Span\.kind has wire type bytes/],
    [withSpan(Buffer.from([0x39, 1, 2, 3])), /3 bytes where 8 should follow/],
    [withSpan(block(5, Buffer.from([0xff, 0xfe]))), /text is not UTF-8/],
    [withSpan(Buffer.from([0x30, ...Array(10).fill(0xff), 0x01])), /varint over 64 bits/],
    [withSpan(Buffer.from([0xa3, 0x06])), /wire type group start/],
  ]
  for (const [bytes, expected] of cases) assert.match(fault(bytes).reason, expected)
})

test('fields that nobody knows yet are stepped over', () => {
  // Field 1000: once as a varint, once as bytes.
  const later = [Buffer.from([0xc0, 0x3e, 0x96, 0x01]), Buffer.from([0xc2, 0x3e, 0x01, 0x78])]
  const decoded = decodeTraceRequest(withSpan(...later, block(5, Buffer.from('kept'))))
  assert.ok(decoded.ok)
  assert.equal(decoded.spans[0]?.name, 'kept')
})

test('the resource counts for spans that stand before it on the wire', () => {
  const name = block(1, Buffer.from('service.name'))
  const resource = block(1, block(1, name, block(2, block(1, Buffer.from('late')))))
  const decoded = decodeTraceRequest(block(1, block(2, block(2, ...IDS)), resource))
  assert.ok(decoded.ok)
  assert.equal(serviceOf(decoded.spans[0]!), 'late')
})

test('a span without proper ids is rejected alone, and a parent of zeros is no parent', () => {
  const good = { trace_id: id(TRACE), span_id: id(SPAN), parent_span_id: Buffer.alloc(8), name: 'root' }
  const bad = [
    { ...good, trace_id: Buffer.alloc(16) },
    { ...good, trace_id: id('abcd') },
    { ...good, span_id: Buffer.alloc(0) },
    { ...good, parent_span_id: id('ab') },
  ]
  const decoded = decodeTraceRequest(requestOf([...bad, good]))
  assert.ok(decoded.ok)
  assert.equal(decoded.rejected, bad.length)
  assert.deepEqual(
    decoded.spans.map(({ name, parentSpanId }) => [name, parentSpanId]),
    [['root', '']],
  )
})

test('depth and number are bounded', () => {
  const nested = (depth: number): Buffer => {
    let value = block(1, Buffer.from('core'))
    for (let i = 0; i < depth; i++) value = block(5, block(1, value))
    return withSpan(block(9, block(1, Buffer.from('k')), block(2, value)))
  }
  assert.equal(decodeTraceRequest(nested(MAX_DEPTH - 1)).ok, true)
  assert.match(fault(nested(MAX_DEPTH)).reason, /nested over 16 deep/)
  assert.match(fault(nested(2000)).reason, /nested over 16 deep/)

  const span = block(2, ...IDS)
  const many = (count: number): Buffer => block(1, block(2, Buffer.alloc(span.length * count).fill(span)))
  assert.equal(decodeTraceRequest(many(MAX_SPANS)).ok, true)
  assert.match(fault(many(MAX_SPANS + 1)).reason, /more than 65536 spans/)
})
