import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { each, FrameOrigin } from './frame-origin.ts'
import { data, FramePeer } from './frame-peer.ts'

const STREAMS = 8
const WINDOW = 262_144
/** With a view for each byte, of 100 bytes or more, they would be 200 MiB alone; the process has 90 without any. */
const LIMIT_BYTES = 192 * 1024 ** 2
const skip = !existsSync('/proc/self/status') && 'needs /proc'

test('two million single bytes for an upstream that takes none', { skip }, async (t) => {
  const origin = await FrameOrigin.start(
    each(() => {}),
    { credits: false, settings: [[h2.SETTINGS_INITIAL_WINDOW_SIZE, 0]] },
  )
  const child = fork(fileURLToPath(new URL('./proxy-child.js', import.meta.url)), [String(origin.port)])
  t.after(async () => {
    child.kill('SIGKILL')
    await origin.close()
  })
  const [port] = (await once(child, 'message')) as [number]
  const client = await FramePeer.connect(port)
  t.after(() => client.socket.destroy())
  // The upstream has said that it takes nothing before the first of them is opened.
  client.send(client.get(1))
  await origin.connections[0]?.roundTrip()
  await client.roundTrip()
  const thousand = (id: number): Buffer => Buffer.concat(Array.from({ length: 1024 }, () => data(id, 'x')))
  for (let i = 1; i <= STREAMS; i++) {
    const id = 1 + 2 * i
    client.send(client.post(id))
    const piece = thousand(id)
    for (let sent = 0; sent < WINDOW; sent += 1024) await client.sendAll(piece)
  }
  await client.roundTrip()
  assert.equal(client.ending, 'open')
  const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1')) ?? []
  const peak = Number(kilobytes) * 1024
  t.diagnostic(`peak ${Math.round(peak / 1024 ** 2)} MiB`)
  assert.ok(peak > 0 && peak < LIMIT_BYTES, `${peak / 1024 ** 2} MiB`)
})
