/** Which error a message gets must not depend on the size of the reads in which it came. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestTranscriber, ResponseTranscriber } from './transcript.ts'

/** The code in one piece and in pieces of 1,000 bytes. */
function codes(text: string): string[] {
  const bytes = Buffer.from(text, 'latin1')
  const pieces = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, i) =>
    bytes.subarray(i * 1000, (i + 1) * 1000),
  )
  return [new RequestTranscriber().run([bytes]).code, new RequestTranscriber().run(pieces).code]
}

const twice = (code: string): string[] => [code, code]

test('a target over the limits of the line and of the head is 414, not 431', () => {
  assert.deepEqual(codes(`GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`), twice('target_too_long'))
})

test('a method without end is a bad method, not a long target', () => {
  assert.deepEqual(codes(`${'A'.repeat(100_000)} / HTTP/1.1\r\nHost: a\r\n\r\n`), twice('bad_method'))
})

test('a long field is 431', () => {
  assert.deepEqual(codes(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`), twice('head_too_large'))
})

test('too many fields are 431', () => {
  assert.deepEqual(codes(`GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(300)}\r\n`), twice('head_too_large'))
})

test('a length in the trailers is refused, whichever field states it', () => {
  for (const field of ['Content-Length: 5', 'transfer-encoding: chunked']) {
    const text = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${field}\r\n\r\n`
    assert.deepEqual(codes(text), twice('bad_trailer'))
  }
})

test('a tab behind a framing field is refused, one behind another is white space', () => {
  assert.deepEqual(codes('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\t\r\n\r\nhello'), twice('bad_header'))
  assert.deepEqual(codes('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\t \r\n\r\n'), twice('bad_header'))
  assert.deepEqual(codes('GET / HTTP/1.1\r\nHost: a\r\nX: y\t\r\n\r\n'), twice(''))
})

test('a status line without end is a bad response', () => {
  const reader = new ResponseTranscriber().run([Buffer.from(`HTTP/1.1 200 ${'O'.repeat(100_000)}`)])
  assert.equal(reader.code, 'bad_response')
})
