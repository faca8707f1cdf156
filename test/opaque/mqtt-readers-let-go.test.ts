/** What brokers and clients of tests do not do: packets written one by one, right and wrong ones. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { generate, type Packet } from 'mqtt-packet'
import { MAX_OUTSTANDING } from '../../src/net/protocols/call.ts'
import { outline, type Piece, replay } from './watched-tunnel.ts'

type Version = 3 | 4 | 5

const client = (version: Version, packet: Packet): Piece => [true, generate(packet, { protocolVersion: version })]
const server = (version: Version, packet: Packet): Piece => [false, generate(packet, { protocolVersion: version })]
const raw = (fromClient: boolean, hex: string): Piece => [fromClient, Buffer.from(hex.replaceAll(' ', ''), 'hex')]

function connect(version: Version, clientId = 'c'): Piece {
  const protocolId = version === 3 ? 'MQIsdp' : 'MQTT'
  return client(version, { cmd: 'connect', protocolId, protocolVersion: version, clientId, clean: true, keepalive: 30 })
}

function connack(version: Version, code = 0): Piece {
  const codes = version === 5 ? { reasonCode: code } : { returnCode: code }
  return server(version, { cmd: 'connack', sessionPresent: false, ...codes })
}

const opened = (version: Version): Piece[] => [connect(version), connack(version)]

function subscribe(version: Version, messageId: number, ...topics: string[]): Piece {
  const subscriptions = topics.map((topic) => ({ topic, qos: 1 as const }))
  return client(version, { cmd: 'subscribe', messageId, subscriptions })
}

/** A PUBLISH of either side. */
function publish(
  fromClient: boolean,
  version: Version,
  messageId: number,
  more: Partial<Packet & { cmd: 'publish' }> = {},
): Piece {
  const packet: Packet = {
    cmd: 'publish',
    qos: 1,
    dup: false,
    retain: false,
    topic: 't',
    payload: 'x',
    messageId,
    ...more,
  }
  return fromClient ? client(version, packet) : server(version, packet)
}

interface Case {
  readonly name: string
  readonly pieces: readonly Piece[]
  readonly calls: readonly string[]
  /** Why it was given up. */
  readonly gaveUp?: string
  readonly unpaired?: number
  readonly closing?: string
}

const BY_CLIENT = 'unexpected bytes from the client'
const BY_SERVER = 'unexpected bytes from the server'
const large = 'x'.repeat(5000)

const CASES: readonly Case[] = [
  ...([1, 2, 3, 4, 5] as const).map((code, i) => ({
    name: `3.1.1 CONNACK with return code ${code}`,
    pieces: [connect(4), connack(4, code)],
    calls: [
      `MQTT CONNECT ! ${['unacceptable_protocol_version', 'identifier_rejected', 'server_unavailable', 'bad_user_name_or_password', 'not_authorized'][i]}`,
    ],
  })),
  {
    name: '5 CONNACK with a reason',
    pieces: [connect(5), connack(5, 0x97)],
    calls: ['MQTT CONNECT ! quota_exceeded'],
  },
  {
    name: '3.1.1 SUBACK that refuses one of two',
    pieces: [...opened(4), subscribe(4, 7, 'a', 'b'), server(4, { cmd: 'suback', messageId: 7, granted: [1, 128] })],
    calls: ['MQTT CONNECT', 'MQTT SUBSCRIBE ! unspecified_error'],
  },
  {
    name: '5 SUBACK and UNSUBACK that refuse',
    pieces: [
      ...opened(5),
      subscribe(5, 7, 'a'),
      server(5, { cmd: 'suback', messageId: 7, granted: [0xa2] }),
      client(5, { cmd: 'unsubscribe', messageId: 8, unsubscriptions: ['a'] }),
      server(5, { cmd: 'unsuback', messageId: 8, granted: [0x87] }),
    ],
    calls: [
      'MQTT CONNECT',
      'MQTT SUBSCRIBE ! wildcard_subscriptions_not_supported',
      'MQTT UNSUBSCRIBE ! not_authorized',
    ],
  },
  {
    name: 'QoS 2 that is refused at its PUBREC, and one that is not known at its PUBREL',
    pieces: [
      ...opened(5),
      publish(true, 5, 1, { qos: 2 }),
      server(5, { cmd: 'pubrec', messageId: 1, reasonCode: 0x99 }),
      publish(true, 5, 2, { qos: 2 }),
      server(5, { cmd: 'pubrec', messageId: 2, reasonCode: 0 }),
      client(5, { cmd: 'pubrel', messageId: 2, reasonCode: 0 }),
      server(5, { cmd: 'pubcomp', messageId: 2, reasonCode: 0x92 }),
    ],
    calls: ['MQTT CONNECT', 'MQTT PUBLISH ! payload_format_invalid', 'MQTT PUBLISH ! packet_identifier_not_found'],
  },
  {
    name: 'the same id on both sides at once',
    pieces: [
      ...opened(4),
      publish(true, 4, 1),
      publish(false, 4, 1),
      client(4, { cmd: 'puback', messageId: 1 }),
      server(4, { cmd: 'puback', messageId: 1 }),
    ],
    calls: ['MQTT CONNECT', 'server: MQTT PUBLISH', 'MQTT PUBLISH'],
  },
  {
    name: 'a PUBLISH sent again is one call',
    pieces: [
      ...opened(4),
      publish(true, 4, 1),
      publish(true, 4, 1, { dup: true }),
      server(4, { cmd: 'puback', messageId: 1 }),
    ],
    calls: ['MQTT CONNECT', 'MQTT PUBLISH'],
  },
  {
    name: 'a PUBREL of an earlier connection',
    pieces: [...opened(4), client(4, { cmd: 'pubrel', messageId: 5 }), server(4, { cmd: 'pubcomp', messageId: 5 })],
    calls: ['MQTT CONNECT', 'MQTT PUBREL'],
  },
  {
    name: 'enhanced authentication before the CONNACK',
    pieces: [
      connect(5),
      server(5, { cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'm' } }),
      client(5, { cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'm' } }),
      connack(5),
    ],
    calls: ['MQTT CONNECT'],
  },
  {
    name: 'requests that get no reply',
    pieces: [...opened(4), subscribe(4, 1, 'a'), client(4, { cmd: 'pingreq' }), publish(false, 4, 2)],
    calls: ['MQTT CONNECT', 'MQTT PINGREQ ! no_reply', 'MQTT SUBSCRIBE ! no_reply', 'server: MQTT PUBLISH ! no_reply'],
  },
  {
    name: 'the server takes its leave',
    pieces: [...opened(5), server(5, { cmd: 'disconnect', reasonCode: 0x8e })],
    calls: ['MQTT CONNECT'],
    closing: 'server: session_taken_over',
  },
  {
    name: 'packets beyond the bound are paired by their id',
    pieces: [
      ...opened(4),
      subscribe(4, 300, ...Array.from({ length: 200 }, (_, i) => `topic/${large.slice(0, 30)}/${i}`)),
      server(4, { cmd: 'suback', messageId: 300, granted: Array.from({ length: 200 }, () => 1) }),
      // A payload of any size is none of it.
      publish(true, 4, 301, { payload: large.repeat(10) }),
      server(4, { cmd: 'puback', messageId: 301 }),
    ],
    calls: ['MQTT CONNECT', 'MQTT SUBSCRIBE', 'MQTT PUBLISH'],
  },
  {
    name: 'a topic beyond the bound is passed over, and its reply finds nothing',
    pieces: [...opened(4), publish(true, 4, 9, { topic: large }), server(4, { cmd: 'puback', messageId: 9 })],
    calls: ['MQTT CONNECT'],
    unpaired: 1,
  },
  {
    name: 'replies to nothing',
    pieces: [
      ...opened(4),
      server(4, { cmd: 'puback', messageId: 1 }),
      server(4, { cmd: 'pingresp' }),
      client(4, { cmd: 'puback', messageId: 4 }),
    ],
    calls: ['MQTT CONNECT'],
    unpaired: 3,
  },
  {
    name: 'more outstanding than are kept: the oldest go',
    pieces: [
      ...opened(4),
      ...Array.from({ length: MAX_OUTSTANDING + 3 }, (_, i) => publish(true, 4, i + 1)),
      server(4, { cmd: 'puback', messageId: 1 }),
      server(4, { cmd: 'puback', messageId: MAX_OUTSTANDING + 3 }),
    ],
    calls: [
      'MQTT CONNECT',
      'MQTT PUBLISH',
      ...Array.from({ length: MAX_OUTSTANDING - 1 }, () => 'MQTT PUBLISH ! no_reply'),
    ],
    unpaired: 4,
  },
  { name: 'a second CONNECT', pieces: [...opened(4), connect(4)], calls: ['MQTT CONNECT'], gaveUp: BY_CLIENT },
  { name: 'a CONNACK of the client', pieces: [connect(4), raw(true, '20 02 00 00')], calls: [], gaveUp: BY_CLIENT },
  {
    name: 'a SUBSCRIBE of the server',
    pieces: [...opened(4), raw(false, '82 06 0001 0001 61 00')],
    calls: ['MQTT CONNECT'],
    gaveUp: BY_SERVER,
  },
  { name: 'packet type 0', pieces: [...opened(4), raw(true, '00 00')], calls: ['MQTT CONNECT'], gaveUp: BY_CLIENT },
  {
    name: 'AUTH before version 5',
    pieces: [...opened(4), raw(true, 'f0 00')],
    calls: ['MQTT CONNECT'],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'QoS 3',
    pieces: [...opened(4), raw(true, '36 05 0001 61 0001')],
    calls: ['MQTT CONNECT'],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'a length in five bytes',
    pieces: [...opened(4), raw(true, '30 80 80 80 80 01')],
    calls: ['MQTT CONNECT'],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'a topic longer than its packet',
    pieces: [...opened(4), raw(true, '32 05 0009 61 0001')],
    calls: ['MQTT CONNECT'],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'properties longer than their packet',
    pieces: [...opened(5), raw(true, '32 06 0001 61 0001 09')],
    calls: ['MQTT CONNECT'],
    gaveUp: BY_CLIENT,
  },
  { name: 'a CONNACK of one byte', pieces: [connect(4), raw(false, '20 01 00')], calls: [], gaveUp: BY_SERVER },
  {
    name: 'wrong flags of a SUBSCRIBE',
    pieces: [...opened(4), raw(true, '80 06 0001 0001 61 00')],
    calls: ['MQTT CONNECT'],
    gaveUp: BY_CLIENT,
  },
  {
    name: 'TLS in place of MQTT',
    pieces: [connect(4), raw(false, '16 03 03 00 5a 02 00')],
    calls: [],
    gaveUp: BY_SERVER,
  },
]

for (const { name, pieces, calls, gaveUp = '', unpaired = 0, closing = '' } of CASES) {
  test(name, () => {
    for (const size of [1, 2, 3, 50, 100_000]) {
      const seen = replay(pieces, size)
      assert.deepEqual(seen.calls.map(outline), calls, `pieces of ${size}`)
      assert.equal(seen.facts?.gaveUp, gaveUp, `pieces of ${size}`)
      assert.equal(seen.facts?.unpaired, unpaired, `pieces of ${size}`)
      if (gaveUp === '') assert.equal(seen.facts?.closing, closing)
      assert.equal(seen.facts?.calls, calls.length)
    }
  })
}

test('any damage: nothing is thrown, and nothing is kept for ever', () => {
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
      const [, bytes] = pieces[1 + (piece % (pieces.length - 1))]!
      bytes[at % bytes.length] = byte
      // The watch throws on faults of ours.
      replay(pieces, size)
    }),
    { numRuns: 4000 },
  )
})
