import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { test } from 'node:test'
import { joinTunnel, type TunnelOutcome } from '../../src/net/opaque.ts'
import { takeHandle } from '../../src/net/raw-handle.ts'
import { Wire } from '../../src/net/wire.ts'

test('an observer that throws ends itself alone: the other goes on, and so do all bytes', async (t) => {
  const echo = createServer((socket) => socket.pipe(socket))
  const faults: unknown[] = []
  let seen = 0
  let outcome: TunnelOutcome | undefined
  const proxy = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    const upstream = Wire.dial({ host: '127.0.0.1', port: (echo.address() as AddressInfo).port }, 65_536)
    const client = Wire.accept(takeHandle(socket)!, 65_536)
    upstream.socket.once('connect', () =>
      joinTunnel(
        client,
        Buffer.alloc(0),
        upstream,
        Buffer.alloc(0),
        (over) => {
          outcome = over
        },
        {
          a: () => {
            throw new Error('in the observer')
          },
          b: (_buf, start, end) => {
            seen += end - start
            return false
          },
          onFault: (error) => faults.push(error),
        },
      ),
    )
  })
  for (const server of [echo, proxy]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
  }
  const sent = Buffer.alloc(300_000, 'abc')
  const socket = connect((proxy.address() as AddressInfo).port, '127.0.0.1')
  const got: Buffer[] = []
  socket.on('data', (chunk: Buffer) => got.push(chunk))
  socket.end(sent)
  await once(socket, 'close')
  assert.ok(Buffer.concat(got).equals(sent))
  assert.equal(seen, sent.length)
  assert.deepEqual(faults.map(String), ['Error: in the observer'])
  assert.equal(outcome?.error, undefined)
  assert.deepEqual([outcome?.bytesAToB, outcome?.bytesBToA], [sent.length, sent.length])
})
