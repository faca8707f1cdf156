/** Floods connection after connection, ten a second at most: `attacker.js ATTACK PORT`. Tells how many were closed. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ATTACKS } from '../../test/http2/attacks.ts'
import { flood, trickle } from '../../test/http2/flooding.ts'
import { FramePeer } from '../../test/http2/frame-peer.ts'

const [, , name, port] = process.argv
const { frames, apart, first, open } = ATTACKS.find((attack) => attack.name === name)!
const EVERY_MS = 100

let closed = 0
process.on('message', () => process.send?.(closed, undefined, {}, () => process.exit()))
for (;;) {
  const next = sleep(EVERY_MS)
  const peer = await FramePeer.connect(Number(port))
  try {
    if (first !== undefined) peer.send(first)
    if (!open) await peer.roundTrip()
    await (apart ? trickle(peer, frames) : flood(peer, frames))
    closed++
  } catch {
    // Closed before it began, or not closed in time: not counted.
  }
  peer.socket.destroy()
  await next
}
