import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Peer } from '../support/client.ts'
import { Origin } from '../support/origin.ts'

const CONNECTIONS = 200
const HEAD_BYTES = 60_000
/** What two idle connections may take in the heap, their sockets included. */
const PAIR_BYTES = 25_000

test('of a long head nothing is kept once it is answered, on either side', async (t) => {
  const gate = new EventEmitter()
  gate.setMaxListeners(0)
  const origin = await Origin.start(async (peer) => {
    for (;;) {
      await peer.message()
      const answer = once(gate, 'answer')
      gate.emit('asked')
      await answer
      peer.send(`HTTP/1.1 200 As good as it can be\r\nX-Long: ${'b'.repeat(HEAD_BYTES)}\r\nContent-Length: 0\r\n\r\n`)
    }
  })
  t.after(() => origin.close())
  const proxy = fork(fileURLToPath(new URL('./proxy-child.js', import.meta.url)), [String(origin.port)])
  t.after(() => proxy.kill('SIGKILL'))
  const [port] = (await once(proxy, 'message')) as [number]
  const aliveBytes = async (): Promise<number> => {
    proxy.send('alive')
    return ((await once(proxy, 'message')) as [number])[0]
  }

  const clients: Peer[] = []
  t.after(() => {
    for (const { socket } of clients) socket.destroy()
  })
  /** Nobody is answered before all have asked: as many connections go to the origin as come from clients. */
  const callOnNewConnections = async (count: number): Promise<void> => {
    let asked = 0
    const onAsked = (): void => {
      if (++asked === count) gate.emit('answer')
    }
    gate.on('asked', onAsked)
    const each = async (): Promise<void> => {
      const client = await Peer.connect(port)
      clients.push(client)
      client.send(
        `GET /a-path-that-is-sliced HTTP/1.1\r\nHost: a-long-name.example.com\r\nX-Long: ${'a'.repeat(HEAD_BYTES)}\r\n\r\n`,
      )
      assert.equal((await client.message()).status, 200)
    }
    await Promise.all(Array.from({ length: count }, each))
    gate.off('asked', onAsked)
  }
  // What the code itself takes when it first runs is not a connection's.
  await callOnNewConnections(50)
  const before = await aliveBytes()
  await callOnNewConnections(CONNECTIONS)
  const each = ((await aliveBytes()) - before) / CONNECTIONS
  assert.ok(each < PAIR_BYTES, `${Math.round(each)} bytes for each idle connection and its upstream's`)
})
