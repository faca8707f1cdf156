import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { takeSlab } from '../../src/net/slabs.ts'
import { Wire, type WireHandler } from '../../src/net/wire.ts'

const HIGH_WATER = 64 * 1024

class Peer {
  readonly #server: Server
  readonly port: number
  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
  }

  static async start(t: TestContext): Promise<Peer> {
    const server = createServer({ allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const sockets: Socket[] = []
    server.on('connection', (socket) => sockets.push(socket))
    t.after(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    return new Peer(server)
  }

  async accepted(): Promise<Socket> {
    const [socket] = (await once(this.#server, 'connection')) as [Socket]
    socket.on('error', () => {})
    return socket
  }
}

/** What a wire was told, and promises of it. */
class Heard implements WireHandler {
  drains = 0
  closed: { error: Error | undefined } | undefined
  readonly gone: Promise<void>
  #gone: () => void = () => {}
  #drained: (() => void) | undefined
  constructor() {
    this.gone = new Promise((resolve) => {
      this.#gone = resolve
    })
  }

  onBytes(): void {}
  onEnd(): void {}
  onDrain(): void {
    this.drains++
    this.#drained?.()
  }

  onClose(error: Error | undefined): void {
    assert.equal(this.closed, undefined, 'told twice')
    this.closed = { error }
    this.#gone()
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained = resolve
    })
  }
}

function dial(port: number): { wire: Wire; heard: Heard } {
  const wire = Wire.dial({ host: '127.0.0.1', port }, HIGH_WATER)
  const heard = new Heard()
  wire.handler = heard
  return { wire, heard }
}

async function readAll(socket: Socket, pauseMs = 0): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of socket) {
    pieces.push(piece as Buffer)
    if (pauseMs > 0) await sleep(pauseMs)
  }
  return Buffer.concat(pieces)
}

type Write = { readonly kind: 'text' | 'copy' | 'framed' | 'slab'; readonly bytes: number }
const writes = fc.array(
  fc.record({
    kind: fc.constantFrom<Write['kind']>('text', 'copy', 'framed', 'slab'),
    bytes: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 130_000 })),
  }),
  { minLength: 1, maxLength: 40 },
)

/** Writes it and says what must arrive. */
function write(wire: Wire, { kind, bytes }: Write, mark: number): Buffer {
  const content = Buffer.alloc(bytes, `${mark}:é`, 'latin1')
  if (kind === 'text') wire.writeText(content.toString('latin1'))
  else if (kind === 'copy') wire.writeCopy(content, 0, bytes)
  else if (kind === 'framed') {
    wire.writeFramed('<', content, 0, bytes, '>')
    return Buffer.concat([Buffer.from('<'), content, Buffer.from('>')])
  } else {
    const slab = takeSlab(Math.max(4096, bytes))
    if (slab === undefined) wire.writeCopy(content, 0, bytes)
    else {
      content.copy(slab)
      wire.writeSlab(slab, bytes)
    }
  }
  // Whoever wrote it may use the memory again.
  const sent = Buffer.from(content)
  content.fill(0)
  return sent
}

test('any writes, begun before the connection is there, to a reader of any speed', async (t) => {
  const peer = await Peer.start(t)
  const run = async (list: Write[], pauseMs: number): Promise<void> => {
    const { wire, heard } = dial(peer.port)
    const reading = peer.accepted().then((socket) => readAll(socket, pauseMs))
    const sent: Buffer[] = []
    for (const [i, one] of list.entries()) {
      sent.push(write(wire, one, i))
      if (i === 2 && wire.socket.connecting) await once(wire.socket, 'connect')
      if (wire.full) await heard.drained()
    }
    wire.finish()
    const [got, want] = [await reading, Buffer.concat(sent)]
    assert.equal(got.length, want.length)
    assert.equal(hashOf(got), hashOf(want))
    assert.equal(wire.pendingBytes, 0)
    wire.destroy()
    await heard.gone
  }
  await fc.assert(fc.asyncProperty(writes, fc.constantFrom(0, 0, 1), run), { numRuns: 60 })
})

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

test('a reader that stops fills the wire; when it goes on, the wire says so once', async (t) => {
  const peer = await Peer.start(t)
  const { wire, heard } = dial(peer.port)
  const socket = await peer.accepted()
  if (wire.socket.connecting) await once(wire.socket, 'connect')
  let written = 0
  while (!wire.full) {
    wire.writeText('x'.repeat(50_000))
    written += 50_000
  }
  assert.ok(wire.pendingBytes >= HIGH_WATER)
  assert.ok(wire.queuedBytes > 0)
  assert.equal(wire.bytesWritten, written)
  const mark = wire.takenMark
  assert.equal(heard.drains, 0)
  const drained = heard.drained()
  const reading = readAll(socket)
  await drained
  assert.equal(heard.drains, 1)
  assert.equal(wire.full, false)
  assert.ok(wire.takenMark > mark)
  wire.finish()
  assert.equal((await reading).length, written)
})

test('the peer resets: the wire is closed with the failure, and later writes are nothing', async (t) => {
  const peer = await Peer.start(t)
  const { wire, heard } = dial(peer.port)
  const socket = await peer.accepted()
  wire.pause()
  wire.writeText('a first write')
  await once(socket, 'data')
  socket.resetAndDestroy()
  const until = performance.now() + 5000
  while (heard.closed === undefined && performance.now() < until) {
    wire.writeText('another one')
    await sleep(1)
  }
  assert.ok(heard.closed !== undefined)
  const { code, syscall } = heard.closed.error as NodeJS.ErrnoException
  assert.match(code ?? '', /^(EPIPE|ECONNRESET)$/)
  assert.match(syscall ?? '', /^(write|read)$/)
  wire.writeText('after its end')
})

test('closed with bytes under way: nothing is told but the end', async (t) => {
  const peer = await Peer.start(t)
  const { wire, heard } = dial(peer.port)
  await peer.accepted()
  while (!wire.full) wire.writeCopy(Buffer.alloc(100_000), 0, 100_000)
  wire.destroy()
  await heard.gone
  await sleep(20)
  assert.deepEqual([heard.drains, heard.closed], [0, { error: undefined }])
})
