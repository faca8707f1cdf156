/** The examples of RFC 7541 Appendix C, in the order in which they share a table; and the code's own sum. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HPACK_OK, HpackDecoder } from '../../src/http/message/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http/message/http2/hpack-encoder.ts'
import { CODE_BITS } from '../../src/http/message/http2/hpack-huffman.ts'
import { type Field, fieldsOf, List } from './fields.ts'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

interface Example {
  readonly hex: string
  readonly fields: readonly Field[]
  /** Table size after it. */
  readonly table: number
}

function check(tableBytes: number, examples: readonly Example[]): HpackDecoder {
  const decoder = new HpackDecoder(tableBytes, tableBytes)
  for (const { hex, fields, table } of examples) {
    const block = bytes(hex)
    const list = new List()
    assert.equal(decoder.decode(block, 0, block.length, 10_000, 100, list), HPACK_OK)
    assert.deepEqual(list.fields, fields)
    assert.equal(decoder.tableBytes, table)
  }
  return decoder
}

const GET: readonly Field[] = fieldsOf([':method', 'GET'], [':scheme', 'http'], [':path', '/'])
const AUTHORITY = fieldsOf([':authority', 'www.example.com'])
const SECURE = fieldsOf([':method', 'GET'], [':scheme', 'https'], [':path', '/index.html'])
const CUSTOM = fieldsOf(['custom-key', 'custom-value'])
const FIRST_REQUEST = [...GET, ...AUTHORITY]
const SECOND_REQUEST = [...GET, ...AUTHORITY, ...fieldsOf(['cache-control', 'no-cache'])]
const THIRD_REQUEST = [...SECURE, ...AUTHORITY, ...CUSTOM]

const redirect = (status: string, date: string): Field[] =>
  fieldsOf([':status', status], ['cache-control', 'private'], ['date', date], ['location', 'https://www.example.com'])
const DATE = 'Mon, 21 Oct 2013 20:13:21 GMT'
const LATER = 'Mon, 21 Oct 2013 20:13:22 GMT'
const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'
const THIRD_RESPONSE = [...redirect('200', LATER), ...fieldsOf(['content-encoding', 'gzip'], ['set-cookie', COOKIE])]

test('C.2: one field of each form', () => {
  check(4096, [
    {
      hex: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
      fields: fieldsOf(['custom-key', 'custom-header']),
      table: 55,
    },
  ])
  check(4096, [{ hex: '040c 2f73 616d 706c 652f 7061 7468', fields: fieldsOf([':path', '/sample/path']), table: 0 }])
  check(4096, [{ hex: '1008 7061 7373 776f 7264 0673 6563 7265 74', fields: [['password', 'secret', true]], table: 0 }])
  check(4096, [{ hex: '82', fields: fieldsOf([':method', 'GET']), table: 0 }])
})

test('C.3: requests without Huffman coding', () => {
  check(4096, [
    { hex: '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', fields: FIRST_REQUEST, table: 57 },
    { hex: '8286 84be 5808 6e6f 2d63 6163 6865', fields: SECOND_REQUEST, table: 110 },
    {
      hex: '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      fields: THIRD_REQUEST,
      table: 164,
    },
  ])
})

const CODED_REQUESTS: readonly Example[] = [
  { hex: '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', fields: FIRST_REQUEST, table: 57 },
  { hex: '8286 84be 5886 a8eb 1064 9cbf', fields: SECOND_REQUEST, table: 110 },
  { hex: '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', fields: THIRD_REQUEST, table: 164 },
]

test('C.4: requests with Huffman coding', () => {
  check(4096, CODED_REQUESTS)
})

test('C.4 the other way: our encoder writes the very bytes of the example', () => {
  const encoder = new HpackEncoder()
  for (const { hex, fields } of CODED_REQUESTS) {
    encoder.begin()
    for (const [name, value] of fields) encoder.field(name, value)
    assert.equal(encoder.finish().toString('hex'), hex.replaceAll(' ', ''))
  }
})

test('C.5: responses without Huffman coding, with eviction', () => {
  check(256, [
    {
      hex: `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
        546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`.replaceAll('\n', ''),
      fields: redirect('302', DATE),
      table: 222,
    },
    { hex: '4803 3330 37c1 c0bf', fields: redirect('307', DATE), table: 222 },
    {
      hex: `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
        6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
        2076 6572 7369 6f6e 3d31`.replaceAll('\n', ''),
      fields: THIRD_RESPONSE,
      table: 215,
    },
  ])
})

test('C.6: responses with Huffman coding, with eviction', () => {
  check(256, [
    {
      hex: `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
        8f0b 97c8 e9ae 82ae 43d3`.replaceAll('\n', ''),
      fields: redirect('302', DATE),
      table: 222,
    },
    { hex: '4883 640e ffc1 c0bf', fields: redirect('307', DATE), table: 222 },
    {
      hex: `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
        dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`.replaceAll('\n', ''),
      fields: THIRD_RESPONSE,
      table: 215,
    },
  ])
})

test('the Huffman code is complete: its lengths, and the 30 bits of EOS, leave nothing over', () => {
  const sum = CODE_BITS.reduce((total, bits) => total + 2 ** -bits, 2 ** -30)
  assert.equal(sum, 1)
})
