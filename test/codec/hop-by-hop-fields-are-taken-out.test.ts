import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestHead, ResponseHead } from '../../src/core/message.ts'
import { RequestReader } from '../../src/http/message/request-reader.ts'
import { ResponseReader } from '../../src/http/message/response-reader.ts'
import { LIMITS } from './transcript.ts'

function requestFields(text: string, headFields = LIMITS.headFields): string {
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${text}\r\n`, 'latin1')
  const head = new RequestHead()
  const reader = new RequestReader({ ...LIMITS, headFields })
  assert.equal(reader.read(bytes, 0, bytes.length, head, true), bytes.length, reader.error?.detail)
  return head.headers.serialize()
}

function responseFields(status: string, text: string): string {
  const bytes = Buffer.from(`HTTP/1.1 ${status}\r\n${text}\r\n`, 'latin1')
  const head = new ResponseHead()
  const reader = new ResponseReader(LIMITS)
  assert.equal(reader.read(bytes, 0, bytes.length, head, 'GET', true), bytes.length, reader.error?.detail)
  return head.headers.serialize()
}

test('Connection and what it names go; the rest keeps order, case and duplicates', () => {
  const text = 'X-b: 1\r\nConnection: x-A, keep-alive\r\nX-A: 2\r\nx-B: 3\r\nx-a: 4\r\nKeep-Alive: timeout=5\r\n'
  assert.equal(requestFields(text), 'Host: a\r\nX-b: 1\r\nx-B: 3\r\n')
})

test('more Connection fields than a count can hold all go', () => {
  assert.equal(requestFields('Connection: x-a\r\n'.repeat(300), 10_000), 'Host: a\r\n')
})

test('many nominated fields go, in any case, and what is no name names nothing', () => {
  const options = 'a, B, c, "d", e f, d, x-y, te, keep-alive, '
  const text = `X-A: 1\r\nConnection: ${options}\r\nA: 2\r\nb: 3\r\nX-Y: 4\r\ne: 5\r\nD: 6\r\na: 7\r\n`
  assert.equal(requestFields(text), 'Host: a\r\nX-A: 1\r\ne: 5\r\n')
})

test('a head full of options costs about what another of its size does', () => {
  const fields = 'b: \r\n'.repeat(190)
  const [one, many] = ['X-Other', 'Connection'].map((name) => {
    const text = `${name}: ${'a,'.repeat(30_000)}a\r\n${fields}`
    const began = performance.now()
    for (let i = 0; i < 5; i++) requestFields(text)
    return performance.now() - began
  })
  // Each option looked for in all fields took a hundred times as long.
  assert.ok(many! < one! + 150, `${one} ms, ${many} ms`)
})

test('an offer to upgrade is not passed to the client', () => {
  const offer = 'Connection: Upgrade\r\nUpgrade: h2,h2c\r\nContent-Length: 0\r\n'
  assert.equal(responseFields('200 OK', offer), 'Content-Length: 0\r\n')
  assert.match(responseFields('426 Upgrade Required', offer), /Upgrade: h2,h2c/)
})

test('a response cannot have end-to-end fields stripped', () => {
  assert.equal(responseFields('200 OK', 'Connection: set-cookie\r\nSet-Cookie: a=b\r\n'), 'Set-Cookie: a=b\r\n')
})

test('h2c is not asked for', () => {
  const text = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n'
  assert.equal(requestFields(text), 'Host: a\r\n')
})

function request(text: string): RequestHead {
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${text}\r\n`, 'latin1')
  const head = new RequestHead()
  assert.equal(new RequestReader(LIMITS).read(bytes, 0, bytes.length, head, true), bytes.length)
  return head
}

test('TE is one list, in however many fields it comes', () => {
  for (const text of ['TE: trailers\r\n', 'TE: gzip, Trailers\r\n', 'TE: gzip\r\nTE: trailers\r\n']) {
    assert.equal(request(text).wantsTrailers, true, text)
  }
  assert.equal(request('TE: gzip\r\nTE: trailers;q=0\r\n').wantsTrailers, false)
})

test('Upgrade is one list, of which websocket alone is asked for', () => {
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n'
  for (const upgrade of ['Upgrade: h2c, WebSocket\r\n', 'Upgrade: h2c\r\nUpgrade: websocket\r\n']) {
    assert.equal(request(`Connection: Upgrade\r\n${upgrade}${key}`).upgrade, 'websocket', upgrade)
  }
  assert.equal(request(`Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: other\r\n${key}`).upgrade, '')
})
