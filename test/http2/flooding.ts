/** Floods: as many frames as go, until the other side has enough. */
import assert from 'node:assert/strict'
import type { FramePeer } from './frame-peer.ts'

/** What one write takes. */
const WRITE_BYTES = 32 * 1024
/** An attacked connection has to be closed in this time. Half a second of it is for reading our GOAWAY. */
export const ENOUGH_MS = 2000

/** Send `frames(i)` for i = 0, 1, … until the connection ends; gives the number of calls. Fails where it does not in time. */
export async function flood(peer: FramePeer, frames: (i: number) => Uint8Array): Promise<number> {
  const since = performance.now()
  let i = 0
  while (peer.ending === 'open') {
    const batch: Uint8Array[] = []
    for (let bytes = 0; bytes < WRITE_BYTES; ) {
      const next = frames(i++)
      batch.push(next)
      bytes += next.length
    }
    await peer.sendAll(Buffer.concat(batch))
    await new Promise((resolve) => setImmediate(resolve))
    const elapsedMs = performance.now() - since
    assert.ok(elapsedMs < ENOUGH_MS, `still open after ${i} and ${Math.round(elapsedMs)} ms`)
  }
  return i
}

/** As {@link flood}, but for pieces that are read one by one, as far as that can be had. */
export async function trickle(peer: FramePeer, frames: (i: number) => Uint8Array): Promise<number> {
  const since = performance.now()
  let i = 0
  while (peer.ending === 'open') {
    peer.send(frames(i++))
    await peer.roundTrip().catch(() => {})
    assert.ok(performance.now() - since < ENOUGH_MS, `still open after ${i}`)
  }
  return i
}
