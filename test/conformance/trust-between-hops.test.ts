/** security.md §2.6, as far as it concerns HTTP/1: loops, routing by Host, forwarding fields, nominations, upgrades. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { statusesIn } from '../support/raw-peers.ts'
import { answerOk, Bench } from './bench.ts'

let bench: Bench
before(async () => {
  bench = await Bench.start()
})
after(() => bench.close())

const headComplete = (received: string): boolean => received.endsWith('\r\n\r\n')
const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`

/** What the origin received for this request, the fields that the proxy adds included. */
async function received(request: string, on = bench): Promise<string> {
  const before = on.origin.connections.length
  await on.forwards(request, headComplete)
  return on.origin.connections[before]!.received
}

test('row 30: a request that carries the hop token of this process is a loop: 508', async () => {
  const token = /\r\nHopscope-Hop: (\S+)\r\n/.exec(await received(get('')))![1]!
  await bench.refuses(get(`Hopscope-Hop: ${token}\r\n`), 508)
  await bench.refuses(get(`Hopscope-Hop: other, ${token}\r\n`), 508)
})

test('row 30: a token of another process is kept, and ours is added', async () => {
  assert.match(await received(get('Hopscope-Hop: other\r\n')), /\r\nHopscope-Hop: other, \S+\r\n/)
})

test('row 31: neither Host nor an absolute target decides where bytes go', async () => {
  const host = '169.254.169.254'
  assert.match(
    await received(`GET /latest/meta-data/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
    /^GET \/latest\/meta-data\/ /,
  )
  assert.match(await received(`GET http://${host}/x HTTP/1.1\r\nHost: ${host}\r\n\r\n`), /^GET \/x HTTP\/1\.1\r\n/)
})

const FORGED = 'X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n'

test('row 33: by setting, forwarding fields of the client are overwritten', async (t) => {
  const own = await Bench.start({ 'forwarded.mode': 'overwrite' })
  t.after(() => own.close())
  const sent = await received(get(FORGED), own)
  assert.match(sent, /\r\nX-Forwarded-For: 127\.0\.0\.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n/)
  assert.ok(!/10\.0\.0\.1|evil/.test(sent))
})

test('row 33: by setting, the peer is appended', async (t) => {
  const own = await Bench.start({ 'forwarded.mode': 'append' })
  t.after(() => own.close())
  assert.match(await received(get(FORGED), own), /\r\nX-Forwarded-For: 10\.0\.0\.1, 127\.0\.0\.1\r\n/)
})

for (const mode of ['append', 'overwrite']) {
  test(`row 33: mode ${mode} leaves one X-Forwarded-For, however many came`, async (t) => {
    const own = await Bench.start({ 'forwarded.mode': mode })
    t.after(() => own.close())
    const sent = await received(get('X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n'), own)
    const values = [...sent.matchAll(/^x-forwarded-for: (.*)\r$/gim)].map(([, value]) => value)
    assert.deepEqual(values, [mode === 'append' ? '10.0.0.1, 10.0.0.2, 127.0.0.1' : '127.0.0.1'])
  })
}

for (const name of [
  'Host',
  'Content-Length',
  'Transfer-Encoding',
  'Authorization',
  'Cookie',
  'X-Forwarded-For',
  'X-Request-Id',
  'traceparent',
  'Hopscope-Hop',
]) {
  test(`row 34: Connection may not name ${name}`, async () => {
    await bench.refuses(get(`Connection: close, ${name}\r\n`), 400)
    await bench.refuses(get(`Connection: ${name.toUpperCase()}\r\n`), 400)
  })
}

test('row 34: fields of ours are on the request whatever Connection names', async () => {
  const sent = await received(get('Connection: X-Custom, keep-alive\r\nX-Custom: 1\r\n'))
  assert.match(sent, /\r\nX-Request-ID: /)
  assert.match(sent, /\r\ntraceparent: /)
  assert.ok(!/custom|\r\nconnection/i.test(sent))
})

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const ACCEPT = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
const handshake = (
  fields = `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n`,
  line = 'GET / HTTP/1.1',
): string => `${line}\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${fields}\r\n`
const switching = (fields: string): string => `HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`
const GOOD = switching(`Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`)

for (const [name, request] of [
  ['version 777', handshake(`Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 777\r\n`)],
  ['no version', handshake(`Sec-WebSocket-Key: ${KEY}\r\n`)],
  ['no key', handshake('Sec-WebSocket-Version: 13\r\n')],
  ['a short key', handshake('Sec-WebSocket-Key: abcd\r\nSec-WebSocket-Version: 13\r\n')],
  ['POST', handshake(undefined, 'POST / HTTP/1.1')],
  ['a body', handshake(`Content-Length: 5\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n`)],
] as const) {
  test(`row 36: a WebSocket handshake with ${name} is refused`, async () => {
    await bench.refuses(request, 400)
  })
}

for (const [name, response] of [
  ['a wrong accept', switching('Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n')],
  ['no accept', switching('Connection: Upgrade\r\nUpgrade: websocket\r\n')],
  ['another protocol', switching(`Connection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`)],
  ['no Connection: upgrade', switching(`Upgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`)],
] as const) {
  test(`row 36: a 101 with ${name} is 502 and no tunnel`, async () => {
    const before = bench.origin.connections.length
    bench.script = (connection) => connection.send(response)
    const { text } = await bench.answers(`${handshake()}SMUGGLED`)
    bench.script = answerOk
    assert.deepEqual(statusesIn(text), [502])
    await bench.origin.waitFor('the end', ({ connections }) => connections[before]?.ended === true)
    assert.ok(!bench.origin.connections[before]!.received.includes('SMUGGLED'))
  })
}

test('row 36: bytes behind the handshake wait for the 101, then go through', async () => {
  const before = bench.origin.connections.length
  bench.script = () => {}
  const client = await bench.client()
  client.send(`${handshake()}EARLY`)
  await bench.origin.waitFor(
    'the handshake',
    ({ connections }) => connections[before]?.received.endsWith('\r\n\r\n') === true,
  )
  const connection = bench.origin.connections[before]!
  assert.ok(!connection.received.includes('EARLY'))
  connection.send(`${GOOD}HELLO`)
  await bench.origin.waitFor('the early bytes', () => connection.received.endsWith('\r\n\r\nEARLY'))
  assert.ok(await client.sees((text) => text.endsWith('\r\n\r\nHELLO')))
  assert.match(client.received, /^HTTP\/1\.1 101 /)
  assert.match(client.received, /\r\nConnection: Upgrade\r\n/i)
  client.close()
  bench.script = answerOk
})

test('row 36: any other answer is plain HTTP, and the connection closes: what came behind is not a request', async () => {
  const before = bench.origin.connections.length
  bench.script = (connection) => connection.send('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n')
  const { text } = await bench.answers(`${handshake()}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`)
  bench.script = answerOk
  assert.deepEqual(statusesIn(text), [426])
  assert.match(text, /\r\nConnection: close\r\n/)
  for (const { received } of bench.origin.connections.slice(before)) assert.ok(!received.includes('smuggled'))
})

test('row 37: CONNECT is 405, and the connection closes', async () => {
  await bench.refuses('CONNECT x:22 HTTP/1.1\r\nHost: x:22\r\n\r\n', 405)
})

test('row 38: names that mean something to JavaScript are names like others', async () => {
  const request = get(
    '__proto__: a\r\nconstructor: b\r\n__proto__: c\r\nhasOwnProperty: d\r\nConnection: __proto__x\r\n',
  )
  assert.match(await received(request), /__proto__: a\r\nconstructor: b\r\n__proto__: c\r\nhasOwnProperty: d\r\n/)
  assert.ok(!/__proto__/.test(await received(get('__proto__: a\r\nConnection: __proto__\r\n'))))
})
