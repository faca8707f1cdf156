import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { LOOK_BYTES, type Recognised } from '../../src/net/protocols/first-bytes.ts'
import { ProtocolWatch } from '../../src/net/protocols/protocol-watch.ts'
import { CLIENTS, OTHERS, type Recording, SERVERS } from './recorded.ts'

type Piece = readonly [fromClient: boolean, bytes: Buffer]

/** What a watch without pairs says of these pieces. */
function recognised(pieces: readonly Piece[]): Recognised | undefined {
  let protocol: Recognised | undefined
  const watch = new ProtocolWatch({
    onProtocol: (found) => {
      assert.equal(protocol, undefined, 'a protocol is told once')
      protocol = found
    },
    onCall: undefined,
    onFault: (error) => assert.fail(String(error)),
  })
  for (const [fromClient, bytes] of pieces) {
    // In the middle of other memory, as in the buffer that all reads share.
    const buf = Buffer.concat([Buffer.from('xx'), bytes, Buffer.from('yy')])
    if ((fromClient ? watch.a : watch.b)(buf, 2, buf.length - 2)) break
  }
  return protocol
}

const bytesOf = ({ hex }: Recording): Buffer => Buffer.from(hex, 'hex')
const labelOf = ({ name, version, variant }: Recording): Recognised => ({ name, version, variant })
const everyByte = (fromClient: boolean, bytes: Buffer): Piece[] =>
  [...bytes].map((byte) => [fromClient, Buffer.from([byte])])

for (const [recordings, fromClient] of [
  [CLIENTS, true],
  [SERVERS, false],
] as const) {
  for (const recording of recordings) {
    test(`${recording.by}: ${recording.name}, in any two pieces and byte by byte`, () => {
      const bytes = bytesOf(recording)
      assert.deepEqual(recognised([[fromClient, bytes]]), labelOf(recording))
      assert.deepEqual(recognised(everyByte(fromClient, bytes)), labelOf(recording))
      for (let at = 1; at < bytes.length; at++) {
        assert.deepEqual(
          recognised([
            [fromClient, bytes.subarray(0, at)],
            [fromClient, bytes.subarray(at)],
          ]),
          labelOf(recording),
          `split at ${at}`,
        )
      }
    })

    test(`${recording.by}: what comes behind changes nothing`, () => {
      const bytes = Buffer.concat([bytesOf(recording), Buffer.alloc(2000, 0xee)])
      assert.deepEqual(recognised([[fromClient, bytes]]), labelOf(recording))
    })
  }
}

for (const [name, bytes] of Object.entries(OTHERS)) {
  test(`not labelled: ${name}`, () => {
    assert.equal(recognised([[true, bytes]]), undefined)
    assert.equal(recognised(everyByte(true, bytes)), undefined)
    // Nor from a server that speaks first.
    assert.equal(recognised([[false, bytes]]), undefined)
  })
}

test('the side counts: what a client sends first does not come from a server, and the other way round', () => {
  for (const recording of CLIENTS) assert.equal(recognised([[false, bytesOf(recording)]]), undefined, recording.by)
  for (const recording of SERVERS) assert.equal(recognised([[true, bytesOf(recording)]]), undefined, recording.by)
})

test('a server that greets is known even though the client answers', () => {
  const [greeting] = SERVERS
  const login = Buffer.from('4100000185a6ff01', 'hex')
  assert.equal(
    recognised([
      [false, bytesOf(greeting!)],
      [true, login],
    ])?.name,
    'mysql',
  )
  const halves = [bytesOf(greeting!).subarray(0, 30), bytesOf(greeting!).subarray(30)] as const
  assert.equal(
    recognised([
      [false, halves[0]],
      [true, login],
      [false, halves[1]],
    ])?.name,
    'mysql',
  )
})

for (const [asked, answer, label] of [
  ['PING\r\n', '+PONG\r\n', 'redis'],
  ['ping\r\n', '-NOAUTH Authentication required.\r\n', 'redis'],
  ['AUTH secret\r\n', '-WRONGPASS invalid username-password pair or user is disabled.\r\n', 'redis'],
  // memcached, NATS and IRC know PING too, or answer what they do not know.
  ['PING\r\n', 'ERROR\r\n', undefined],
  ['PING\r\n', 'PONG\r\n', undefined],
  ['AUTH secret\r\n', '+OK\r\n', undefined],
  ['QUIT\r\n', '+OK\r\n', undefined],
] as const) {
  test(`words count with their answer: ${asked.trim()} and ${answer.trim()} are ${label ?? 'nothing'}`, () => {
    const bytes = Buffer.from(asked)
    const back = Buffer.from(answer)
    assert.equal(recognised([[true, bytes]]), undefined)
    assert.equal(
      recognised([
        [true, bytes],
        [false, back],
      ])?.name,
      label,
    )
    assert.equal(recognised([...everyByte(true, bytes), ...everyByte(false, back)])?.name, label)
  })
}

test('any bytes: the same answer in one piece and in many, and no label for noise', () => {
  const noise = fc.uint8Array({ minLength: 1, maxLength: LOOK_BYTES + 64 })
  // Beginnings of real ones with damage lead further than noise alone.
  const damaged = fc
    .tuple(fc.constantFrom(...CLIENTS), fc.nat({ max: 59 }), fc.integer({ min: 1, max: 255 }), noise)
    .map(([recording, at, flip, tail]) => {
      const bytes = bytesOf(recording)
      bytes[at % bytes.length]! ^= flip
      return Buffer.concat([bytes, tail])
    })
  fc.assert(
    fc.property(fc.oneof(noise, damaged), fc.array(fc.nat({ max: 600 }), { maxLength: 8 }), (given, cuts) => {
      const bytes = Buffer.from(given)
      const whole = recognised([[true, bytes]])
      const pieces: Piece[] = []
      let at = 0
      for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
        if (cut <= at || cut > bytes.length) continue
        pieces.push([true, bytes.subarray(at, cut)])
        at = cut
      }
      assert.deepEqual(recognised(pieces), whole)
    }),
    { numRuns: 3000 },
  )
  fc.assert(
    fc.property(noise, (given) => {
      assert.equal(recognised([[true, Buffer.from(given)]]), undefined)
      assert.equal(recognised([[false, Buffer.from(given)]]), undefined)
    }),
    { numRuns: 3000 },
  )
})

test('looking is bounded: with the last byte of the look-ahead there is an answer', () => {
  for (const start of ['*1', 'PING', '\x00\x00', '\x10', '\x82!']) {
    const watch = new ProtocolWatch({ onCall: undefined, onFault: (error) => assert.fail(String(error)) })
    const bytes = Buffer.concat([Buffer.from(start, 'latin1'), Buffer.alloc(LOOK_BYTES, 0)])
    assert.equal(watch.a(bytes, 0, bytes.length), true, `${JSON.stringify(start)} is still looked at`)
    assert.equal(watch.facts, undefined)
  }
})
