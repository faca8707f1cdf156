import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ERROR_CODES, type ErrorCode, ProxyError } from '../../src/core/errors.ts'
import { HeaderBlock } from '../../src/core/headers.ts'
import { ResponseHead } from '../../src/core/message.ts'
import { PHASES, phaseUs } from '../../src/exchange/exchange.ts'
import { readFacts } from '../../src/telemetry/connection-facts.ts'
import { BatchBuilder } from '../../src/telemetry/otlp-batch.ts'
import { SpanEncoder } from '../../src/telemetry/otlp-encode.ts'
import { EXCHANGE, F_EXPORT, FACTS, METHODS, methodIndex } from '../../src/telemetry/record-layout.ts'
import { viewExchange } from '../../src/telemetry/record-view.ts'
import { Redactor } from '../../src/telemetry/redact.ts'
import { openRing, RingReader, RingWriter } from '../../src/telemetry/ring.ts'
import { SpanRecorder } from '../../src/telemetry/span-record.ts'
import { decodeRequest } from './collector.ts'
import { connection, finishedExchange } from './finished-exchange.ts'

const ascii = (maxLength: number) => fc.string({ unit: 'grapheme-ascii', maxLength })
const latin1 = fc
  .array(fc.integer({ min: 0x21, max: 0xff }), { maxLength: 300 })
  .map((codes) => String.fromCharCode(...codes.filter((code) => code < 0x7f || code > 0xa0)))
const micros = fc.double({ min: 0, max: 1e10, noNaN: true })

const exchanges = fc.record({
  method: fc.oneof(fc.constantFrom(...METHODS.slice(1)), fc.constantFrom('PURGE', 'X', 'MKCOL')),
  path: ascii(200).map((text) => `/${text.replaceAll(/[?#]/g, '')}`),
  host: fc.domain(),
  userAgent: latin1,
  requestId: latin1.map((text) => text || 'x'),
  status: fc.integer({ min: 100, max: 599 }),
  outbound: fc.boolean(),
  steps: fc.array(micros, { minLength: 6, maxLength: 6 }),
  bytes: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  error: fc.option(
    fc.record({
      code: fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[])),
      detail: ascii(80),
      errno: ascii(12),
    }),
    { nil: undefined },
  ),
  state: fc.constantFrom('', 'a=1', 'vendor=xyz,b=2'),
  root: fc.boolean(),
  flags: fc.integer({ min: 0, max: 3 }),
})

/** As an OTLP string: the bytes, UTF-8 where they are that. */
const asText = (text: string): string => {
  const bytes = Buffer.from(text, 'latin1')
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return text
  }
}

test('decode(encode(exchange)) is the exchange, for any exchange, alone or in a batch on shared connections', () => {
  const inbound = connection('inbound')
  const outbound = connection('outbound')
  fc.assert(
    fc.property(fc.array(exchanges, { minLength: 1, maxLength: 8 }), (inputs) => {
      const ring = new RingWriter(openRing(1 << 20))
      ring.attach()
      const recorder = new SpanRecorder(ring)
      const redactor = new Redactor()
      const origin = 1.7e15
      const made = inputs.map((input) => {
        const x = finishedExchange({
          ...input,
          connection: input.outbound ? outbound : inbound,
          userAgent: input.userAgent,
        })
        x.response = new ResponseHead()
        x.response.status = input.status
        x.response.headers = new HeaderBlock(1)
        const { timing } = x
        const [a, b, c, d, e, f] = input.steps as [number, number, number, number, number, number]
        timing.startUs = a
        timing.queuedUs = a + b / 8
        timing.sendUs = timing.queuedUs + c
        timing.sentUs = timing.sendUs + d
        timing.responseUs = timing.sentUs + e
        timing.receivedUs = timing.responseUs + f
        timing.finishUs = timing.receivedUs + 3
        x.responseBytes = input.bytes
        x.trace!.state = input.state
        x.trace!.flags = input.flags
        if (input.root) x.trace!.parentSpanId = ''
        if (input.error)
          x.error = new ProxyError(input.error.code, 'wait', input.error.detail, { errno: input.error.errno })
        const phases = Float64Array.from(PHASES, (phase) => phaseUs(timing, phase))
        assert.ok(recorder.write(x, methodIndex(x.request.method), phases, F_EXPORT))
        return x
      })
      const encoder = new SpanEncoder(ring.memory, redactor, origin)
      const batch = new BatchBuilder({ 'service.name': 's' }, '1', 100)
      let lastFacts: ReturnType<typeof readFacts> | undefined
      const facts = new Map<number, ReturnType<typeof readFacts>>()
      let index = 0
      new RingReader(ring.memory).drain((at, _words, kind) => {
        if (kind === FACTS) {
          lastFacts = readFacts(ring.memory.int32, ring.memory.bytes, at)
          facts.set(lastFacts.connection, lastFacts)
          encoder.facts(lastFacts)
        } else if (kind === EXCHANGE) {
          const x = made[index++]!
          const view = viewExchange(ring.memory, at, facts.get(x.connection.id), redactor, origin)
          assert.equal(view.requestId, asText(x.requestId.slice(0, 256)))
          assert.equal(view.userAgent, asText(inputs[index - 1]!.userAgent.slice(0, 256)))
          assert.equal(view.host, x.request.host)
          assert.equal(view.method, x.request.method)
          assert.equal(view.error?.code, x.error?.code)
          batch.added(encoder.exchange(at, batch.buffer, batch.position), encoder.end)
        }
      })
      const { spans, resource, schemaUrl } = decodeRequest(batch.take().bytes)
      assert.equal(resource['service.name'], 's')
      assert.equal(schemaUrl, 'https://opentelemetry.io/schemas/1.44.0')
      assert.equal(spans.length, made.length)
      spans.forEach((span, i) => {
        const x = made[i]!
        const input = inputs[i]!
        const { attributes } = span
        assert.equal(span.traceId, x.trace!.traceId)
        assert.equal(span.spanId, x.trace!.spanId)
        assert.equal(span.parentSpanId, x.trace!.parentSpanId)
        assert.equal(span.flags, input.flags | (input.root ? 0x100 : 0x300))
        assert.equal(span.traceState, input.state)
        assert.equal(span.kind, input.outbound ? 3 : 2)
        assert.equal(attributes['http.response.status_code'], input.status)
        assert.equal(
          attributes['user_agent.original'],
          input.userAgent === '' ? undefined : asText(input.userAgent.slice(0, 256)),
        )
        assert.deepEqual(attributes['http.request.header.x-request-id'], [asText(input.requestId.slice(0, 256))])
        assert.equal(attributes['http.response.body.size'], input.bytes === 0 ? undefined : input.bytes)
        if (input.outbound) assert.equal(attributes['url.full'], `http://${input.host}${input.path}`)
        else assert.equal(attributes['url.path'], input.path)
        assert.equal(attributes['hopscope.error.code'], input.error?.code)
        const startNs = BigInt(Math.floor(origin + x.timing.startUs)) * 1000n
        assert.ok(span.startNs - startNs >= 0n && span.startNs - startNs < 1000n)
        const sum = PHASES.reduce((total, phase) => total + Number(attributes[`hopscope.phase.${phase}_us`] ?? 0), 0)
        const whole = Math.round(x.durationUs)
        assert.ok(Math.abs(sum + Number(attributes['hopscope.self_us']) - whole) <= 3, `${sum} of ${whole}`)
        assert.equal(new Set(span.keys).size, span.keys.length)
      })
    }),
    { numRuns: 400 },
  )
})
