import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { field, fields, type Message } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain, type ProxyOptions } from '../support/proxy.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const PARENT = `00-${TRACE}-${SPAN}-01`

/** The request as the upstream got it. */
async function sent(t: TestContext, lines: readonly string[], options: ProxyOptions = {}): Promise<Message> {
  const { origin, dial } = await chain(t, await Origin.answering(() => ok('x')), options)
  const client = await dial()
  client.send(`GET / HTTP/1.1\r\nHost: api.example:8080\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`)
  assert.equal((await client.message()).status, 200)
  return origin.requests[0]!
}

interface Parent {
  version: string
  trace: string
  span: string
  flags: string
}

function parentOf(request: Message): Parent {
  const all = fields(request, 'traceparent')
  assert.equal(all.length, 1)
  assert.match(all[0]!, /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/)
  const [version = '', trace = '', span = '', flags = ''] = all[0]!.split('-')
  return { version, trace, span, flags }
}

test('without one, a trace begins: random and sampled', async (t) => {
  const { version, flags } = parentOf(await sent(t, []))
  assert.deepEqual([version, flags], ['00', '03'])
  assert.equal(parentOf(await sent(t, [], { sample: false })).flags, '02')
})

const ADOPTED: [string, string, string][] = [
  ['version 00', PARENT, '01'],
  ['the random bit, passed on', `00-${TRACE}-${SPAN}-03`, '03'],
  ['the random bit alone', `00-${TRACE}-${SPAN}-02`, '03'],
  ['flags that mean nothing yet, cleared', `00-${TRACE}-${SPAN}-ff`, '03'],
  ['a later version with more behind', `cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, '01'],
  ['a later version of this length', `cc-${TRACE}-${SPAN}-01`, '01'],
  ['white space around it', `  ${PARENT}\t`, '01'],
]
for (const [what, value, flags] of ADOPTED) {
  test(`${what}: the trace goes on with a span of ours`, async (t) => {
    const parent = parentOf(await sent(t, [`TraceParent: ${value}`, 'tracestate: a=1']))
    assert.deepEqual([parent.version, parent.trace, parent.flags], ['00', TRACE, flags])
    assert.notEqual(parent.span, SPAN)
  })
}

const RESTARTED: [string, string[]][] = [
  ['version ff', [`traceparent: ff-${TRACE}-${SPAN}-01`]],
  ['version 00 with more behind', [`traceparent: ${PARENT}-x`]],
  ['a later version with more behind and no dash', [`traceparent: cc-${TRACE}-${SPAN}-01.x`]],
  ['upper case', [`traceparent: ${PARENT.toUpperCase()}`]],
  ['zeros as trace', [`traceparent: 00-${'0'.repeat(32)}-${SPAN}-01`]],
  ['zeros as span', [`traceparent: 00-${TRACE}-${'0'.repeat(16)}-01`]],
  ['too short', [`traceparent: ${PARENT.slice(0, -1)}`]],
  ['not hex', [`traceparent: 00-${TRACE.replace('4', 'g')}-${SPAN}-01`]],
  ['two of them', [`traceparent: ${PARENT}`, `traceparent: ${PARENT}`]],
  ['an empty one', ['traceparent:']],
  ['tracestate alone', []],
]
for (const [what, lines] of RESTARTED) {
  test(`${what}: the trace begins anew and tracestate goes`, async (t) => {
    const request = await sent(t, [...lines, 'tracestate: a=1'])
    const parent = parentOf(request)
    assert.notEqual(parent.trace, TRACE)
    assert.equal(parent.flags, '03')
    assert.deepEqual(fields(request, 'tracestate'), [])
  })
}

const LONG = 'k'.repeat(256)
const STATES: [string, string[], string | undefined][] = [
  ['one', ['foo=1,bar=2'], 'foo=1,bar=2'],
  ['several fields, in order', ['foo=1', 'bar=2,', 'baz=3'], 'foo=1,bar=2,,baz=3'],
  ['white space and empty members', ['foo=1 \t , \t bar=2,,'], 'foo=1 \t , \t bar=2,,'],
  ['the longest key and value', [`${LONG}=${'v'.repeat(256)}`], `${LONG}=${'v'.repeat(256)}`],
  ['an @ anywhere but first', ['t@v@w=1'], 't@v@w=1'],
  ['a key that comes twice', ['foo=1,foo=2'], 'foo=1,foo=2'],
  ['32 members', [Array.from({ length: 32 }, (_, i) => `k${i}=1`).join(',')], undefined],
]
for (const [what, values, wanted] of STATES) {
  test(`tracestate, ${what}: passed on`, async (t) => {
    const request = await sent(t, [`traceparent: ${PARENT}`, ...values.map((value) => `tracestate: ${value}`)])
    assert.equal(parentOf(request).trace, TRACE)
    assert.equal(fields(request, 'tracestate').join(','), wanted ?? values.join(','))
  })
}

for (const [what, value] of [
  ['33 members', Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(',')],
  ['a key in upper case', 'FOO=1'],
  ['no value', 'foo='],
  ['no key', '=1'],
  ['no equals sign', 'foo'],
  ['two equals signs', 'foo=1=2'],
  ['a key too long', `${LONG}k=1`],
  ['an @ first', '@foo=1'],
] as const) {
  test(`tracestate with ${what}: dropped, the trace goes on`, async (t) => {
    const request = await sent(t, [`traceparent: ${PARENT}`, `tracestate: ${value}`])
    assert.equal(parentOf(request).trace, TRACE)
    assert.deepEqual(fields(request, 'tracestate'), [])
  })
}

test('a decision not to sample is passed on', async (t) => {
  const lines = [`traceparent: 00-${TRACE}-${SPAN}-03`]
  assert.equal(parentOf(await sent(t, lines, { sample: false })).flags, '02')
})

test('baggage is not touched', async (t) => {
  const request = await sent(t, ['baggage: a=1;p=2', 'Baggage: b=%20'])
  assert.deepEqual(fields(request, 'baggage'), ['a=1;p=2', 'b=%20'])
})

test('B3 single comes in and goes out', async (t) => {
  for (const [value, decision] of [
    [`${TRACE}-${SPAN}-1-05e3ac9a4f6e3b90`, '1'],
    [`${TRACE}-${SPAN}`, '1'],
    [`${TRACE}-${SPAN}-d`, 'd'],
  ]) {
    const request = await sent(t, [`b3: ${value}`])
    const parent = parentOf(request)
    assert.equal(parent.trace, TRACE)
    assert.equal(field(request, 'b3'), `${TRACE}-${parent.span}-${decision}-${SPAN}`)
  }
})

test('B3 of 64 bits is padded', async (t) => {
  const request = await sent(t, [`b3: ${SPAN}-${SPAN}-0`], { sample: false })
  assert.equal(parentOf(request).trace, `${'0'.repeat(16)}${SPAN}`)
  assert.equal(parentOf(request).flags, '00')
})

test('B3 multi comes in and goes out', async (t) => {
  const request = await sent(t, [`X-B3-TraceId: ${TRACE}`, `X-B3-SpanId: ${SPAN}`, 'X-B3-Sampled: true'])
  const parent = parentOf(request)
  assert.equal(parent.trace, TRACE)
  assert.equal(field(request, 'x-b3-traceid'), TRACE)
  assert.equal(field(request, 'x-b3-spanid'), parent.span)
  assert.equal(field(request, 'x-b3-parentspanid'), SPAN)
  assert.equal(field(request, 'x-b3-sampled'), '1')
  assert.equal(field(request, 'b3'), undefined)
})

test('traceparent goes before B3, and B3 is kept in step', async (t) => {
  const other = 'a'.repeat(32)
  const request = await sent(t, [`b3: ${other}-${SPAN}-1`, `traceparent: ${PARENT}`])
  const parent = parentOf(request)
  assert.equal(parent.trace, TRACE)
  assert.equal(field(request, 'b3'), `${TRACE}-${parent.span}-1-${SPAN}`)
})

const b3Of = (request: Message): [string, string][] =>
  request.headers
    .map(([name, value]): [string, string] => [name.toLowerCase(), value])
    .filter(([name]) => /b3/.test(name))
    .sort()

test('B3 in both forms goes out in both, each once and in step', async (t) => {
  const other = 'a'.repeat(32)
  const lines = [`X-B3-TraceId: ${other}`, `X-B3-SpanId: ${SPAN}`, 'X-B3-ParentSpanId: 05e3ac9a4f6e3b90']
  const doubled = [`b3: ${other}-${SPAN}-0`, ...lines, 'X-B3-Sampled: 0', `b3: ${TRACE}-${SPAN}-0`]
  const request = await sent(t, [...doubled, `X-B3-SpanId: ${SPAN}`, `traceparent: ${PARENT}`])
  const { span } = parentOf(request)
  assert.deepEqual(b3Of(request), [
    ['b3', `${TRACE}-${span}-1-${SPAN}`],
    ['x-b3-parentspanid', SPAN],
    ['x-b3-sampled', '1'],
    ['x-b3-spanid', span],
    ['x-b3-traceid', TRACE],
  ])
  const debug = await sent(t, [`X-B3-TraceId: ${TRACE}`, `X-B3-SpanId: ${SPAN}`, 'X-B3-Flags: 1', 'X-B3-Sampled: 0'])
  assert.deepEqual(b3Of(debug), [
    ['x-b3-flags', '1'],
    ['x-b3-parentspanid', SPAN],
    ['x-b3-spanid', parentOf(debug).span],
    ['x-b3-traceid', TRACE],
  ])
})

test('malformed B3 is not passed on, beside a traceparent or without', async (t) => {
  for (const lines of [
    ['b3: garbage'],
    [`b3: ${TRACE}-0000000000000000-1`],
    [`X-B3-TraceId: ${TRACE}`],
    ['X-B3-TraceId: 1', `X-B3-SpanId: ${SPAN}`, 'X-B3-Sampled: 1'],
  ]) {
    const request = await sent(t, lines)
    assert.deepEqual(b3Of(request), [], lines.join())
    assert.notEqual(parentOf(request).trace, TRACE)
    assert.deepEqual(b3Of(await sent(t, [...lines, `traceparent: ${PARENT}`])), [])
  }
})

test('without B3 in there is none out; with b3=off it is not read', async (t) => {
  const plain = await sent(t, [])
  assert.ok(!plain.headers.some(([name]) => /b3/i.test(name)))
  const off = await sent(t, [`b3: ${TRACE}-${SPAN}-1`], { flags: { 'trace.b3': 'off' } })
  assert.notEqual(parentOf(off).trace, TRACE)
  assert.equal(field(off, 'b3'), `${TRACE}-${SPAN}-1`)
})

test('propagateTo: to hosts that are not listed nothing of a trace goes, baggage neither, and X-Request-ID to all', async (t) => {
  const lines = [
    'X-Request-ID: r-1',
    `traceparent: ${PARENT}`,
    'tracestate: a=1',
    'baggage: a=1',
    `b3: ${TRACE}-${SPAN}-1`,
    `X-B3-TraceId: ${TRACE}`,
    `X-B3-SpanId: ${SPAN}`,
    'X-B3-Sampled: 1',
  ]
  for (const [allowed, passes] of [
    ['other.example', false],
    ['api.example', true],
    ['*.example', true],
    ['*.api.example', false],
  ] as const) {
    const request = await sent(t, lines, { flags: { 'trace.propagateTo': allowed } })
    const left = request.headers.filter(([name]) => /^(traceparent|tracestate|baggage|b3|x-b3-.*)$/i.test(name))
    assert.equal(left.length > 0, passes, `${allowed}: ${JSON.stringify(left)}`)
    assert.deepEqual(fields(request, 'baggage'), passes ? ['a=1'] : [])
    assert.equal(field(request, 'x-request-id'), 'r-1')
    if (passes) assert.equal(parentOf(request).trace, TRACE)
  }
})
