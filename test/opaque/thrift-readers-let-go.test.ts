/** What Thrift's library does not do: messages written by hand, right and wrong ones, in either encoding. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { MAX_OUTSTANDING } from '../../src/net/protocols/call.ts'
import { outline, type Piece, replay } from './watched-tunnel.ts'

const CALL = 1
const REPLY = 2
const EXCEPTION = 3
const ONEWAY = 4

/** A binary message with this hex as its struct. */
function message(type: number, name: string, sequence: number, struct = '00'): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(0x80010000 + type, 0)
  head.writeInt32BE(name.length, 4)
  const seq = Buffer.alloc(4)
  seq.writeInt32BE(sequence)
  return Buffer.concat([head, Buffer.from(name), seq, hex(struct)])
}

function compact(type: number, name: string, sequence: number, struct = '00'): Buffer {
  return Buffer.concat([Buffer.of(0x82, (type << 5) | 1, sequence, name.length), Buffer.from(name), hex(struct)])
}

function framed(body: Buffer, length = body.length): Buffer {
  const head = Buffer.alloc(4)
  head.writeInt32BE(length)
  return Buffer.concat([head, body])
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const client = (...bytes: Buffer[]): Piece => [true, Buffer.concat(bytes)]
const server = (...bytes: Buffer[]): Piece => [false, Buffer.concat(bytes)]

interface Case {
  readonly name: string
  readonly pieces: readonly Piece[]
  readonly calls: readonly string[]
  readonly gaveUp?: string
  readonly unpaired?: number
}

const BY_CLIENT = 'unexpected bytes from the client'
const BY_SERVER = 'unexpected bytes from the server'
const deep = (levels: number): string => '0c0001'.repeat(levels) + '00'.repeat(levels + 1)

const CASES: readonly Case[] = [
  {
    name: 'replies in another order',
    pieces: [
      client(framed(message(CALL, 'a', 1)), framed(message(CALL, 'b', 2)), framed(message(CALL, 'c', 3))),
      server(framed(message(REPLY, 'c', 3)), framed(message(REPLY, 'a', 1)), framed(message(REPLY, 'b', 2))),
    ],
    calls: ['c', 'a', 'b'],
  },
  {
    name: 'clients that number nothing: in the order of the calls, by method',
    pieces: [
      client(framed(message(CALL, 'a', 0)), framed(message(CALL, 'b', 0)), framed(message(CALL, 'a', 0))),
      server(framed(message(REPLY, 'b', 0)), framed(message(REPLY, 'a', 0)), framed(message(EXCEPTION, 'a', 0))),
    ],
    calls: ['b', 'a', 'a ! exception'],
  },
  {
    name: 'several services on a connection: the reply leaves the name of the service out',
    pieces: [
      client(framed(message(CALL, 'Calculator:add', 1)), framed(message(CALL, 'Store:add', 2))),
      server(framed(message(REPLY, 'add', 2)), framed(message(REPLY, 'add', 1))),
    ],
    calls: ['Store:add', 'Calculator:add'],
  },
  {
    name: 'the server calls as well',
    pieces: [
      client(framed(message(CALL, 'a', 1))),
      server(framed(message(CALL, 'back', 1)), framed(message(REPLY, 'a', 1))),
      client(framed(message(REPLY, 'back', 1)), framed(message(ONEWAY, 'tell', 2))),
    ],
    calls: ['a', 'server: back', 'tell'],
  },
  {
    name: 'exceptions of every form',
    pieces: [
      client(...[1, 2, 3, 4].map((n) => framed(message(CALL, 'a', n)))),
      server(
        framed(message(EXCEPTION, 'a', 1, '0b0001 00000003 626164 080002 00000006 00')),
        framed(message(EXCEPTION, 'a', 2, '080002 00000001 0b0001 00000003 626164 00')),
        // A message that is longer than what is read of it.
        framed(message(EXCEPTION, 'a', 3, `0b0001 00000600 ${'41'.repeat(0x600)} 080002 00000006 00`)),
        framed(message(EXCEPTION, 'a', 4, '0f0001 0b 00000000 00')),
      ),
    ],
    calls: ['a ! internal_error', 'thrift call ! unknown_method', 'a ! exception', 'a ! exception'],
  },
  {
    name: 'compact: an exception with its ids written out, and a declared one',
    pieces: [
      client(compact(CALL, 'a', 1), compact(CALL, 'a', 2), compact(CALL, 'a', 3)),
      server(
        compact(EXCEPTION, 'a', 1, '08 02 03 626164 05 04 0c 00'),
        compact(REPLY, 'a', 2, '2c 00 00'),
        compact(REPLY, 'a', 3, '05 00 0a 00'),
      ),
    ],
    calls: ['a ! internal_error', 'a ! declared_exception', 'a'],
  },
  {
    name: 'unframed: structs within structs, as deep as libraries go',
    pieces: [
      client(message(CALL, 'a', 1, deep(63)), message(CALL, 'b', 2)),
      server(message(REPLY, 'b', 2), message(REPLY, 'a', 1)),
    ],
    calls: ['b', 'a'],
  },
  {
    name: 'replies to nothing',
    pieces: [
      client(framed(message(CALL, 'a', 1))),
      server(framed(message(REPLY, 'b', 1)), framed(message(REPLY, 'a', 2))),
    ],
    calls: ['a ! no_reply'],
    unpaired: 2,
  },
  {
    name: 'more outstanding than are kept: the oldest go',
    pieces: [
      client(...Array.from({ length: MAX_OUTSTANDING + 2 }, (_, i) => framed(message(CALL, 'a', i)))),
      server(framed(message(REPLY, 'a', 0)), framed(message(REPLY, 'a', MAX_OUTSTANDING))),
    ],
    calls: ['a', ...Array.from({ length: MAX_OUTSTANDING - 1 }, () => 'a ! no_reply')],
    unpaired: 3,
  },
  {
    name: 'unframed: structs deeper than that',
    pieces: [client(message(CALL, 'a', 1, deep(64)))],
    calls: [],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'unframed: bytes behind a message that are none',
    pieces: [client(message(CALL, 'a', 1), hex('00'))],
    calls: [],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'unframed: a list of a negative length',
    pieces: [client(message(CALL, 'a', 1, '0f0001 0b ffffffff'))],
    calls: [],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'unframed: a map of no type',
    pieces: [client(message(CALL, 'a', 1, '0d0001 0b01 00000001'))],
    calls: [],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'compact: a number that has no end',
    pieces: [client(compact(CALL, 'a', 1, `16 ${'ff'.repeat(11)}`))],
    calls: [],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'a frame of no length',
    pieces: [client(framed(message(CALL, 'a', 1)), hex('00000000'))],
    calls: [],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'a frame beyond all bounds',
    pieces: [client(framed(message(CALL, 'a', 1))), server(framed(message(REPLY, 'a', 1), 0x7fffffff))],
    calls: [],
    gaveUp: BY_SERVER,
  },
  {
    name: 'a frame that ends within its head',
    pieces: [client(framed(message(CALL, 'a', 1)), framed(message(CALL, 'abc', 2), 10))],
    calls: [],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'HTTP from the server',
    pieces: [client(framed(message(CALL, 'a', 1))), server(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    calls: [],
    gaveUp: BY_SERVER,
  },
]

for (const { name, pieces, calls, gaveUp = '', unpaired = 0 } of CASES) {
  test(name, () => {
    for (const size of [1, 2, 3, 50, 100_000]) {
      const seen = replay(pieces, size)
      assert.deepEqual(seen.calls.map(outline), calls, `pieces of ${size}`)
      assert.equal(seen.facts?.gaveUp, gaveUp, `pieces of ${size}`)
      assert.equal(seen.facts?.unpaired, unpaired, `pieces of ${size}`)
    }
  })
}

test('text of exceptions is told, without what a terminal would take for more', () => {
  const text = Buffer.from('bad\u001b[2J\nthing').toString('hex')
  const length = (text.length / 2).toString(16).padStart(8, '0')
  const reply = message(EXCEPTION, 'a', 1, `0b0001 ${length} ${text} 080002 00000006 00`)
  const { calls } = replay([client(framed(message(CALL, 'a', 1))), server(framed(reply))], 1000)
  assert.equal(calls[0]?.error?.message, 'bad\ufffd[2J\ufffdthing')
})

test('any damage: nothing is thrown, whatever the pieces', () => {
  const good = CASES.filter(({ gaveUp }) => gaveUp === undefined)
  const damage = fc.record({
    of: fc.nat({ max: good.length - 1 }),
    piece: fc.nat(),
    at: fc.nat(),
    byte: fc.integer({ min: 0, max: 255 }),
    size: fc.integer({ min: 1, max: 300 }),
  })
  fc.assert(
    fc.property(damage, ({ of, piece, at, byte, size }) => {
      const pieces = good[of]!.pieces.map(([fromClient, bytes]): Piece => [fromClient, Buffer.from(bytes)])
      const [, bytes] = pieces[piece % pieces.length]!
      bytes[at % bytes.length] = byte
      // Where the watch ends up does not depend on the pieces.
      const whole = replay(pieces, 1_000_000)
      const parts = replay(pieces, size)
      assert.deepEqual(parts.calls.map(outline), whole.calls.map(outline))
      assert.deepEqual(parts.facts, whole.facts)
    }),
    { numRuns: 4000 },
  )
})
