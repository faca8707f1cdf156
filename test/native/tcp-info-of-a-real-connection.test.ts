import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { libc } from '../../src/native/libc.ts'
import { TcpInfo, tcpInfo } from '../../src/native/tcp-info.ts'

const calls = libc()
const skip = 'missing' in calls && calls.missing
const fdOf = (socket: Socket): number => (socket as unknown as { _handle: { fd: number } })._handle.fd

test('counters and round trip of an established connection', { skip }, async () => {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(client, 'connect')
  const info = new TcpInfo()
  assert.equal(tcpInfo(fdOf(client), info), true)
  assert.equal(info.state, 1)
  assert.equal(info.bytesReceived, 0)

  const bytes = 100_000
  client.write(Buffer.alloc(bytes))
  let received = 0
  for await (const chunk of client) {
    received += (chunk as Buffer).length
    if (received < bytes) continue
    assert.equal(tcpInfo(fdOf(client), info), true)
    break
  }
  assert.equal(info.bytesReceived, bytes)
  assert.equal(info.bytesSent - info.bytesRetrans, bytes)
  assert.ok(info.bytesAcked >= bytes, `${info.bytesAcked}`)
  assert.equal(info.notSentBytes, 0)
  assert.ok(info.rttUs > 0 && info.rttUs < 1_000_000, `${info.rttUs}`)
  assert.ok(info.minRttUs > 0 && info.minRttUs <= info.rttUs + info.rttVarUs * 4, `${info.minRttUs}`)
  assert.ok(info.rtoUs >= 200_000 || info.rtoUs > 0)
  assert.ok(info.congestionWindow > 0)
  assert.ok(info.deliveryRate > 0)
  assert.ok(info.delivered > 0)
  server.close()
})

test('what is not an open TCP socket gives false and leaves the figures', { skip }, () => {
  const info = new TcpInfo()
  info.rttUs = 42
  for (const fd of [-1, 0, 999_999]) assert.equal(tcpInfo(fd, info), false)
  assert.equal(info.rttUs, 42)
})
