/** A stream of frames means the same cut at every offset, octet by octet, or in one piece. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { frame, readPieces } from './frame-log.ts'

const control = Buffer.alloc(200)
let at = h2.settingsFrame(control, 0, [
  [h2.SETTINGS_MAX_CONCURRENT_STREAMS, 100],
  [h2.SETTINGS_INITIAL_WINDOW_SIZE, h2.MAX_31],
  [0xf0f0, 0xffff_ffff],
])
at = h2.settingsAckFrame(control, at)
at = h2.pingFrame(control, at, false, Buffer.from('01234567'), 0)
at = h2.pingFrame(control, at, true, Buffer.from('..abcdefgh'), 2)
at = h2.windowUpdateFrame(control, at, 0, h2.MAX_31)
at = h2.rstFrame(control, at, 7, h2.CANCEL)
at = h2.goawayFrame(control, at, 7, h2.ENHANCE_YOUR_CALM, 'calm down')

const STREAM = Buffer.concat([
  h2.PREFACE,
  control.subarray(0, at),
  frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, 'whole block'),
  frame(h2.HEADERS, h2.END_HEADERS | h2.PADDED | h2.WITH_PRIORITY, 3, '\x02\0\0\0\x01\x10padded\0\0'),
  frame(h2.HEADERS, h2.END_STREAM, 5, 'one, '),
  frame(h2.CONTINUATION, 0, 5, ''),
  frame(h2.CONTINUATION, 0, 5, 'two, '),
  frame(h2.CONTINUATION, h2.END_HEADERS, 5, 'three'),
  frame(h2.DATA, 0, 3, 'plain data'),
  frame(h2.DATA, h2.PADDED, 3, '\x04padded data\0\0\0\0'),
  frame(h2.DATA, h2.PADDED, 3, '\x03\0\0\0'),
  frame(h2.DATA, h2.PADDED, 3, '\x00'),
  frame(h2.DATA, 0, 3, ''),
  frame(h2.DATA, h2.END_STREAM, 3, 'last'),
  frame(h2.DATA, h2.END_STREAM, 9, ''),
  frame(h2.PRIORITY, 0, 11, '\0\0\0\x01\x10'),
  frame(h2.PRIORITY_UPDATE, 0, 0, '\0\0\0\x01u=1'),
  frame(0xfa, 0xff, 21, 'whatever it means'),
  frame(h2.HEADERS, h2.END_HEADERS, 13, ''),
])

const EXPECTED = [
  'setting 3=100',
  'setting 4=2147483647',
  'setting 61680=4294967295',
  'settings 3',
  'settings ack',
  'ping 3031323334353637',
  'ping 6162636465666768 ack',
  'window 0 +2147483647',
  'rst 7 8',
  'goaway 7 11 calm down',
  'headers 1 "whole block" +0 end',
  'headers 3 "padded" +0',
  'headers 5 "one, two, three" +3 end',
  'data 3 "plain data" flow=10',
  'data 3 "padded data" flow=16',
  'data 3 "" flow=4',
  'data 3 "" flow=1',
  'data 3 "" flow=0',
  'data 3 "last" flow=4 end',
  'data 9 "" flow=0 end',
  'priority 11',
  'other 16 on 0',
  'other 250 on 21',
  'headers 13 "" +0',
]
const OPTIONS = { preface: true }

test('in one piece', () => {
  const { log, code, reader } = readPieces([STREAM], OPTIONS)
  assert.deepEqual(log.lines, EXPECTED)
  assert.equal(code, 0)
  assert.equal(reader.pending, false)
})

test('cut in two at every offset', () => {
  for (let cut = 1; cut < STREAM.length; cut++) {
    const { log, code } = readPieces([STREAM.subarray(0, cut), STREAM.subarray(cut)], OPTIONS)
    assert.deepEqual(log.lines, EXPECTED, `cut at ${cut}`)
    assert.equal(code, 0)
  }
})

test('octet by octet, in memory that is used again', () => {
  const shared = Buffer.alloc(1)
  const log = readPieces([], OPTIONS)
  for (const byte of STREAM) {
    shared[0] = byte
    assert.equal(log.reader.read(shared, 0, 1), 0)
  }
  assert.deepEqual(log.log.lines, EXPECTED)
})

test('in random pieces', () => {
  const cuts = fc.uniqueArray(fc.nat(STREAM.length), { maxLength: 40 })
  fc.assert(
    fc.property(cuts, (places) => {
      const sorted = [0, ...places.sort((a, b) => a - b), STREAM.length]
      const pieces = sorted.slice(1).map((end, i) => Buffer.from(STREAM.subarray(sorted[i], end)))
      assert.deepEqual(readPieces(pieces, OPTIONS).log.lines, EXPECTED)
    }),
  )
})

test('only a frame without octets reports a piece that takes nothing from the windows', () => {
  const padded = frame(h2.DATA, h2.PADDED, 1, '\x02ab\0\0')
  for (let cut = h2.FRAME_HEADER; cut <= padded.length; cut++) {
    const { log, reader } = readPieces([frame(h2.SETTINGS, 0, 0)])
    const before = log.pieces
    reader.read(padded, 0, cut)
    assert.equal(log.pieces - before, cut === h2.FRAME_HEADER ? 0 : 1, `after ${cut} octets`)
    assert.equal(reader.pending, cut < padded.length)
  }
})

test('pending says whether the peer owes octets', () => {
  const { reader } = readPieces([], OPTIONS)
  assert.equal(reader.pending, true, 'the preface')
  reader.read(h2.PREFACE, 0, h2.PREFACE.length)
  assert.equal(reader.pending, false)
  const settings = frame(h2.SETTINGS, 0, 0)
  reader.read(settings, 0, 3)
  assert.equal(reader.pending, true, 'half a frame header')
  reader.read(settings, 3, settings.length)
  assert.equal(reader.pending, false)
  const headers = frame(h2.HEADERS, 0, 1, 'begun')
  reader.read(headers, 0, headers.length)
  assert.equal(reader.pending, true, 'a header block')
  assert.equal(reader.inHeaderBlock, true)
})
