import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SNIFF_BYTES, type Sniffed, sniff } from '../../src/net/sniff.ts'

const CASES: readonly (readonly [first: string, outcome: Sniffed])[] = [
  ['GET / HTTP/1.1\r\n', 'http1'],
  ['\r\nGET / HTTP/1.1\r\n', 'http1'],
  ['OPTIONS * HTTP/1.1\r\n', 'http1'],
  ['CONNECT host:443 HTTP/1.1\r\n', 'http1'],
  ['PROPFIND /dav HTTP/1.1\r\n', 'http1'],
  ['M-SEARCH * HTTP/1.1\r\n', 'http1'],
  ['REPORT HTTPS://a/ HTTP/1.1\r\n', 'http1'],
  // Malformed, yet HTTP: the codec answers 400.
  ['GET  / HTTP/1.1\r\n', 'http1'],
  ['GET \x00', 'http1'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
  ['PRI * HTTP/1.1\r\n', 'http1'],
  ['PR', 'need-more'],
  ['PRI * HTTP/', 'need-more'],
  ['PRINT /x HTTP/1.1', 'http1'],
  ['\x16\x03\x01\x02\x00', 'tls'],
  ['\x16\x03\x03', 'tls'],
  ['\x16', 'need-more'],
  ['\x16\x03', 'tls'],
  ['\x16\x02\x01', 'opaque'],
  // OpenSSL takes any minor version.
  ['\x16\x03\x05', 'tls'],
  ['', 'need-more'],
  ['GET', 'need-more'],
  ['GET ', 'http1'],
  ['PROPFIND ', 'need-more'],
  ['\r', 'need-more'],
  ['\n', 'opaque'],
  ['\r\n\r\n', 'opaque'],
  [' GET / HTTP/1.1', 'opaque'],
  ['GET\t/ HTTP/1.1', 'opaque'],
  // Others that begin with a word.
  ['SSH-2.0-OpenSSH_9.2 Debian\r\n', 'opaque'],
  ['EHLO mail.example\r\n', 'opaque'],
  ['USER hans\r\n', 'opaque'],
  ['*3\r\n$3\r\nSET\r\n', 'opaque'],
  ['\x10\x1e\x00\x04MQTT\x04', 'opaque'],
  ['\x00\x00\x00\x08\x04\xd2\x16\x2f', 'opaque'],
  ['A'.repeat(24), 'opaque'],
  [`${'A'.repeat(23)} /`, 'http1'],
  [`${'A'.repeat(24)} /`, 'opaque'],
]

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

/** What a caller that reads byte by byte ends up with. */
function dribbled(all: Uint8Array): Sniffed {
  for (let end = 0; end <= all.length; end++) {
    const outcome = sniff(all, 0, end)
    if (outcome !== 'need-more') return outcome
  }
  return 'need-more'
}

for (const [first, outcome] of CASES) {
  test(JSON.stringify(first), () => {
    const buf = bytes(first)
    assert.equal(sniff(buf, 0, buf.length), outcome)
    assert.equal(dribbled(buf), outcome)
  })
}

const anything = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc
    .tuple(fc.constantFrom(...CASES.map(([first]) => first)), fc.nat(30), fc.uint8Array({ maxLength: 40 }))
    .map(([first, keep, more]) => Buffer.concat([bytes(first).subarray(0, keep), more])),
)

test('the same answer however the bytes are split, and always one after SNIFF_BYTES', () => {
  fc.assert(
    fc.property(anything, (all) => {
      const outcome = sniff(all, 0, all.length)
      assert.equal(dribbled(all), outcome)
      if (all.length >= SNIFF_BYTES) assert.notEqual(outcome, 'need-more')
    }),
    { numRuns: 6_000 },
  )
})

test('only the given range is looked at', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 9 }), anything, fc.uint8Array({ maxLength: 9 }), (before, all, after) => {
      const buf = Buffer.concat([before, all, after])
      assert.equal(sniff(buf, before.length, before.length + all.length), sniff(all, 0, all.length))
    }),
  )
})
