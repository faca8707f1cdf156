/** Kinds of values that Hopscope itself does not send, and how many may come. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeTraceRequest } from '../../src/aggregator/otlp-decode.ts'
import { MessageWriter } from '../../src/core/protobuf.ts'

const id = (bytes: number): Buffer => Buffer.alloc(bytes, 0x11)

/** A request with one span whose attribute `k` has the AnyValue `value`. */
function withValue(value: MessageWriter): Buffer {
  const attribute = new MessageWriter().string(1, 'k').message(2, value)
  const span = new MessageWriter().bytes(1, id(16)).bytes(2, id(8)).message(9, attribute)
  return new MessageWriter().message(1, new MessageWriter().message(2, new MessageWriter().message(2, span))).finish()
}

function readBack(bytes: Buffer): unknown {
  const decoded = decodeTraceRequest(bytes)
  assert.ok(decoded.ok)
  return decoded.spans[0]!.attributes.get('k')
}

test('maps, bytes, and no value at all', () => {
  const pair = new MessageWriter().string(1, '__proto__').message(2, new MessageWriter().integer(3, 7))
  const map = new MessageWriter().message(6, new MessageWriter().message(1, pair))
  assert.deepEqual(readBack(withValue(map)), new Map([['__proto__', 7]]))
  const bytes = readBack(withValue(new MessageWriter().bytes(7, Buffer.from([0, 255])))) as Uint8Array
  assert.deepEqual([...bytes], [0, 255])
  assert.equal(readBack(withValue(new MessageWriter())), null)
})

test('a list of too many empty values, two bytes each on the wire, is a fault', () => {
  const list = (values: number): Buffer => {
    const bytes = Buffer.alloc(values * 2)
    for (let i = 0; i < bytes.length; i += 2) bytes[i] = 0x0a
    return withValue(new MessageWriter().bytes(5, bytes))
  }
  assert.equal((readBack(list(1000)) as unknown[]).length, 1000)
  const decoded = decodeTraceRequest(list(1_500_000))
  assert.ok(!decoded.ok)
  assert.match(decoded.reason, /too many/)
})
