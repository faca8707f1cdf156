import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { MessageWriter, readFields } from '../../src/core/protobuf.ts'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { type RunningAggregator, running } from './running.ts'

let it: RunningAggregator
before(async () => {
  it = await running()
})
after(() => it.end())

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
}

function post(
  port: number,
  body: Buffer | string,
  headers: Readonly<Record<string, string>> = {},
  path = '/v1/traces',
  method = 'POST',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const all = { 'content-type': 'application/x-protobuf', ...headers }
    const req = httpRequest({ host: '127.0.0.1', port, path, method, headers: all }, (res) => {
      const parts: Buffer[] = []
      res.on('data', (part: Buffer) => parts.push(part))
      res.on('end', () => resolve({ status: res.statusCode!, headers: res.headers, body: Buffer.concat(parts) }))
    })
    req.on('error', reject)
    req.end(body)
  })
}

const one = (trace: string): Buffer => requestOf([rawSpan({ trace, span: 'b1' })])
const spansOf = async (trace: string): Promise<number> =>
  (await it.ask<{ traces: { spans: number }[] }>(`hopscope/search?traceId=${trace.padStart(32, '0')}`)).traces[0]
    ?.spans ?? 0

test('gRPC: taken plain and packed, seen at once; sent again it counts once', async () => {
  assert.deepEqual(await send(it.grpcPort, one('a1')), Buffer.alloc(0))
  assert.deepEqual(await send(it.grpcPort, one('a1'), { gzip: true }), Buffer.alloc(0))
  assert.deepEqual(await send(it.grpcPort, one('a2'), { gzip: true }), Buffer.alloc(0))
  assert.deepEqual([await spansOf('a1'), await spansOf('a2')], [1, 1])
})

test('gRPC: spans without ids are a partial success, the others are taken', async () => {
  const bad = { ...rawSpan({ trace: 'a3', span: 'b1' }), trace_id: Buffer.alloc(3) }
  const [partial] = readFields(await send(it.grpcPort, requestOf([bad, rawSpan({ trace: 'a3', span: 'b2' })])))
  const [rejected, message] = readFields(partial!.bytes)
  assert.equal(rejected!.value, 1n)
  assert.match(Buffer.from(message!.bytes).toString(), /id/)
  assert.equal(await spansOf('a3'), 1)
})

async function refusal(request: Buffer, more?: { gzip?: boolean }): Promise<ServiceError> {
  return send(it.grpcPort, request, more).then(
    () => assert.fail('it was taken'),
    (error: ServiceError) => error,
  )
}

test('gRPC: what is no request is refused with the place of the fault', async () => {
  const error = await refusal(one('a4').subarray(0, 50))
  assert.equal(error.code, status.INVALID_ARGUMENT)
  assert.match(error.details, /length \d+ is over the \d+ bytes that follow, at byte \d+ of 50/)
})

test('gRPC: too large and bombs are refused for good, without RetryInfo', async () => {
  const large = Buffer.concat([one('a5'), new MessageWriter().bytes(99, Buffer.alloc(4 * 1024 * 1024)).finish()])
  for (const gzip of [false, true]) {
    const error = await refusal(large, { gzip })
    assert.equal(error.code, status.RESOURCE_EXHAUSTED)
    assert.match(error.details, /larger than 4194304 bytes/)
    assert.equal(error.metadata.get('grpc-status-details-bin').length, 0)
  }
  assert.equal(await spansOf('a5'), 0)
})

test('gRPC: another method is unimplemented', async () => {
  const client = new Client(`127.0.0.1:${it.grpcPort}`, credentials.createInsecure())
  const asIs = (bytes: Buffer): Buffer => bytes
  const error = await new Promise<ServiceError | null>((resolve) => {
    client.makeUnaryRequest('/other.Service/Call', asIs, asIs, Buffer.alloc(0), new Metadata(), (failed) =>
      resolve(failed),
    )
  })
  client.close()
  assert.equal(error?.code, status.UNIMPLEMENTED)
})

test('HTTP: protobuf, packed or not, and JSON', async () => {
  const plain = await post(it.httpPort, one('c1'))
  assert.deepEqual([plain.status, plain.body.length, plain.headers['content-type']], [200, 0, 'application/x-protobuf'])
  assert.equal((await post(it.httpPort, gzipSync(one('c2')), { 'content-encoding': 'gzip' })).status, 200)
  const span = {
    ...{ traceId: 'c3'.padStart(32, '0'), spanId: 'b1'.padStart(16, '0'), name: 'json', kind: 2 },
    ...{ startTimeUnixNano: String(BigInt(Math.round(performance.timeOrigin)) * 1_000_000n), endTimeUnixNano: 1.8e18 },
    attributes: [
      { key: 'n', value: { intValue: '-7' } },
      { key: 'half', value: { doubleValue: 0.5 } },
      { key: 'raw', value: { bytesValue: 'AQI=' } },
      { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a' }, { boolValue: false }] } } },
      { key: 'map', value: { kvlistValue: { values: [{ key: 'x', value: { stringValue: 'y' } }] } } },
    ],
    status: { code: 2, message: 'no' },
    unknownField: 1,
  }
  const json = {
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'js' } }] },
        scopeSpans: [{ spans: [span] }],
      },
    ],
  }
  const answer = await post(it.httpPort, JSON.stringify(json), { 'content-type': 'application/json; charset=utf-8' })
  assert.deepEqual([answer.status, answer.body.toString()], [200, '{}'])
  const trace = await it.ask<{ hops: { service: string; attributes: unknown; failed: boolean }[] }>(
    `hopscope/trace/${span.traceId}`,
  )
  assert.equal(trace.hops[0]!.service, 'js')
  assert.equal(trace.hops[0]!.failed, true)
  assert.deepEqual(trace.hops[0]!.attributes, { n: -7, half: 0.5, raw: 'AQI=', list: ['a', false], map: { x: 'y' } })
})

test('HTTP: each fault has its status', async () => {
  const json = { 'content-type': 'application/json' }
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
  const cases: readonly (readonly [number, RegExp, Promise<Answer>])[] = [
    [400, /varint|length|field/, post(it.httpPort, Buffer.from('junk'))],
    [
      400,
      /resourceSpans\[0\]\.scopeSpans\[0\]\.spans\[0\]\.traceId should be an id in hexadecimal/,
      post(it.httpPort, '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}', json),
    ],
    [400, /should be JSON/, post(it.httpPort, '{', json)],
    [400, /gzip/, post(it.httpPort, 'not gzip', { 'content-encoding': 'gzip' })],
    [413, /larger than 4194304 bytes/, post(it.httpPort, bomb, { 'content-encoding': 'gzip' })],
    [413, /larger than 4194304 bytes/, post(it.httpPort, bomb, { ...json, 'content-encoding': 'gzip' })],
    [415, /content-encoding/, post(it.httpPort, one('d1'), { 'content-encoding': 'br' })],
    [415, /application/, post(it.httpPort, 'x', { 'content-type': 'text/plain' })],
    [404, /v1\/traces/, post(it.httpPort, one('d1'), {}, '/v1/logs')],
    [405, /POST/, post(it.httpPort, one('d1'), {}, '/v1/traces', 'PUT')],
  ]
  for (const [expected, text, answering] of cases) {
    const answer = await answering
    assert.equal(answer.status, expected, answer.body.toString())
    assert.match(answer.body.toString(), text)
  }
  const deep = (depth: number): string =>
    depth === 0 ? '{"stringValue":"x"}' : `{"arrayValue":{"values":[${deep(depth - 1)}]}}`
  const nested = `{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":${deep(40)}}]}}]}`
  assert.equal((await post(it.httpPort, nested, json)).status, 400)
  const crowd = `{"resourceSpans":[${'{},'.repeat(600_000)}{}]}`
  assert.match((await post(it.httpPort, crowd, json)).body.toString(), /at most 524288/)
})

test('a bearer token is asked for where one is set', async () => {
  const guarded = await running({ bearerToken: 'secret' })
  try {
    const wrong = await post(guarded.httpPort, one('e1'), { authorization: 'Bearer other' })
    assert.deepEqual([wrong.status, wrong.headers['www-authenticate']], [401, 'Bearer'])
    assert.equal((await post(guarded.httpPort, one('e1'), { authorization: 'Bearer secret' })).status, 200)
    await assert.rejects(send(guarded.grpcPort, one('e2')), { code: status.UNAUTHENTICATED })
  } finally {
    await guarded.end()
  }
})
