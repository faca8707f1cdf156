import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type WebSocketMessage, WebSocketWatch } from '../../src/http/message/websocket-watch.ts'
import { BINARY, CLOSE, CONTINUATION, closing, type FrameOptions, frame, PING, PONG, TEXT } from './frames.ts'

const KEY = [0x11, 0x00, 0xfe, 0x7a] as const

/** A session as a client (masked) or a server would send it: fragments, with control frames between them, all lengths. */
function session(mask: FrameOptions['mask']): Buffer {
  const options = mask === undefined ? {} : { mask }
  return Buffer.concat([
    frame(TEXT, 'hello', options),
    frame(PING, '', options),
    frame(BINARY, Buffer.alloc(200, 1), { ...options, fin: false, reserved: 4 }),
    frame(PING, 'between', options),
    frame(CONTINUATION, '', { ...options, fin: false }),
    frame(PONG, 'x', options),
    frame(CONTINUATION, Buffer.alloc(70_000, 2), options),
    frame(TEXT, '', options),
    frame(CLOSE, closing(4001, 'going'), options),
  ])
}

function watched(masked: boolean, pieces: readonly Buffer[]): { watch: WebSocketWatch; messages: WebSocketMessage[] } {
  const messages: WebSocketMessage[] = []
  const watch = new WebSocketWatch(masked, (message) => messages.push(message))
  let now = 0
  for (const piece of pieces) {
    const buf = Buffer.concat([Buffer.from('before'), piece, Buffer.from('behind')])
    if (watch.feed(buf, 6, 6 + piece.length, ++now)) break
  }
  return { watch, messages }
}

const counts = ({ watch }: { watch: WebSocketWatch }): Record<string, unknown> => {
  const { messages, texts, bytes, fragments, pings, pongs, largest, closeCode, closeReasonBytes, malformed, done } =
    watch
  return { messages, texts, bytes, fragments, pings, pongs, largest, closeCode, closeReasonBytes, malformed, done }
}

const EXPECTED = {
  messages: 3,
  texts: 2,
  bytes: 70_205,
  fragments: 2,
  pings: 2,
  pongs: 1,
  largest: 70_200,
  closeCode: 4001,
  closeReasonBytes: 5,
  malformed: '',
  done: true,
}

for (const [side, mask] of [
  ['client', KEY],
  ['server', undefined],
] as const) {
  const bytes = session(mask)
  const masked = mask !== undefined

  test(`a ${side}'s session in one piece`, () => {
    const seen = watched(masked, [bytes])
    assert.deepEqual(counts(seen), EXPECTED)
    assert.deepEqual(
      seen.messages.map(({ text, bytes, fragments }) => [text, bytes, fragments]),
      [
        [true, 5, 1],
        [false, 70_200, 3],
        [true, 0, 1],
      ],
    )
  })

  test(`a ${side}'s session split at every offset, and byte by byte`, () => {
    for (let at = 1; at < bytes.length; at += at < 300 || at > bytes.length - 50 ? 1 : 997) {
      assert.deepEqual(counts(watched(masked, [bytes.subarray(0, at), bytes.subarray(at)])), EXPECTED, `split at ${at}`)
    }
    assert.deepEqual(
      counts(
        watched(
          masked,
          [...bytes].map((byte) => Buffer.of(byte)),
        ),
      ),
      EXPECTED,
    )
  })
}

test('times: the first byte of the first message, the last byte of the last', () => {
  const pieces = [
    frame(PING, ''),
    frame(TEXT, 'ab', { fin: false }),
    frame(PING, ''),
    frame(CONTINUATION, 'c'),
    frame(TEXT, 'd').subarray(0, 1),
    frame(TEXT, 'd').subarray(1),
    frame(PING, ''),
    frame(CLOSE, ''),
  ]
  const { watch, messages } = watched(false, pieces)
  assert.deepEqual([watch.firstUs, watch.lastUs, watch.closeUs, watch.closeCode], [2, 6, 8, 1005])
  assert.deepEqual(
    messages.map(({ startUs, endUs }) => [startUs, endUs]),
    [
      [2, 4],
      [5, 6],
    ],
  )
})

test('a message under way at the end is counted in bytes and is no message', () => {
  const { watch } = watched(false, [frame(TEXT, 'abc', { fin: false }), frame(CONTINUATION, 'defgh').subarray(0, 4)])
  assert.deepEqual([watch.messages, watch.bytes, watch.done], [0, 5, false])
})

for (const [reason, masked, pieces] of [
  ['reserved bits', false, [frame(TEXT, 'x', { reserved: 2 })]],
  ['reserved opcode', false, [frame(3, 'x')]],
  ['reserved opcode', false, [frame(11, '')]],
  ['fragmented control frame', false, [frame(PING, '', { fin: false })]],
  ['long control frame', false, [frame(PING, Buffer.alloc(126))]],
  [
    'compression bit on a later frame',
    false,
    [frame(TEXT, 'x', { fin: false }), frame(CONTINUATION, 'y', { reserved: 4 })],
  ],
  ['compression bit on a later frame', false, [frame(PING, '', { reserved: 4 })]],
  ['continuation of nothing', false, [frame(CONTINUATION, 'x')]],
  ['continuation of nothing', false, [frame(TEXT, 'x'), frame(CONTINUATION, 'x')]],
  ['message within a message', false, [frame(TEXT, 'x', { fin: false }), frame(BINARY, 'y')]],
  ['client frame without mask', true, [frame(TEXT, 'x')]],
  ['masked server frame', false, [frame(TEXT, 'x', { mask: KEY })]],
  ['length in more bytes than it needs', false, [frame(TEXT, 'x', { lengthBytes: 2 })]],
  ['length in more bytes than it needs', false, [frame(TEXT, 'x', { lengthBytes: 8 })]],
  ['length beyond all bounds', false, [frame(BINARY, 'x', { length: 1n << 63n })]],
  ['close frame of one byte', false, [frame(CLOSE, 'x')]],
] as const) {
  test(`let go: ${reason}, and what came before it counts`, () => {
    const mask = masked ? { mask: KEY } : {}
    const bytes = Buffer.concat([frame(TEXT, 'good', mask), ...pieces, frame(TEXT, 'never seen', mask)])
    const { watch } = watched(masked, [bytes])
    assert.equal(watch.malformed, reason)
    assert.equal(watch.done, true)
    assert.ok(watch.messages === 1 || watch.messages === 2, `${watch.messages} messages`)
    assert.equal(
      watched(
        masked,
        [...bytes].map((byte) => Buffer.of(byte)),
      ).watch.malformed,
      reason,
    )
  })
}

test('the largest length that there is passes without a copy', () => {
  const { watch } = watched(false, [frame(BINARY, '', { length: BigInt(Number.MAX_SAFE_INTEGER), lengthBytes: 8 })])
  assert.deepEqual([watch.malformed, watch.bytes, watch.done], ['', 0, false])
})

test('any messages in any fragments and pieces are counted as they were sent', () => {
  const message = fc.record({
    text: fc.boolean(),
    parts: fc.array(fc.nat({ max: 400 }), { minLength: 1, maxLength: 4 }),
    pings: fc.boolean(),
  })
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 6 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 700 }),
      (messages, masked, size) => {
        const options = masked ? { mask: KEY } : {}
        const frames = messages.flatMap(({ text, parts, pings }) =>
          parts.flatMap((bytes, i) => [
            frame(i === 0 ? (text ? TEXT : BINARY) : CONTINUATION, Buffer.alloc(bytes, 7), {
              ...options,
              fin: i === parts.length - 1,
            }),
            ...(pings ? [frame(PING, 'p', options)] : []),
          ]),
        )
        const bytes = Buffer.concat(frames)
        const pieces = []
        for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
        const { watch } = watched(masked, pieces)
        const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
        assert.equal(watch.malformed, '')
        assert.equal(watch.messages, messages.length)
        assert.equal(watch.texts, messages.filter(({ text }) => text).length)
        assert.equal(watch.bytes, sum(messages.flatMap(({ parts }) => parts)))
        assert.equal(watch.fragments, sum(messages.map(({ parts }) => parts.length - 1)))
        assert.equal(watch.pings, sum(messages.map(({ parts, pings }) => (pings ? parts.length : 0))))
      },
    ),
    { numRuns: 500 },
  )
})
