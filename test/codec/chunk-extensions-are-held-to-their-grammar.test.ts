import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestTranscriber } from './transcript.ts'

const read = (extension: string): RequestTranscriber => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
  return new RequestTranscriber().run([Buffer.from(`${head}5${extension}\r\nhello\r\n0${extension}\r\n\r\n`, 'latin1')])
}

for (const extension of [';a', ';a=b', ';a=b;c', ';a="b c"', ';a="\\"\\\\"', ';a="\xe9\t;"', ';a="";b="x"']) {
  test(`read over: ${JSON.stringify(extension)}`, () => {
    const { end, text } = read(extension)
    assert.equal(end, 'done')
    assert.ok(text.includes('\u0002hello\u0003'))
  })
}

for (const extension of [
  ';',
  ';;a',
  ';=b',
  ';a=',
  '; a',
  ' ;a',
  ';a =b',
  ';a b',
  ';a[=x',
  ';a="',
  ';a="b"c',
  ';a=\x00',
  ';a="\x01"',
  ';a="\\\x01"',
  ';a\n',
  ';a\rX',
]) {
  test(`refused: ${JSON.stringify(extension)}`, () => {
    assert.equal(read(extension).code, 'bad_chunk')
  })
}

test('their bytes are counted over the whole message', () => {
  const chunk = `1;${'a'.repeat(1000)}\r\nx\r\n`
  const stream = (chunks: number): Buffer =>
    Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(chunks)}0\r\n\r\n`)
  assert.equal(new RequestTranscriber().run([stream(4)]).end, 'done')
  assert.equal(new RequestTranscriber().run([stream(5)]).code, 'bad_chunk')
})
