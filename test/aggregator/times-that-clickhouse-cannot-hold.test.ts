import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { running } from './running.ts'

/** Nanoseconds of a DateTime64(9) are an Int64. */
const MOST = 2n ** 63n - 1n
const nanosOf = (text: string): bigint => BigInt(text.replace('.', ''))

interface Row {
  readonly SpanId: string
  readonly Timestamp: string
  readonly 'Events.Timestamp': readonly string[]
}

test('a span of a clock that is far ahead does not stop what is behind it', async (t) => {
  const rows: Row[] = []
  // What ClickHouse does: a row that overflows is an error of the whole insert.
  const server = createServer(async (request, response) => {
    const raw = await buffer(request)
    const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString()
    if (!request.url!.includes('INSERT') && !text.startsWith('INSERT')) return void response.end()
    const lines = text.split('\n').filter((line) => line.startsWith('{'))
    const given = lines.map((line) => JSON.parse(line) as Row)
    const times = given.flatMap((row) => [row.Timestamp, ...row['Events.Timestamp']])
    if (times.some((time) => nanosOf(time) > MOST)) {
      response.writeHead(400, { 'x-clickhouse-exception-code': '407' })
      response.end('Code: 407. DB::Exception: Decimal math overflow. (DECIMAL_OVERFLOW)')
      return
    }
    rows.push(...given)
    response.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const it = await running({ clickhouse: { url, username: 'default', password: '' } })
  t.after(() => it.end())
  const latest = String(2n ** 64n - 1n)
  const ahead = {
    start_time_unix_nano: latest,
    end_time_unix_nano: latest,
    events: [{ time_unix_nano: latest, name: 'e' }],
  }
  await send(it.grpcPort, requestOf([{ ...rawSpan({ trace: 'a1', span: 'b1' }), ...ahead }]))
  await send(it.grpcPort, requestOf([rawSpan({ trace: 'a2', span: 'b2' })]))
  await it.stored()
  assert.deepEqual(
    rows.map(({ SpanId, Timestamp }) => [SpanId.slice(-2), nanosOf(Timestamp) === MOST]),
    [
      ['b1', true],
      ['b2', false],
    ],
  )
})
