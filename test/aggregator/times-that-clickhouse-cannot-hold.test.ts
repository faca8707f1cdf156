import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClickHouse } from './fake-clickhouse.ts'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { running } from './running.ts'

/** Nanoseconds of a DateTime64(9) are an Int64. */
const MOST = 2n ** 63n - 1n
const nanosOf = (text: string): bigint => BigInt(text.replace('.', ''))

test('a span of a clock that is far ahead does not stop what is behind it', async (t) => {
  // What ClickHouse does: a row that overflows is an error of the whole insert.
  const server = await fakeClickHouse(t, (rows) =>
    rows.some((row) => [row.Timestamp, ...row['Events.Timestamp']].some((time) => nanosOf(time) > MOST))
      ? 'Code: 407. DB::Exception: Decimal math overflow. (DECIMAL_OVERFLOW)'
      : undefined,
  )
  const it = await running({ clickhouse: server.options })
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
    server.rows.map(({ SpanId, Timestamp }) => [SpanId.slice(-2), nanosOf(Timestamp) === MOST]),
    [
      ['b1', true],
      ['b2', false],
    ],
  )
})
