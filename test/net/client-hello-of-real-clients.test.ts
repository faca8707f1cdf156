/** Hellos captured on a real socket: from OpenSSL in Node, and from undici's and the openssl program's where it is there. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { after, before, test } from 'node:test'
import { type ConnectionOptions, connect } from 'node:tls'
import { type ClientHello, parseClientHello } from '../../src/net/client-hello.ts'

let server: Server
const captured: Buffer[] = []
let onHello = (): void => {}

before(async () => {
  server = createServer((socket) => {
    let bytes = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      if (parseClientHello(bytes) === 'need-more') return
      captured.push(bytes)
      socket.destroy()
      onHello()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
after(() => server.close())

const portOf = (): number => (server.address() as AddressInfo).port

async function capture(client: () => void): Promise<Buffer> {
  captured.length = 0
  const come = new Promise<void>((resolve) => {
    onHello = resolve
  })
  client()
  await come
  return captured[0]!
}

function node(options: ConnectionOptions): Promise<Buffer> {
  return capture(() => {
    connect({ host: '127.0.0.1', port: portOf(), rejectUnauthorized: false, ...options }).on('error', () => {})
  })
}

function hello(bytes: Buffer): ClientHello {
  const result = parseClientHello(bytes)
  assert.ok(typeof result === 'object' && result.kind === 'hello', JSON.stringify(result))
  return result
}

test('name, protocols and versions as the client was told', async () => {
  const bytes = await node({ servername: 'Api.Example.com', ALPNProtocols: ['h2', 'http/1.1'], minVersion: 'TLSv1.2' })
  const expected = { serverName: 'api.example.com', nameFault: '', alpn: ['h2', 'http/1.1'], versions: [0x304, 0x303] }
  assert.deepEqual(hello(bytes), { kind: 'hello', ...expected })
})

test('TLS 1.2 only, without name and protocols', async () => {
  const bytes = await node({ servername: '', maxVersion: 'TLSv1.2' })
  assert.deepEqual(hello(bytes), { kind: 'hello', serverName: '', nameFault: '', alpn: [], versions: [0x303] })
})

test('a name that looks like a property of objects', async () => {
  assert.equal(hello(await node({ servername: '__proto__' })).serverName, '__proto__')
})

test('many protocols, so that the hello is large', async () => {
  const many = Array.from({ length: 40 }, (_, i) => `protocol-${i}-${'x'.repeat(90)}`)
  assert.deepEqual(hello(await node({ servername: 'a.example', ALPNProtocols: many })).alpn, many)
})

test('cut at every byte it asks for more, and then says the same', async () => {
  const bytes = await node({ servername: 'a.example', ALPNProtocols: ['h2'] })
  for (let end = 0; end < bytes.length; end++) assert.equal(parseClientHello(bytes, 0, end), 'need-more')
  assert.equal(hello(bytes).serverName, 'a.example')
})

test('fragmented over records of every size it says the same', async () => {
  const bytes = await node({ servername: 'a.example', ALPNProtocols: ['h2'] })
  const whole = hello(bytes)
  const message = bytes.subarray(5)
  for (let size = 1; size <= message.length; size++) {
    const records: Buffer[] = []
    for (let at = 0; at < message.length; at += size) {
      const part = message.subarray(at, at + size)
      records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part)
    }
    assert.deepEqual(parseClientHello(Buffer.concat(records)), whole, `records of ${size}`)
  }
})

const noOpenssl = spawnSync('openssl', ['version']).error !== undefined && 'openssl is not installed'
test('the openssl program', { skip: noOpenssl }, async () => {
  const args = ['s_client', '-connect', `127.0.0.1:${portOf()}`, '-servername', 'b.example', '-alpn', 'mqtt,x']
  const bytes = await capture(() => spawn('openssl', args, { stdio: 'ignore' }))
  assert.equal(hello(bytes).serverName, 'b.example')
  assert.deepEqual(hello(bytes).alpn, ['mqtt', 'x'])
  assert.equal(hello(bytes).versions[0], 0x304)
})
