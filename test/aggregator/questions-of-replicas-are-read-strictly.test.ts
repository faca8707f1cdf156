import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { BadQuery } from '../../src/aggregator/query/context.ts'
import { questionOf } from '../../src/aggregator/replicas/questions.ts'
import { fromWire, toWire } from '../../src/aggregator/replicas/wire.ts'
import { freePorts, replicasAt } from './fleet.ts'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { type RunningAggregator, running } from './running.ts'

let it: RunningAggregator
let port: number

before(async () => {
  ;[port] = (await freePorts(1)) as [number]
  it = await running({ replicas: replicasAt([port], 0) })
  await send(it.grpcPort, requestOf([rawSpan({ trace: 'a1', span: '1' })]))
})
after(() => it.end())

function post(
  body: string | Buffer,
  path = '/replica/1/ask',
  more: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer among-us', ...more }
    const asked = request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent: false }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      res.on('end', () => resolve({ status: res.statusCode!, text }))
    })
    asked.once('error', reject)
    asked.end(body)
  })
}

const RANGE = { fromNs: 0n, toNs: 2n ** 62n }
const GOOD: readonly object[] = [
  { ask: 'trace', traceId: 'a1'.padStart(32, '0') },
  { ask: 'trace', traceId: 'a1'.padStart(32, '0'), spanId: '1'.padStart(16, '0') },
  { ask: 'search', query: { ...RANGE, attributes: [] }, limit: 10, traces: 10 },
  { ask: 'rowsOf', traceIds: ['a1'.padStart(32, '0')], ...RANGE },
  { ask: 'rows', question: { of: 'services', ...RANGE } },
  { ask: 'rows', question: { of: 'clockSamples', ...RANGE, hosts: [] } },
]
const SQL = "0 UNION SELECT content FROM read_text('/etc/hostname')"
const BAD: readonly (object | string)[] = [
  'SELECT 1',
  '[]',
  'null',
  '{"ask":{"$n":"no number"}}',
  { ask: 'drop' },
  { ask: 'trace', traceId: 'a1'.padStart(32, '0'), spanId: SQL },
  { ask: 'rows', question: { of: 'constructor', ...RANGE } },
  { ask: 'rows', question: { of: 'services', ...RANGE, fromNs: SQL } },
  { ask: 'rows', question: { of: 'heatmap', ...RANGE, stepNs: SQL } },
  { ask: 'rows', question: { of: 'heatmap', ...RANGE, stepNs: 0n } },
  { ask: 'rowsOf', traceIds: [SQL], ...RANGE },
  { ask: 'rowsOf', traceIds: [], fromNs: -1n, toNs: 1n },
  { ask: 'search', query: { ...RANGE, attributes: [] }, limit: SQL, traces: 1 },
  { ask: 'search', query: { ...RANGE, attributes: [], kind: SQL }, limit: 1, traces: 1 },
  { ask: 'search', query: { ...RANGE, attributes: [], requestId: SQL }, limit: 1, traces: 1 },
  { ask: 'search', query: { ...RANGE, attributes: [], failed: 'yes' }, limit: 1, traces: 1 },
  { ask: 'search', query: { ...RANGE, attributes: [{ key: 'a' }] }, limit: 1, traces: 1 },
  { ask: 'search', query: { ...RANGE, attributes: [] }, limit: 1e9, traces: 1 },
]

test('good questions are answered', async () => {
  for (const question of GOOD) assert.equal((await post(toWire(question))).status, 200, toWire(question))
})

test('others are refused with the reason, and the replica goes on', async () => {
  for (const question of BAD) {
    const body = typeof question === 'string' ? question : toWire(question)
    const { status, text } = await post(body)
    assert.equal(status, 400, `${body}: ${text}`)
  }
  assert.equal((await post(Buffer.alloc(2 * 1024 * 1024, 0x20)).catch(() => ({ status: 413 }))).status, 413)
  assert.equal((await post('{}', '/replica/2/ask')).status, 405)
  assert.equal((await post(toWire(GOOD[0]))).status, 200)
})

test('pages of browsers are refused, whatever they ask', async () => {
  for (const from of [{ origin: 'https://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }]) {
    for (const path of ['/replica/1/ask', '/replica/1/wanted']) {
      assert.equal((await post(toWire(GOOD[0]), path, from)).status, 403)
    }
  }
})

test('whatever comes is a question or a BadQuery, and a question stays what it is on the way', () => {
  const part = fc.oneof(fc.constant('ask'), fc.constant('search'), fc.constant('rows'), fc.string(), fc.bigInt())
  fc.assert(
    fc.property(fc.anything({ key: fc.constantFrom('ask', 'query', 'fromNs', 'of'), values: [part] }), (value) => {
      try {
        questionOf(value)
      } catch (error) {
        assert.ok(error instanceof BadQuery)
      }
    }),
    { numRuns: 500 },
  )
  for (const question of GOOD) assert.deepEqual(questionOf(fromWire(toWire(question))), questionOf(question))
})
