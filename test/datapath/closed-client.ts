/**
 * Run by a test in a namespace of its own: one client closes its socket and one only its sending half, while both wait
 * for an answer. Prints what became of their exchanges.
 */
import { writeFileSync } from 'node:fs'
import { Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { TestProxy } from '../support/proxy.ts'

// The kernel keeps a closed socket for this many seconds before it answers with RST.
writeFileSync('/proc/sys/net/ipv4/tcp_fin_timeout', '1')
const waiting: Peer[] = []
const origin = await Origin.start(async (peer) => {
  await peer.message()
  waiting.push(peer)
  origin.changed()
})
const proxy = await TestProxy.start(`http://127.0.0.1:${origin.port}`)
const [gone, there] = [await Peer.connect(proxy.port), await Peer.connect(proxy.port)]
for (const client of [gone, there]) client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
await origin.until('two requests', () => waiting.length === 2)
const began = performance.now()
gone.socket.destroy()
there.finish()
await proxy.finished(1)
const afterMs = performance.now() - began
await Promise.any(waiting.map((peer) => peer.ended()))
// Both probes have gone out: the client that reads on has answered its own.
const left = waiting.filter(({ ending }) => ending === 'open')
for (const peer of left) peer.send(ok('late'))
const { body } = await there.message()
const [first] = await proxy.finished(2)
console.log(JSON.stringify({ code: first?.error?.code, errno: first?.error?.errno, afterMs, left: left.length, body }))
process.exit()
