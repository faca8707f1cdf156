/** Our codec against nghttp2, through real sockets: it decodes what we encode, and we what it encodes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  sensitiveHeaders,
} from 'node:http2'
import { type AddressInfo, createServer as createRawServer, connect as dial, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { FrameReader } from '../../src/http/message/http2/frame-reader.ts'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { HpackDecoder } from '../../src/http/message/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http/message/http2/hpack-encoder.ts'
import { decode, type Field } from './fields.ts'
import { EMPTY_SETTINGS, FrameLog } from './frame-log.ts'

const ROUNDS = 120

/** Decodes header blocks; everything else is logged. */
class Peer extends FrameLog {
  readonly decoder: HpackDecoder
  readonly #socket: Socket
  readonly #onFields: (stream: number, fields: Field[]) => void
  readonly encoder: HpackEncoder

  constructor(socket: Socket, tableBytes: number, onFields: (stream: number, fields: Field[]) => void) {
    super()
    this.#socket = socket
    this.decoder = new HpackDecoder(tableBytes)
    this.encoder = new HpackEncoder(tableBytes)
    this.#onFields = onFields
  }

  override onHeaders(stream: number, _last: boolean, buf: Buffer, start: number, end: number): number {
    this.#onFields(stream, decode(this.decoder, buf.subarray(start, end)))
    return 0
  }

  override onSetting(id: number, value: number): number {
    if (id === h2.SETTINGS_HEADER_TABLE_SIZE) this.encoder.setPeerTableSize(value)
    return 0
  }

  override onSettingsEnd(): number {
    const ack = Buffer.alloc(9)
    h2.settingsAckFrame(ack, 0)
    this.#socket.write(ack)
    return 0
  }

  /** HEADERS that end their stream. */
  send(stream: number, fields: readonly Field[]): void {
    this.encoder.begin(h2.FRAME_HEADER)
    for (const [name, value, neverIndex] of fields) this.encoder.field(name, value, neverIndex)
    const block = Buffer.from(this.encoder.finish())
    const flags = h2.END_HEADERS | h2.END_STREAM
    h2.writeFrameHeader(block, 0, block.length - h2.FRAME_HEADER, h2.HEADERS, flags, stream)
    this.#socket.write(block)
  }

  /** Read what the socket brings. */
  listen(preface: boolean): void {
    const reader = new FrameReader(16_384, this, { preface })
    this.#socket.on('data', (bytes) => assert.equal(reader.read(bytes, 0, bytes.length), 0))
    this.#socket.on('error', () => {})
  }
}

/** What nghttp2 lets through: visible characters, blanks within, and obs-text. */
const value = fc.string({
  unit: fc
    .integer({ min: 0x21, max: 0xff })
    .filter((code) => code !== 0x7f && (code < 0x80 || code > 0x9f))
    .map((code) => String.fromCharCode(code)),
  maxLength: 200,
})
const name = fc.oneof(
  fc.constantFrom('x-first', 'x-second', 'accept', 'etag', 'authorization', 'grpc-timeout'),
  fc
    .string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_'), minLength: 1, maxLength: 20 })
    .map((text) => `x${text}`),
)
const fields = fc.uniqueArray(fc.tuple(name, value), { maxLength: 20, selector: ([name]) => name })
const samples = (seed: number): [string, string][][] => {
  const made = fc.sample(fields, { numRuns: ROUNDS, seed })
  // Each set is sent twice: the second time from the tables.
  return made.flatMap((one) => [one, one])
}

const plain = (headers: IncomingHttpHeaders, names: readonly string[]): [string, unknown][] =>
  names.map((one) => [one, headers[one]])

/** A server of ours that answers the requests of a session of nghttp2, in their order. */
async function rawServer(t: TestContext, tableBytes: number, answers: readonly Field[][]) {
  const received: Field[][] = []
  const server = createRawServer((socket) => {
    socket.write(EMPTY_SETTINGS)
    const peer = new Peer(socket, 4096, (stream, got) => {
      received.push(got)
      peer.send(stream, answers[received.length - 1]!)
    })
    peer.listen(true)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    settings: { headerTableSize: tableBytes },
  })
  t.after(() => {
    session.destroy()
    server.close()
  })
  return { session, received }
}

async function call(session: ClientHttp2Session, headers: OutgoingHttpHeaders): Promise<IncomingHttpHeaders> {
  const stream = session.request(headers)
  const [response] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  stream.resume()
  await once(stream, 'close')
  return response
}

for (const tableBytes of [4096, 0, 300, 65_536]) {
  test(`a client of nghttp2 with a table of ${tableBytes} bytes`, async (t) => {
    const requests = samples(tableBytes)
    const answers = samples(tableBytes + 1)
    const { session, received } = await rawServer(
      t,
      tableBytes,
      answers.map((one) => [[':status', '200', false], ...one.map(([name, value]): Field => [name, value, false])]),
    )
    for (const [i, request] of requests.entries()) {
      const response = await call(session, { ':path': '/', ...Object.fromEntries(request) })
      const wanted = request.map(
        ([name, value]): Field => [name, value, received[i]!.find((one) => one[0] === name)![2]],
      )
      assert.deepEqual(
        received[i]!.filter(([name]) => name[0] !== ':'),
        wanted,
      )
      assert.deepEqual(
        plain(
          response,
          answers[i]!.map(([name]) => name),
        ),
        answers[i],
      )
    }
  })
}

test('a server of nghttp2', async (t) => {
  const answers = samples(7)
  const requests = samples(8)
  const received: IncomingHttpHeaders[] = []
  const server = createServer({ settings: { headerTableSize: 1000 } })
  server.on('stream', (stream, headers) => {
    received.push(headers)
    stream.respond({ ':status': 200, ...Object.fromEntries(answers[received.length - 1]!) }, { endStream: true })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const socket = dial((server.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => {
    socket.destroy()
    server.close()
  })
  let answered: (fields: Field[]) => void = () => {}
  const peer = new Peer(socket, 4096, (_stream, got) => answered(got))
  peer.listen(false)
  socket.write(Buffer.concat([h2.PREFACE, EMPTY_SETTINGS]))
  for (const [i, request] of requests.entries()) {
    const answer = new Promise<Field[]>((resolve) => {
      answered = resolve
    })
    peer.send(1 + 2 * i, [
      [':method', 'GET', false],
      [':scheme', 'http', false],
      [':path', '/', false],
      [':authority', 'localhost', false],
      ...request.map(([name, value]): Field => [name, value, false]),
    ])
    const got = (await answer).filter(([name]) => name !== ':status' && name !== 'date')
    assert.deepEqual(
      got.map(([name, value]) => [name, value]),
      answers[i],
    )
    assert.deepEqual(
      plain(
        received[i]!,
        request.map(([name]) => name),
      ),
      request,
    )
  }
})

test('fields that are never to be indexed are told as such, both ways', async (t) => {
  const { session, received } = await rawServer(t, 4096, [
    [
      [':status', '200', false],
      ['x-open', 'answer', false],
      ['x-secret', 'answer', true],
    ],
  ])
  const response = await call(session, {
    ':path': '/',
    'x-open': 'question',
    'x-secret': 'question',
    [sensitiveHeaders]: ['x-secret'],
  } as OutgoingHttpHeaders)
  assert.deepEqual(received[0]!.slice(-2), [
    ['x-open', 'question', false],
    ['x-secret', 'question', true],
  ])
  assert.deepEqual((response as { [sensitiveHeaders]?: string[] })[sensitiveHeaders], ['x-secret'])
})
