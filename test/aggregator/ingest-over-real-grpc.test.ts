import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { type Ingest, MAX_REQUEST_BYTES, startIngest } from '../../src/aggregator/ingest.ts'
import type { ReceivedSpan } from '../../src/aggregator/span.ts'
import { readFields } from '../../src/core/protobuf.ts'
import { id, requestOf, SPAN, send, TRACE } from './otlp-messages.ts'

const SOUND = { trace_id: id(TRACE), span_id: id(SPAN), name: 'GET' }

async function receiving(run: (ingest: Ingest, spans: ReceivedSpan[]) => Promise<void>): Promise<void> {
  const spans: ReceivedSpan[] = []
  const ingest = await startIngest({ port: 0, onSpans: (came) => spans.push(...came) })
  try {
    await run(ingest, spans)
  } finally {
    await ingest.close()
  }
}

test('spans come in plain and gzipped, and full success is an empty answer', () =>
  receiving(async ({ host, port }, spans) => {
    assert.equal(host, '127.0.0.1')
    assert.equal((await send(port, requestOf([SOUND]))).length, 0)
    assert.equal((await send(port, requestOf([{ ...SOUND, name: 'zipped' }]), { gzip: true })).length, 0)
    assert.deepEqual(
      spans.map(({ name }) => name),
      ['GET', 'zipped'],
    )
  }))

test('what is malformed is INVALID_ARGUMENT that names the byte, and the next request is served', () =>
  receiving(async ({ port }, spans) => {
    await assert.rejects(send(port, requestOf([SOUND]).subarray(0, -3)), (error: { code: number; details: string }) => {
      assert.equal(error.code, status.INVALID_ARGUMENT)
      assert.match(error.details, /byte \d+/)
      return true
    })
    assert.equal(spans.length, 0)
    await send(port, requestOf([SOUND]))
    assert.equal(spans.length, 1)
  }))

test('spans without ids are a partial success', () =>
  receiving(async ({ port }, spans) => {
    const answer = await send(port, requestOf([{ ...SOUND, span_id: Buffer.alloc(8) }, SOUND]))
    const [partial] = [...readFields(answer)]
    const [rejected, message] = [...readFields(partial!.bytes)]
    assert.deepEqual([rejected!.number, rejected!.value], [1, 1n])
    assert.match(Buffer.from(message!.bytes).toString(), /id/)
    assert.equal(spans.length, 1)
  }))

test('what is over 4 MiB is RESOURCE_EXHAUSTED, also where it only becomes so unpacked', () =>
  receiving(async ({ port }, spans) => {
    const sized = (name: string) => requestOf([{ ...SOUND, name }])
    const tooLarge = { code: status.RESOURCE_EXHAUSTED }
    await assert.rejects(send(port, sized(randomBytes(MAX_REQUEST_BYTES / 2 + 64).toString('hex'))), tooLarge)
    await assert.rejects(send(port, sized('a'.repeat(MAX_REQUEST_BYTES)), { gzip: true }), tooLarge)
    assert.equal(spans.length, 0)
    await send(port, sized('a'.repeat(MAX_REQUEST_BYTES - 1024)), { gzip: true })
    assert.equal(spans.length, 1)
  }))

test('a taker that throws is INTERNAL, not the end of the receiver', async () => {
  let calls = 0
  const ingest = await startIngest({
    port: 0,
    onSpans: () => {
      if (calls++ === 0) throw new Error('disk full')
    },
  })
  try {
    await assert.rejects(send(ingest.port, requestOf([SOUND])), { code: status.INTERNAL })
    await send(ingest.port, requestOf([SOUND]))
    assert.equal(calls, 2)
  } finally {
    await ingest.close()
  }
})
