/** What our encoder writes, our decoder reads, whatever the fields, the table sizes and their changes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HPACK_FAULT, HPACK_OK, HpackDecoder } from '../../src/http/message/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http/message/http2/hpack-encoder.ts'
import { CODE_BITS, huffmanDecode, huffmanEncode } from '../../src/http/message/http2/hpack-huffman.ts'
import { decode, encode, type Field, List } from './fields.ts'

const latin1Text = (maxLength: number) =>
  fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength })
const name = fc.oneof(
  fc.constantFrom(
    ':path',
    ':status',
    'cookie',
    'set-cookie',
    'authorization',
    'etag',
    'x-a',
    'x-b',
    '__proto__',
    'accept',
  ),
  latin1Text(12),
)
const value = fc.oneof(fc.constantFrom('', '200', '/', 'gzip, deflate', 'a', 'b'), latin1Text(60), latin1Text(3000))
const field: fc.Arbitrary<Field> = fc.tuple(name, value, fc.boolean())
const block = fc.array(field, { maxLength: 30 })
/** A block, or a new table size of the decoder's. */
const step = fc.oneof({ weight: 4, arbitrary: block }, { weight: 1, arbitrary: fc.nat(9000) })

const SECRET_ALWAYS = new Set(['authorization', 'proxy-authorization'])
const SECRET_IF_SHORT = new Set(['cookie', 'set-cookie'])

/** What has to arrive: secrets are never to be indexed further on, told or not. */
const expected = ([name, value, neverIndex]: Field): Field => [
  name,
  value,
  neverIndex || SECRET_ALWAYS.has(name) || (SECRET_IF_SHORT.has(name) && value.length < 20),
]

test('any fields, with table sizes that change between blocks', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.constantFrom(0, 100, 4096, 8192), (steps, most) => {
      const encoder = new HpackEncoder(most)
      const decoder = new HpackDecoder(9000)
      for (const one of steps) {
        if (typeof one === 'number') encoder.setPeerTableSize(one)
        else assert.deepEqual(decode(decoder, encode(encoder, one)), one.map(expected))
      }
    }),
    { numRuns: 300 },
  )
})

test('Huffman: any bytes, in as many as their codes have', () => {
  fc.assert(
    fc.property(latin1Text(200), (text) => {
      const coded = Buffer.alloc(text.length * 4 + 1)
      const end = huffmanEncode(text, coded, 0)
      const bits = Buffer.from(text, 'latin1').reduce((sum, byte) => sum + CODE_BITS[byte]!, 0)
      assert.equal(end, Math.ceil(bits / 8))
      const out = Buffer.alloc(end * 2)
      assert.equal(out.toString('latin1', 0, huffmanDecode(coded, 0, end, out)), text)
    }),
    { numRuns: 1000 },
  )
})

test('Huffman: whatever bytes decode, they are what their text codes to', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (coded) => {
      const out = Buffer.alloc(32)
      const length = huffmanDecode(coded, 0, coded.length, out)
      fc.pre(length >= 0)
      const again = Buffer.alloc(32)
      assert.deepEqual(
        again.subarray(0, huffmanEncode(out.toString('latin1', 0, length), again, 0)),
        Buffer.from(coded),
      )
    }),
    { numRuns: 5000 },
  )
})

test('random bytes never throw, and never report a field beyond the limits', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder(4096)
      for (const bytes of blocks) {
        const list = new List()
        const result = decoder.decode(bytes, 0, bytes.length, 200, 4, list)
        assert.ok(list.fields.length <= 4)
        assert.ok(list.fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0) <= 200)
        assert.ok(decoder.tableBytes <= 4096)
        if (result === HPACK_FAULT) break
      }
    }),
    { numRuns: 5000 },
  )
})

test('a repeated request takes an octet a field, and gives the same strings', () => {
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder(4096)
  const request: Field[] = [
    [':method', 'POST', false],
    [':path', '/shop.Cart/Add', false],
    [':authority', 'cart.shop.svc:50051', false],
    ['content-type', 'application/grpc', false],
    ['user-agent', 'grpc-node-js/1.14.7', false],
    ['te', 'trailers', false],
  ]
  const first = decode(decoder, encode(encoder, request))
  const again = encode(encoder, request)
  assert.equal(again.length, request.length)
  const second = decode(decoder, again)
  assert.deepEqual(second, first)
})

test('what changes each time does not push the rest out of the table', () => {
  const encoder = new HpackEncoder()
  const stable: Field = ['x-service', 'a value that stays as it is', false]
  let block: Buffer = Buffer.alloc(0)
  for (let i = 0; i < 500; i++) {
    const id = `${i}-9f1c0b6a-8a43-4d10-9bd2-0d51f3c2a7b4`
    block = encode(encoder, [
      stable,
      [':path', `/items/${id}`, false],
      ['x-request-id', id, false],
      ['x-own-id', id, false],
    ])
  }
  assert.equal(block[0]! & 0x80, 0x80, 'the stable field is an index')
  const decoded = new HpackDecoder(4096)
  assert.notEqual(decoded.decode(block, 0, block.length, 1e4, 10, new List()), HPACK_OK, 'and needs the table')
})

test('any number of names is held in bounded memory, and known ones keep their place', () => {
  const encoder = new HpackEncoder(65_536)
  encoder.setPeerTableSize(65_536)
  const decoder = new HpackDecoder(65_536)
  for (let i = 0; i < 3000; i++) {
    const fields: Field[] = [
      [`x-${i}`, `${i}`, false],
      ['x-stays', 'here', false],
    ]
    assert.deepEqual(decode(decoder, encode(encoder, fields)), fields)
  }
})
