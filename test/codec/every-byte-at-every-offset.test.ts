/** Heads are looked at eight bytes at a time: no byte may hide behind its neighbours, wherever it stands. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestHead } from '../../src/core/message.ts'
import { RequestReader } from '../../src/http/message/request-reader.ts'
import { FAULT } from '../../src/http/message/section-reader.ts'

const LIMITS = { headBytes: 65_536, headFields: 200, requestLineBytes: 16_384 }
const LENGTH = 25

/** What may stand in a value (RFC 9110 §5.5). */
const allowed = (byte: number): boolean => byte === 9 || (byte >= 0x20 && byte !== 0x7f)

/** Values full of one byte, with another at each place; `shift` moves them against the start of the buffer. */
function* heads(filler: number, shift: number): Generator<{ head: Buffer; byte: number; at: number }> {
  for (let at = 0; at < LENGTH; at++) {
    for (let byte = 0; byte < 256; byte++) {
      const value = Buffer.alloc(LENGTH, filler)
      value[at] = byte
      const before = Buffer.from(`${'#'.repeat(shift)}GET / HTTP/1.1\r\nHost: a\r\nX: `, 'latin1')
      yield { head: Buffer.concat([before, value, Buffer.from('.\r\n\r\n')]), byte, at }
    }
  }
}

for (const filler of [0x20, 0x7e, 0x80, 0xff, 0x61]) {
  test(`among bytes 0x${filler.toString(16)}`, () => {
    const reader = new RequestReader(LIMITS)
    const request = new RequestHead()
    for (let shift = 0; shift < 8; shift++) {
      for (const { head, byte, at } of heads(filler, shift)) {
        const length = reader.read(head, shift, head.length, request, true)
        const where = `byte 0x${byte.toString(16)} at ${at}, shift ${shift}`
        if (!allowed(byte)) assert.equal(length, FAULT, where)
        else {
          assert.equal(length, head.length - shift, where)
          const value = head.subarray(-(LENGTH + 5), -4).toString('latin1')
          assert.equal(request.headers.get('x'), value.replace(/^[ \t]+/, ''), where)
        }
      }
    }
  })
}

test('in an incomplete head, at its very end', () => {
  const reader = new RequestReader(LIMITS)
  const request = new RequestHead()
  for (let length = 0; length < 20; length++) {
    for (let byte = 0; byte < 256; byte++) {
      const text = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'v'.repeat(length)}?`, 'latin1')
      text[text.length - 1] = byte
      const fine = allowed(byte) || byte === 13
      assert.equal(
        reader.read(text, 0, text.length, request, true),
        fine ? 0 : FAULT,
        `0x${byte.toString(16)} at ${length}`,
      )
    }
  }
})
