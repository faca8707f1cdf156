/** Blocks that break the rules end the connection; blocks that ask for too much cost little and leave the table in step. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  HPACK_FAULT,
  HPACK_OK,
  HPACK_TOO_LARGE,
  HpackDecoder,
  type HpackResult,
} from '../../src/http/message/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http/message/http2/hpack-encoder.ts'
import { HpackTable } from '../../src/http/message/http2/hpack-table.ts'
import { decode, encode, fieldsOf, List } from './fields.ts'

const LIST_BYTES = 61_440
const FIELDS = 128

function resultOf(decoder: HpackDecoder, block: Buffer, list = new List()): HpackResult {
  return decoder.decode(block, 0, block.length, LIST_BYTES, FIELDS, list)
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
/** A literal field with incremental indexing, both strings plain. */
function indexed(name: string, value: string): Buffer {
  const length = Buffer.from([0x7f, ((value.length - 127) & 0x7f) | 0x80, (value.length - 127) >> 7])
  const head = value.length < 127 ? Buffer.from([value.length]) : length
  return Buffer.concat([Buffer.from([0x40, name.length]), Buffer.from(name), head, Buffer.from(value, 'latin1')])
}

const FAULTS: readonly (readonly [string, string])[] = [
  ['index 0', '80'],
  ['an index beyond both tables', 'be'],
  ['a name index beyond both tables', '7e 01 61'],
  ['an integer that overflows', 'ff ff ff ff ff ff 7f'],
  ['an integer of zeros without end', 'ff 80 80 80 80 80 80 80 80 01'],
  ['an integer that is cut off', 'ff 80'],
  ['no value behind a name', '40 01 61'],
  ['a literal without anything', '40'],
  ['a string longer than the block', '40 05 61 62'],
  ['a string of 256 MiB', '40 7f 80 ff ff 7f'],
  ['EOS in a Huffman string', '40 84 ff ff ff ff 01 61'],
  ['EOS in full behind a character', '40 85 1f ff ff ff ff 01 61'],
  ['Huffman padding of zeros', '40 81 18 01 61'],
  ['Huffman padding of a whole octet', '40 82 1f ff 01 61'],
  ['a Huffman string that is padding only', '40 81 ff 01 61'],
  ['a long Huffman code that is cut off', '40 82 ff c0 01 61'],
  ['a table size over the setting', '3f e2 1f'],
  ['a table size update behind a field', '82 20'],
  ['three table size updates', '20 21 22 82'],
]

for (const [name, block] of FAULTS) {
  test(`a compression error: ${name}`, () => {
    assert.equal(resultOf(new HpackDecoder(4096), hex(block)), HPACK_FAULT)
  })
}

test('table size updates at the start are fine: one, two, and without a field behind', () => {
  const decoder = new HpackDecoder(4096)
  assert.equal(resultOf(decoder, hex('20 3f e1 1f 82')), HPACK_OK)
  assert.equal(resultOf(decoder, hex('20')), HPACK_OK)
  assert.equal(resultOf(decoder, hex('')), HPACK_OK)
})

test('an HPACK bomb costs what its bytes cost, not what they stand for', (t) => {
  const decoder = new HpackDecoder(4096)
  assert.equal(resultOf(decoder, indexed('a', 'x'.repeat(4000))), HPACK_OK)
  const bomb = Buffer.alloc(14_000, 0xbe)
  const list = new List()
  const looked = t.mock.method(HpackTable.prototype, 'valueAt')
  assert.equal(resultOf(decoder, bomb, list), HPACK_TOO_LARGE)
  assert.equal(list.fields.length, 15)
  assert.equal(looked.mock.callCount(), 16, 'the one that is too much is the last that is looked at')
})

test('a list over its limit leaves the table in step', () => {
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder(4096)
  const many = Array.from({ length: 200 }, (_, i) => [`x-${i}`, `value ${i}`] as const)
  assert.equal(resultOf(decoder, encode(encoder, fieldsOf(...many))), HPACK_TOO_LARGE)
  const few = fieldsOf(...many.slice(-20))
  const block = encode(encoder, few)
  assert.ok(block.length < 60, 'they are in the table')
  assert.deepEqual(decode(decoder, block), few)
})

test('the limits count exactly', () => {
  const decoder = new HpackDecoder(4096)
  const block = encode(new HpackEncoder(), fieldsOf(['abc', 'defg'], ['x', '']))
  const bytes = 7 + 32 + 1 + 32
  const run = (maxBytes: number, maxFields: number): HpackResult =>
    new HpackDecoder(4096).decode(block, 0, block.length, maxBytes, maxFields, new List())
  assert.equal(decoder.decode(block, 0, block.length, bytes, 2, new List()), HPACK_OK)
  assert.equal(run(bytes - 1, 2), HPACK_TOO_LARGE)
  assert.equal(run(bytes, 1), HPACK_TOO_LARGE)
})

test('a string over the list limit is not made, and empties the table where it was to enter it', () => {
  const decoder = new HpackDecoder(4096)
  assert.equal(resultOf(decoder, indexed('kept', 'until then')), HPACK_OK)
  assert.equal(decoder.tableBytes, 46)
  const list = new List()
  assert.equal(resultOf(decoder, Buffer.concat([indexed('a', 'x'.repeat(15_000)), indexed('b', 'c')]), list), HPACK_OK)
  assert.equal(decoder.tableBytes, 34)
  const long = indexed('a', 'x'.repeat(15_000))
  assert.equal(decoder.decode(long, 0, long.length, 1000, 10, list), HPACK_TOO_LARGE)
  assert.equal(decoder.tableBytes, 0)
})

test('small entries by the thousand are bounded by the table, and each makes room once', (t) => {
  const decoder = new HpackDecoder(4096)
  const one = Buffer.from([0x40, 0, 0])
  const block = Buffer.concat(Array.from({ length: 20_000 }, () => one))
  const madeRoom = t.mock.method(HpackTable.prototype, 'makeRoom')
  assert.equal(resultOf(decoder, block), HPACK_TOO_LARGE)
  assert.equal(madeRoom.mock.callCount(), 20_000)
  assert.equal(decoder.tableBytes, 4096)
})
