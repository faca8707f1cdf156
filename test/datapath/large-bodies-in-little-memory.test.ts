import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const GIGABYTE = 1024 ** 3
const LIMIT_BYTES = 128 * 1024 ** 2
const SLOW_MS = 1500
const PIECE = Buffer.alloc(1024 * 1024, 'x')
const skip = !existsSync('/proc/self/status') && 'needs /proc'

/** A proxy in a process of its own. */
async function start(t: TestContext, upstreamPort: number): Promise<{ port: number; child: ChildProcess }> {
  const child = fork(fileURLToPath(new URL('./proxy-child.js', import.meta.url)), [String(upstreamPort)])
  t.after(() => child.kill('SIGKILL'))
  const [port] = (await once(child, 'message')) as [number]
  return { port, child }
}

/** Watches the resident memory of a process; gives the highest seen, in bytes. */
function watch(t: TestContext, child: ChildProcess): () => number {
  let peak = 0
  const look = (): void => {
    const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1')) ?? []
    peak = Math.max(peak, Number(kilobytes) * 1024)
  }
  const timer = setInterval(look, 20)
  t.after(() => clearInterval(timer))
  return () => {
    look()
    return peak
  }
}

/** Reads slowly at first, then as fast as it can; gives the bytes that came. */
async function readAll(socket: Socket, wanted: number): Promise<number> {
  let bytes = 0
  const done = new Promise<number>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes >= wanted) resolve(bytes)
    })
    socket.on('close', () => reject(new Error(`closed after ${bytes} bytes`)))
  })
  const until = performance.now() + SLOW_MS
  while (performance.now() < until) {
    socket.pause()
    await sleep(100)
    socket.resume()
    await sleep(1)
  }
  return await done
}

/** Writes a gigabyte at the speed at which it is taken. */
async function writeAll(socket: Socket): Promise<void> {
  for (let sent = 0; sent < GIGABYTE; sent += PIECE.length) {
    if (!socket.write(PIECE)) await once(socket, 'drain')
  }
}

test('a response of 1 GB to a slow reader', { skip }, async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${GIGABYTE}\r\n\r\n`)
      void writeAll(socket)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port, child } = await start(t, (server.address() as AddressInfo).port)
  const peak = watch(t, child)
  const client = connect(port, '127.0.0.1')
  t.after(() => client.destroy())
  client.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.ok((await readAll(client, GIGABYTE)) >= GIGABYTE)
  t.diagnostic(`peak ${Math.round(peak() / 1024 ** 2)} MiB`)
  assert.ok(peak() > 0 && peak() < LIMIT_BYTES, `${peak() / 1024 ** 2} MiB`)
})

test('an upload of 1 GB to a slow upstream', { skip }, async (t) => {
  let taken: Promise<number> | undefined
  const server = createServer((socket) => {
    socket.on('error', () => {})
    taken = readAll(socket, GIGABYTE)
    taken.then(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port, child } = await start(t, (server.address() as AddressInfo).port)
  const peak = watch(t, child)
  const client = connect(port, '127.0.0.1')
  t.after(() => client.destroy())
  client.write(`POST / HTTP/1.1\r\nHost: here\r\nContent-Length: ${GIGABYTE}\r\n\r\n`)
  const answer = once(client, 'data')
  await writeAll(client)
  const [head] = (await answer) as [Buffer]
  assert.match(head.toString(), /^HTTP\/1.1 200/)
  t.diagnostic(`peak ${Math.round(peak() / 1024 ** 2)} MiB`)
  assert.ok(peak() > 0 && peak() < LIMIT_BYTES, `${peak() / 1024 ** 2} MiB`)
})
