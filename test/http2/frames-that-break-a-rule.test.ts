/** Every rule for frames that needs no stream state, with the error code that RFC 9113 names for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameReader } from '../../src/http/message/http2/frame-reader.ts'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { EMPTY_SETTINGS, FrameLog, frame, readPieces } from './frame-log.ts'

const { FRAME_SIZE_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, ENHANCE_YOUR_CALM } = h2
const octets = (length: number): Buffer => Buffer.alloc(length)
const setting = (id: number, value: number): Buffer => {
  const out = octets(15)
  h2.settingsFrame(out, 0, [[id, value]])
  return out
}

const FAULTS: readonly (readonly [string, Buffer, number])[] = [
  ['DATA on stream 0', frame(h2.DATA, 0, 0, 'x'), PROTOCOL_ERROR],
  ['DATA over the frame size', frame(h2.DATA, 0, 1, octets(16_385)), FRAME_SIZE_ERROR],
  ['padded DATA without the pad length', frame(h2.DATA, h2.PADDED, 1), FRAME_SIZE_ERROR],
  ['DATA with more padding than there is', frame(h2.DATA, h2.PADDED, 1, '\x03ab'), PROTOCOL_ERROR],
  ['HEADERS on stream 0', frame(h2.HEADERS, h2.END_HEADERS, 0, 'x'), PROTOCOL_ERROR],
  ['HEADERS too short for priority', frame(h2.HEADERS, h2.END_HEADERS | h2.WITH_PRIORITY, 1, 'abcd'), FRAME_SIZE_ERROR],
  ['HEADERS too short for padding and priority', frame(h2.HEADERS, 0x2c, 1, 'abcde'), FRAME_SIZE_ERROR],
  ['HEADERS with more padding than there is', frame(h2.HEADERS, 0x2c, 1, '\x01abcde'), PROTOCOL_ERROR],
  ['PRIORITY on stream 0', frame(h2.PRIORITY, 0, 0, octets(5)), PROTOCOL_ERROR],
  ['PRIORITY of 4 octets', frame(h2.PRIORITY, 0, 1, octets(4)), FRAME_SIZE_ERROR],
  ['RST_STREAM on stream 0', frame(h2.RST_STREAM, 0, 0, octets(4)), PROTOCOL_ERROR],
  ['RST_STREAM of 5 octets', frame(h2.RST_STREAM, 0, 1, octets(5)), FRAME_SIZE_ERROR],
  ['RST_STREAM without a payload', frame(h2.RST_STREAM, 0, 1), FRAME_SIZE_ERROR],
  ['SETTINGS on a stream', frame(h2.SETTINGS, 0, 1), PROTOCOL_ERROR],
  ['SETTINGS of 7 octets', frame(h2.SETTINGS, 0, 0, octets(7)), FRAME_SIZE_ERROR],
  ['SETTINGS acknowledged with a payload', frame(h2.SETTINGS, h2.ACK, 0, octets(6)), FRAME_SIZE_ERROR],
  ['ENABLE_PUSH of 2', setting(h2.SETTINGS_ENABLE_PUSH, 2), PROTOCOL_ERROR],
  ['an initial window of 2^31', setting(h2.SETTINGS_INITIAL_WINDOW_SIZE, 2 ** 31), FLOW_CONTROL_ERROR],
  ['a frame size below 2^14', setting(h2.SETTINGS_MAX_FRAME_SIZE, 16_383), PROTOCOL_ERROR],
  ['a frame size of 2^24', setting(h2.SETTINGS_MAX_FRAME_SIZE, 2 ** 24), PROTOCOL_ERROR],
  ['ENABLE_CONNECT_PROTOCOL of 2', setting(h2.SETTINGS_ENABLE_CONNECT_PROTOCOL, 2), PROTOCOL_ERROR],
  ['PUSH_PROMISE', frame(h2.PUSH_PROMISE, h2.END_HEADERS, 1, octets(8)), PROTOCOL_ERROR],
  ['PING on a stream', frame(h2.PING, 0, 1, octets(8)), PROTOCOL_ERROR],
  ['PING of 6 octets', frame(h2.PING, 0, 0, octets(6)), FRAME_SIZE_ERROR],
  ['GOAWAY on a stream', frame(h2.GOAWAY, 0, 1, octets(8)), PROTOCOL_ERROR],
  ['GOAWAY of 7 octets', frame(h2.GOAWAY, 0, 0, octets(7)), FRAME_SIZE_ERROR],
  ['WINDOW_UPDATE of 3 octets', frame(h2.WINDOW_UPDATE, 0, 0, octets(3)), FRAME_SIZE_ERROR],
  ['WINDOW_UPDATE by 0 on the connection', frame(h2.WINDOW_UPDATE, 0, 0, octets(4)), PROTOCOL_ERROR],
  ['WINDOW_UPDATE by 0 on a stream', frame(h2.WINDOW_UPDATE, 0, 1, Buffer.from('80000000', 'hex')), PROTOCOL_ERROR],
  ['CONTINUATION on its own', frame(h2.CONTINUATION, h2.END_HEADERS, 1, 'x'), PROTOCOL_ERROR],
  ['PRIORITY_UPDATE on a stream', frame(h2.PRIORITY_UPDATE, 0, 1, octets(4)), PROTOCOL_ERROR],
  ['an unknown frame over the frame size', frame(0xfa, 0, 0, octets(16_385)), FRAME_SIZE_ERROR],
]

for (const [name, bytes, code] of FAULTS) {
  test(`${h2.errorName(code)}: ${name}`, () => {
    const whole = readPieces([EMPTY_SETTINGS, bytes])
    assert.equal(whole.code, code)
    assert.deepEqual(
      whole.log.lines.filter((line) => !line.startsWith('setting')),
      [],
    )
    const split = readPieces([EMPTY_SETTINGS, ...Array.from(bytes, (byte) => Buffer.of(byte))])
    assert.equal(split.code, code)
  })
}

const BEGUN = frame(h2.HEADERS, 0, 1, 'begun')
const WITHIN_A_BLOCK: readonly (readonly [string, Buffer])[] = [
  ['DATA', frame(h2.DATA, 0, 1, 'x')],
  ['HEADERS', frame(h2.HEADERS, h2.END_HEADERS, 1, 'x')],
  ['SETTINGS', EMPTY_SETTINGS],
  ['PING', frame(h2.PING, 0, 0, octets(8))],
  ['an unknown frame', frame(0xfa, 0, 0, '')],
  ['CONTINUATION of another stream', frame(h2.CONTINUATION, h2.END_HEADERS, 3, 'x')],
]

for (const [name, bytes] of WITHIN_A_BLOCK) {
  test(`PROTOCOL_ERROR: ${name} within a header block`, () => {
    assert.equal(readPieces([EMPTY_SETTINGS, BEGUN, bytes]).code, PROTOCOL_ERROR)
  })
}

test('the first frame has to be SETTINGS, and no acknowledgement', () => {
  assert.equal(readPieces([frame(h2.PING, 0, 0, octets(8))]).code, PROTOCOL_ERROR)
  assert.equal(readPieces([frame(h2.SETTINGS, h2.ACK, 0)]).code, PROTOCOL_ERROR)
  assert.equal(readPieces([EMPTY_SETTINGS]).code, 0)
})

test('a preface that is none ends at its first wrong octet', () => {
  const bytes = Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n')
  const { log, code } = readPieces([bytes, EMPTY_SETTINGS], { preface: true })
  assert.equal(code, PROTOCOL_ERROR)
  assert.deepEqual(log.lines, [])
})

test('a header block is bounded in octets and in CONTINUATION frames', () => {
  const limits = { maxBlockBytes: 100, maxContinuations: 3 }
  const more = frame(h2.CONTINUATION, 0, 1, octets(30))
  const end = frame(h2.CONTINUATION, h2.END_HEADERS, 1, octets(5))
  const start = frame(h2.HEADERS, 0, 1, octets(35))
  assert.equal(readPieces([EMPTY_SETTINGS, start, more, more, end], limits).code, 0)
  assert.equal(readPieces([EMPTY_SETTINGS, start, more, more, more], limits).code, ENHANCE_YOUR_CALM)
  assert.equal(readPieces([EMPTY_SETTINGS, frame(h2.HEADERS, 4, 1, octets(101))], limits).code, ENHANCE_YOUR_CALM)
  const empty = frame(h2.CONTINUATION, 0, 1)
  assert.equal(readPieces([EMPTY_SETTINGS, start, empty, empty, empty, empty], limits).code, ENHANCE_YOUR_CALM)
})

test('an error of the sink stops the reader, and stays', () => {
  const log = new FrameLog()
  log.refuse = { kind: 'ping', code: ENHANCE_YOUR_CALM }
  const reader = new FrameReader(16_384, log)
  const ping = frame(h2.PING, 0, 0, octets(8))
  const bytes = Buffer.concat([EMPTY_SETTINGS, ping, ping])
  assert.equal(reader.read(bytes, 0, bytes.length), ENHANCE_YOUR_CALM)
  assert.equal(reader.read(ping, 0, ping.length), ENHANCE_YOUR_CALM)
  assert.equal(log.lines.filter((line) => line.startsWith('ping')).length, 1)
})

test('the reserved bit of stream ids and increments is ignored', () => {
  const window = frame(h2.WINDOW_UPDATE, 0, 5, Buffer.from('80000007', 'hex'))
  window[5] = 0x80
  assert.deepEqual(readPieces([EMPTY_SETTINGS, window]).log.lines.at(-1), 'window 5 +7')
})
