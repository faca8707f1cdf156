import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect, createServer, type Http2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const BYTES = 200 * 1024 * 1024
/** Over the idle proxy, which alone is 70 MiB on Node 20 and 88 on 24. */
const LIMIT_BYTES = 96 * 1024 ** 2
const SLOW_MS = 500
const PIECE = Buffer.alloc(256 * 1024, 'x')
const skip = !existsSync('/proc/self/status') && 'needs /proc'

/** A proxy in a process of its own, towards HTTP/2. */
async function start(t: TestContext, upstreamPort: number): Promise<{ port: number; child: ChildProcess }> {
  const child = fork(fileURLToPath(new URL('./proxy-child.js', import.meta.url)), [String(upstreamPort)])
  t.after(() => child.kill('SIGKILL'))
  const [port] = (await once(child, 'message')) as [number]
  return { port, child }
}

/** Highest resident memory of a process, bytes. */
function peakOf(child: ChildProcess): number {
  const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1')) ?? []
  return Number(kilobytes) * 1024
}

/** Reads slowly at first, then as fast as it can; gives the bytes that came. */
async function readAll(stream: Http2Stream): Promise<number> {
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  const ended = once(stream, 'end')
  const until = performance.now() + SLOW_MS
  while (performance.now() < until) {
    stream.pause()
    await sleep(50)
    stream.resume()
    await sleep(1)
  }
  await ended
  return bytes
}

async function writeAll(stream: Http2Stream): Promise<void> {
  for (let sent = 0; sent < BYTES; sent += PIECE.length) if (!stream.write(PIECE)) await once(stream, 'drain')
}

test('200 MB both ways at once, each to a reader that begins slowly', { skip }, async (t) => {
  const server = createServer({ settings: { initialWindowSize: 1 << 20 } })
  let uploaded: Promise<number> | undefined
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 })
    uploaded = readAll(stream)
    // A complete answer would end the upload.
    void Promise.all([uploaded, writeAll(stream)]).then(() => stream.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port, child } = await start(t, (server.address() as AddressInfo).port)
  const idle = peakOf(child)
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1 << 20 } })
  t.after(() => {
    session.destroy()
    server.close()
  })
  const stream = session.request({ ':method': 'POST', ':path': '/' }, { endStream: false })
  const downloaded = readAll(stream)
  await writeAll(stream)
  stream.end()
  assert.equal(await downloaded, BYTES)
  assert.equal(await uploaded, BYTES)
  const peak = peakOf(child)
  t.diagnostic(`peak ${Math.round(peak / 1024 ** 2)} MiB, idle ${Math.round(idle / 1024 ** 2)} MiB`)
  assert.ok(idle > 0 && peak - idle < LIMIT_BYTES, `${(peak - idle) / 1024 ** 2} MiB more`)
})
