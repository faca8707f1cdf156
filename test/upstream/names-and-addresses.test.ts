import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Wire } from '../../src/net/wire.ts'
import { AddressOrder } from '../../src/upstream/address-order.ts'
import { Dial } from '../../src/upstream/dial.ts'
import type { NameResolver, ResolvedAddress } from '../../src/upstream/resolver.ts'
import { Peer } from '../support/client.ts'
import { problem, TestProxy } from '../support/proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

test('a name that does not exist is a 502 in the dns phase', async (t) => {
  const proxy = await TestProxy.start('http://no-such-host.invalid')
  const client = await Peer.connect(proxy.port)
  t.after(async () => {
    client.socket.destroy()
    await proxy.close()
  })
  client.send(GET)
  const response = await client.message()
  assert.equal(response.status, 502)
  const { code, phase, errno } = problem(response.body)
  assert.deepEqual([code, phase], ['dns_failed', 'dns'])
  assert.match(errno ?? '', /^(ENOTFOUND|EAI_AGAIN)$/)
  const [seen] = await proxy.finished(1)
  assert.ok(seen!.phases.dns! > 0)
  assert.equal(seen!.phases.connect, undefined)
})

const BOTH: ResolvedAddress[] = [
  { address: '::1', family: 6 },
  { address: '127.0.0.1', family: 4 },
]

/** A resolver that knows one name with two addresses, which /etc/hosts does not have on every machine. */
function knowingBoth(): NameResolver {
  return { cached: () => undefined, resolve: async () => BOTH, order: new AddressOrder() } as unknown as NameResolver
}

for (const host of ['127.0.0.1', '::1']) {
  test(`a name with two addresses is reached, and written to, where only ${host} listens`, async (t) => {
    const server = createServer((socket) => socket.pipe(socket))
    server.listen(0, host)
    const up = await Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)])
    if (!up) return t.skip(`no ${host} here`)
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo
    const timeouts = { dnsMs: 1000, connectMs: 1000, tlsMs: 1000 }
    const resolver = knowingBoth()
    // The first write of a process goes another way than the ones after it.
    for (let nth = 0; nth < 3; nth++) {
      const wire = await new Promise<Wire>((resolve, reject) => {
        const options = { resolver, timeouts, highWater: 65_536 }
        const dial = new Dial({ host: 'both.example', port, tls: false }, options, resolve, reject)
        t.after(() => dial.cancel())
      })
      assert.equal(wire.socket.remoteAddress, host)
      for (const text of ['one', 'two']) assert.equal(await echoed(wire, text), text)
      wire.destroy()
      assert.equal(resolver.order.sorted(BOTH)[0]!.address, host, 'the next dial begins with the one that answers')
    }
  })
}

/** What comes back for `text`; fails where the wire closes before. */
function echoed(wire: Wire, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    wire.handler = {
      onBytes: (buf, start, end) => resolve(buf.toString('latin1', start, end)),
      onEnd: () => reject(new Error('ended')),
      onDrain: () => {},
      onClose: (error) => reject(error ?? new Error('closed')),
    }
    wire.writeText(text)
    wire.resume()
  })
}

test('a name that refuses on all its addresses is refused', async (t) => {
  const free = createServer()
  free.listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  await once(free, 'close')
  const proxy = await TestProxy.start(`http://localhost:${port}`)
  const client = await Peer.connect(proxy.port)
  t.after(async () => {
    client.socket.destroy()
    await proxy.close()
  })
  client.send(GET)
  const response = await client.message()
  assert.deepEqual([response.status, problem(response.body).code], [502, 'connection_refused'])
})

test('an address that lost is tried last for a minute, then first again', async (t) => {
  let now = 1000
  t.mock.method(performance, 'now', () => now)
  const order = new AddressOrder()
  const three: ResolvedAddress[] = [...BOTH, { address: '127.0.0.2', family: 4 }]
  const firsts = (): string[] => order.sorted(three).map(({ address }) => address)
  order.connected(three, '::1')
  order.connected(three, '0:0:0:0:0:0:0:1')
  assert.deepEqual(firsts(), ['::1', '127.0.0.1', '127.0.0.2'])
  order.connected(three, '::ffff:127.0.0.2')
  assert.deepEqual(firsts(), ['127.0.0.1', '127.0.0.2', '::1'])
  order.connected(order.sorted(three), '127.0.0.2')
  assert.deepEqual(firsts(), ['127.0.0.2', '::1', '127.0.0.1'])
  now = 62_000
  // The cache takes the time once a millisecond.
  await sleep(5)
  assert.deepEqual(firsts(), ['::1', '127.0.0.1', '127.0.0.2'])
})
