import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HelloReader, type HelloResult, MAX_HELLO_BYTES, parseClientHello } from '../../src/net/client-hello.ts'

const u16 = (value: number): number[] => [value >> 8, value & 255]
const vector = (bytes: readonly number[]): number[] => [...u16(bytes.length), ...bytes]
const text = (value: string): number[] => [...Buffer.from(value, 'latin1')]
const sni = (name: string): number[] => [...u16(0), ...vector(vector([0, ...vector(text(name))]))]

/** A hello with these extensions; `lie` is added to the stated length of the message. */
function hello(extensions: readonly number[], lie = 0): Buffer {
  const body = [3, 3, ...Array(32).fill(7), 0, ...vector([0x13, 1]), 1, 0, ...vector(extensions)]
  const message = [1, 0, ...u16(body.length + lie), ...body]
  return Buffer.from([22, 3, 1, ...u16(message.length), ...message])
}

function say(result: HelloResult): string {
  if (typeof result === 'string') return result
  if (result.kind === 'fault') return `fault: ${result.reason}`
  return result.nameFault === '' ? `hello ${result.serverName}` : `hello, name ${result.nameFault}`
}

/** What a caller that reads byte by byte ends up with. */
function dribbled(all: Uint8Array): HelloResult {
  for (let end = 0; end <= all.length; end++) {
    const result = parseClientHello(all, 0, end)
    if (result !== 'need-more') return result
  }
  return 'need-more'
}

const CASES: readonly (readonly [name: string, bytes: Buffer, outcome: string])[] = [
  ['a good one', hello(sni('a.example')), 'hello a.example'],
  ['NUL in the name', hello(sni('good.example\0.evil')), 'hello, name not a host name'],
  ['CRLF in the name', hello(sni('a\r\nHost: b')), 'hello, name not a host name'],
  ['UTF-8 in the name', hello(sni('bücher.example')), 'hello, name not a host name'],
  ['an empty name', hello(sni('')), 'hello, name empty'],
  ['a name of 300 bytes', hello(sni('a'.repeat(300))), 'hello, name too long'],
  ['__proto__', hello(sni('__proto__')), 'hello __proto__'],
  [
    'two names in one extension',
    hello([...u16(0), ...vector(vector([0, ...vector(text('a')), 0, ...vector(text('b'))]))]),
    'hello, name not one host name',
  ],
  [
    'a name of another type',
    hello([...u16(0), ...vector(vector([9, ...vector(text('a'))]))]),
    'hello, name not one host name',
  ],
  ['the name twice', hello([...sni('a.example'), ...sni('b.example')]), 'fault: an extension is there twice'],
  [
    'a name longer than its list',
    hello([...u16(0), ...vector([...u16(3), 0, ...u16(99)])]),
    'fault: extension 0 is malformed',
  ],
  ['an extension longer than the hello', hello([...u16(5), ...u16(500), 1]), 'fault: an extension is cut short'],
  ['an empty ALPN name', hello([...u16(16), ...vector(vector([0]))]), 'fault: extension 16 is malformed'],
  ['an odd list of versions', hello([...u16(43), ...vector([3, 3, 4, 3])]), 'fault: extension 43 is malformed'],
  [
    'a byte too much in the message',
    Buffer.concat([hello([], 1), Buffer.from([22, 3, 1, 0, 1, 0])]),
    'fault: the extensions do not fill the ClientHello',
  ],
  ['a server hello', Buffer.from([22, 3, 3, 0, 4, 2, 0, 0, 0]), 'not-tls'],
  ['an alert', Buffer.from([21, 3, 3, 0, 2, 1, 0]), 'not-tls'],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'not-tls'],
  ['SSLv2', Buffer.from([0x80, 0x2e, 1, 0, 2]), 'not-tls'],
  ['an empty record', Buffer.from([22, 3, 1, 0, 0]), 'fault: a TLS record is empty'],
  ['a record over 16 KiB', Buffer.from([22, 3, 1, 0x40, 1]), 'fault: a TLS record is too long'],
  ['a hello over 16 KiB', Buffer.from([22, 3, 1, 0, 4, 1, 0, 0x40, 0]), 'fault: the ClientHello is too long'],
  [
    'application data in its midst',
    Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 9, 23, 3, 3, 0, 1]),
    'fault: a TLS record is not a handshake',
  ],
  ['nothing', Buffer.alloc(0), 'need-more'],
]
for (const [name, bytes, outcome] of CASES) {
  test(name, () => {
    assert.equal(say(parseClientHello(bytes)), outcome)
    assert.equal(say(dribbled(bytes)), outcome)
  })
}

test('GREASE is not reported', () => {
  const versions = [...u16(43), ...vector([6, 0x3a, 0x3a, 3, 4, 3, 3])]
  const alpn = [...u16(16), ...vector(vector([2, 0xfa, 0xfa, 2, ...text('h2')]))]
  const result = parseClientHello(hello([...u16(0x0a0a), 0, 0, ...versions, ...alpn]))
  assert.ok(typeof result === 'object' && result.kind === 'hello')
  assert.deepEqual([result.versions, result.alpn], [[0x304, 0x303], ['h2']])
})

test('a hello that never ends is not waited for', () => {
  const records = Buffer.concat(Array.from({ length: 4000 }, () => Buffer.from([22, 3, 1, 0, 1, 1])))
  const endless = Buffer.concat([Buffer.from([22, 3, 1, 0, 4, 1, 0, 0x3f, 0]), records])
  assert.equal(parseClientHello(endless, 0, MAX_HELLO_BYTES - 1), 'need-more')
  assert.equal(say(parseClientHello(endless, 0, MAX_HELLO_BYTES)), 'fault: the ClientHello is too long')
  assert.equal(say(parseClientHello(endless)), 'fault: the ClientHello is too long')
})

const mutated = fc
  .tuple(
    fc.constantFrom(...CASES.map(([, bytes]) => bytes)),
    fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }),
  )
  .map(([bytes, edits]) => {
    const copy = Buffer.from(bytes)
    for (const [at, value] of edits) if (copy.length > 0) copy[at % copy.length] = value
    return copy
  })
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => hello([...bytes])),
  mutated,
)

test('never throws, and says the same however the bytes are split', () => {
  fc.assert(
    fc.property(garbage, (all) => {
      assert.deepEqual(dribbled(all), parseClientHello(all))
    }),
    { numRuns: 5000 },
  )
})

test('only the given range is looked at', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 9 }), garbage, fc.uint8Array({ maxLength: 9 }), (before, all, after) => {
      const buf = Buffer.concat([before, all, after])
      const end = before.length + all.length
      assert.deepEqual(parseClientHello(buf, before.length, end), parseClientHello(all))
    }),
  )
})

test('one in records of one byte that come byte by byte is not put together for each of them', () => {
  const long = hello([...u16(0x0a0a), ...u16(2000), ...Array(2000).fill(1)]).subarray(5)
  const records = Buffer.concat([...long].map((byte) => Buffer.from([22, 3, 1, 0, 1, byte])))
  let looks = 0
  const counted = new Proxy(records, {
    get: (target, name) => {
      if (name === 'subarray') looks++
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const reader = new HelloReader()
  for (let end = 0; end < records.length; end++) assert.equal(reader.read(counted, end), 'need-more')
  assert.deepEqual(reader.read(records, records.length), parseClientHello(records))
  assert.ok(looks < 60 * long.length, `${looks} records looked at for ${long.length}`)
})
