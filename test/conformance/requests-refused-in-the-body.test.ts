/**
 * security.md §2.1, rows 9 to 12: faults in a body that is being forwarded. The origin must never get a request that
 * it could take for complete, nor a byte of what followed the fault.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { statusesIn } from '../support/raw-peers.ts'
import { Bench } from './bench.ts'

let bench: Bench
before(async () => {
  bench = await Bench.start()
  bench.script = () => {}
})
after(() => bench.close())

const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
const AFTER = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

const FAULTS: readonly (readonly [number, string, string])[] = [
  ...['0x5', '+5', '-0', '5 ', ' 5', '5_0', '', 'g', 'FFFFFFFFFFFFFFFF1', '100000000', '000000005', '\xb25'].map(
    (size) => [10, `size ${JSON.stringify(size)}`, `${size}\r\nhello\r\n0\r\n\r\n`] as const,
  ),
  [10, 'a chunk longer than its size', '5\r\nhello!!\r\n0\r\n\r\n'],
  [10, 'a chunk shorter than its size', '6\r\nhello\r\n0\r\n\r\n'],
  [10, 'no CRLF after a chunk', '5\r\nhello0\r\n\r\n'],
  [9, 'LF after a size', '5\nhello\r\n0\r\n\r\n'],
  [9, 'LF after a chunk', '5\r\nhello\n0\r\n\r\n'],
  [9, 'two LF after a chunk', '5\r\nhello\n\n0\r\n\r\n'],
  [9, 'CR CR LF after a chunk', '5\r\nhello\r\r\n0\r\n\r\n'],
  [9, 'LF after an extension', '5;a\nhello\r\n0\r\n\r\n'],
  [9, 'CR in an extension', '5;a\rX\r\nhello\r\n0\r\n\r\n'],
  [9, 'LF at the end of the trailers', '5\r\nhello\r\n0\r\n\n'],
  [11, 'an extension without name', '5;\r\nhello\r\n0\r\n\r\n'],
  [11, 'NUL in an extension', '5;a=\x00\r\nhello\r\n0\r\n\r\n'],
  [11, '64 KiB of extension', `5;a=${'b'.repeat(65_536)}\r\nhello\r\n0\r\n\r\n`],
  [11, '64 KiB of extension on the last chunk', `5\r\nhello\r\n0;a=${'b'.repeat(65_536)}\r\n\r\n`],
  [11, 'many short extensions', `${'1;abcdefgh\r\nx\r\n'.repeat(600)}0\r\n\r\n`],
  [12, 'Content-Length in the trailers', '5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n'],
  [12, 'Transfer-Encoding in the trailers', '5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n'],
  [12, 'a folded trailer', '5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n'],
  [12, '300 trailers', `5\r\nhello\r\n0\r\n${'X: y\r\n'.repeat(300)}\r\n`],
  [12, '100 KB of trailers', `5\r\nhello\r\n0\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`],
]

for (const [row, name, body] of FAULTS) {
  test(`row ${row}: ${name} → 400`, async () => {
    const before = bench.origin.connections.length
    const { text } = await bench.answers(HEAD + body + AFTER)
    assert.deepEqual(statusesIn(text), [400], text)
    assert.match(text, /\r\nConnection: close\r\n/)
    // Refused while the connection was being made, or given up on it: both are right.
    for (const connection of bench.origin.connections.slice(before)) {
      await bench.origin.waitFor('the end of the connection', () => connection.ended)
      assert.ok(!connection.received.includes('\r\n0\r\n'), 'the last chunk was never sent')
      assert.ok(!connection.received.includes('smuggled'))
    }
  })
}
