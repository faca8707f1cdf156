/** A peer that speaks HTTP/2 by single frames, right or wrong, and keeps all that came: no polite library between. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { FieldReceiver } from '../../src/core/headers.ts'
import { FrameReader } from '../../src/http/message/http2/frame-reader.ts'
import type { FrameSink } from '../../src/http/message/http2/frame-sink.ts'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { HPACK_OK, HpackDecoder } from '../../src/http/message/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http/message/http2/hpack-encoder.ts'
import type { PeerEnding } from '../support/client.ts'
import { type Field, List } from './fields.ts'
import { frame } from './frame-log.ts'

/** Longest wait for anything here, milliseconds. */
const DEADLINE_MS = 8000

/** Name and value, and whether no table may keep it. */
export type Pair = readonly [string, string] | readonly [string, string, boolean]

/** What came on one stream. */
export class PeerStream {
  readonly id: number
  /** Header blocks as they came: interim ones, the head, trailers. */
  readonly blocks: Field[][] = []
  readonly data: Buffer[] = []
  bytes = 0
  ended = false
  /** Code of the RST_STREAM that came. */
  reset: number | undefined
  /** RST_STREAM frames that came. */
  resets = 0
  /** Sum of the WINDOW_UPDATEs that came. */
  credit = 0

  constructor(id: number) {
    this.id = id
  }

  /** The head: of a response, the first block that is not interim. */
  get head(): Field[] | undefined {
    return this.blocks.find((block) => !/^1\d\d$/.test(block.find(([name]) => name === ':status')?.[1] ?? ''))
  }

  get interim(): Field[][] {
    return this.blocks.slice(0, this.head === undefined ? undefined : this.blocks.indexOf(this.head))
  }

  get trailers(): Field[] | undefined {
    const { head } = this
    return head === undefined ? undefined : this.blocks[this.blocks.indexOf(head) + 1]
  }

  get status(): number {
    return Number(this.header(':status') ?? 0)
  }

  header(name: string): string | undefined {
    return this.head?.find(([given]) => given === name)?.[1]
  }

  get body(): string {
    return Buffer.concat(this.data).toString('latin1')
  }

  /** Nothing more comes. */
  get over(): boolean {
    return this.ended || this.reset !== undefined
  }
}

export interface FramePeerOptions {
  /** Settings that are sent at once. */
  readonly settings?: readonly (readonly [number, number])[]
  /** Acknowledge settings (default), and give windows back as data come (default). */
  readonly acks?: boolean
  readonly credits?: boolean
  /** Keep body bytes (default); counted in any case. */
  readonly keeps?: boolean
  /** Say nothing at the start: what is to be said is in the hands of the test. */
  readonly silent?: boolean
}

export class FramePeer implements FrameSink {
  readonly socket: Socket
  readonly streams = new Map<number, PeerStream>()
  /** Streams that the other side opened, in order of arrival; {@link nextStream} takes from here. */
  readonly #opened: PeerStream[] = []
  readonly settings = new Map<number, number>()
  settingsSeen = false
  settingsAcked = false
  goaways: { readonly last: number; readonly code: number; readonly debug: string }[] = []
  pings = 0
  pongs = 0
  /** Credit for the connection that came. */
  credit = 0
  /** Frames that came, as text: for the order of things. */
  readonly log: string[] = []
  ending: PeerEnding = 'open'
  /** What was wrong with the frames that came; 0 while nothing is. */
  fault = 0
  readonly encoder = new HpackEncoder()
  readonly #decoder = new HpackDecoder(4096)
  readonly #reader: FrameReader
  readonly #options: FramePeerOptions
  #watchers = new Set<() => void>()

  constructor(socket: Socket, client: boolean, options: FramePeerOptions = {}) {
    this.socket = socket
    this.#options = options
    this.#reader = new FrameReader(16_384, this, { preface: !client, maxBlockBytes: 1 << 20, maxContinuations: 1000 })
    socket.on('data', (bytes: Buffer) => {
      if (this.fault === 0) this.fault = this.#reader.read(bytes, 0, bytes.length)
      this.#changed()
    })
    socket.on('end', () => this.#end('fin'))
    socket.on('error', () => this.#end('reset'))
    socket.on('close', () => this.#end(this.ending === 'open' ? 'reset' : this.ending))
    if (options.silent) return
    if (client) this.send(h2.PREFACE)
    this.send(settings(...(options.settings ?? [])))
  }

  /** A client with its preface sent. */
  static async connect(port: number, options: FramePeerOptions = {}): Promise<FramePeer> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    await once(socket, 'connect')
    return new FramePeer(socket, true, options)
  }

  #end(how: PeerEnding): void {
    this.ending = how
    this.#changed()
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher()
  }

  send(...frames: readonly Uint8Array[]): void {
    if (!this.socket.destroyed && !this.socket.writableEnded) this.socket.write(Buffer.concat(frames))
  }

  /** Send, and wait until the socket took it: for floods. */
  async sendAll(bytes: Buffer): Promise<void> {
    if (this.socket.destroyed || this.socket.writableEnded || this.ending !== 'open') return
    if (!this.socket.write(bytes)) await this.until('room in the socket', () => !this.socket.writableNeedDrain, true)
  }

  /** Resolves when `holds`; fails when the connection ends before (unless `orEnded`), or after the deadline. */
  async until(what: string, holds: () => boolean, orEnded = false): Promise<void> {
    if (holds()) return
    await new Promise<void>((resolve, reject) => {
      const stop = (then: () => void): void => {
        clearTimeout(timer)
        clearInterval(poll)
        this.#watchers.delete(watcher)
        then()
      }
      const tail = (): string => this.log.slice(-12).join(', ')
      const watcher = (): void => {
        if (holds()) stop(resolve)
        else if (this.ending !== 'open') {
          if (orEnded) stop(resolve)
          else stop(() => reject(new Error(`${this.ending} before ${what}; ${tail()}`)))
        }
      }
      const timer = setTimeout(() => stop(() => reject(new Error(`no ${what} in time; ${tail()}`))), DEADLINE_MS)
      // A socket with room again has no event of ours.
      const poll = setInterval(watcher, 20)
      this.#watchers.add(watcher)
      watcher()
    })
  }

  /** How the connection ended, once it has. */
  async ended(): Promise<PeerEnding> {
    await this.until('end of the connection', () => this.ending !== 'open', true)
    return this.ending
  }

  stream(id: number): PeerStream {
    let stream = this.streams.get(id)
    if (stream === undefined) {
      stream = new PeerStream(id)
      this.streams.set(id, stream)
    }
    return stream
  }

  /** The next stream that the other side opened. */
  async nextStream(): Promise<PeerStream> {
    await this.until('a stream', () => this.#opened.length > 0)
    return this.#opened.shift()!
  }

  /** The stream, once nothing more comes on it. */
  async whole(id: number): Promise<PeerStream> {
    const stream = this.stream(id)
    await this.until(`end of stream ${id}`, () => stream.over)
    return stream
  }

  /** The stream, once its head is there. */
  async head(id: number): Promise<PeerStream> {
    const stream = this.stream(id)
    await this.until(`head on stream ${id}`, () => stream.head !== undefined || stream.over)
    return stream
  }

  /** All that the other side does because of what was sent before this is done when it resolves. */
  async roundTrip(): Promise<void> {
    const { pongs } = this
    this.send(frame(h2.PING, 0, 0, 'ping    '))
    await this.until('PING acknowledged', () => this.pongs > pongs)
  }

  // === what to send ===

  /** HEADERS with these fields; to be sent in the order in which they were made. */
  block(id: number, pairs: readonly Pair[], endStream = false): Buffer {
    const block = this.fields(pairs)
    const most = h2.MIN_MAX_FRAME
    const end = endStream ? h2.END_STREAM : 0
    if (block.length <= most) return frame(h2.HEADERS, h2.END_HEADERS | end, id, block)
    const frames = [frame(h2.HEADERS, end, id, block.subarray(0, most))]
    for (let at = most; at < block.length; at += most) {
      const last = at + most >= block.length ? h2.END_HEADERS : 0
      frames.push(frame(h2.CONTINUATION, last, id, block.subarray(at, at + most)))
    }
    return Buffer.concat(frames)
  }

  /** These fields as a header block. */
  fields(pairs: readonly Pair[]): Buffer {
    this.encoder.begin()
    for (const [name, value, never] of pairs) this.encoder.field(name, value, never === true)
    return Buffer.from(this.encoder.finish())
  }

  /** A GET, or another request without a body. */
  get(id: number, path = '/', more: readonly Pair[] = []): Buffer {
    return this.block(id, [...request('GET', path), ...more], true)
  }

  /** The head of a request whose body follows. */
  post(id: number, path = '/', more: readonly Pair[] = []): Buffer {
    return this.block(id, [...request('POST', path), ...more])
  }

  /** A response with its body. */
  respond(id: number, status: number, body = '', more: readonly Pair[] = []): void {
    const head: Pair[] = [[':status', String(status)], ...more]
    if (body === '') this.send(this.block(id, head, true))
    else this.send(this.block(id, head), data(id, body, true))
  }

  // === what came ===

  #note(line: string): number {
    if (this.log.length < 5000) this.log.push(line)
    return 0
  }

  onData(id: number, buf: Buffer, start: number, end: number, flow: number, whole: boolean, last: boolean): number {
    const stream = this.stream(id)
    stream.bytes += end - start
    if (this.#options.keeps !== false && end > start) stream.data.push(Buffer.from(buf.subarray(start, end)))
    if (last) stream.ended = true
    if (flow > 0 && this.#options.credits !== false) {
      this.send(windowUpdate(0, flow))
      if (!last) this.send(windowUpdate(id, flow))
    }
    return whole ? this.#note(`DATA ${id}${last ? ' end' : ''}`) : 0
  }

  onHeaders(id: number, last: boolean, buf: Buffer, start: number, end: number): number {
    const list = new List()
    const result = this.#decoder.decode(buf, start, end, 1 << 20, 10_000, list as FieldReceiver)
    if (result !== HPACK_OK) return h2.COMPRESSION_ERROR
    const isNew = !this.streams.has(id)
    const stream = this.stream(id)
    stream.blocks.push(list.fields)
    if (last) stream.ended = true
    if (isNew) this.#opened.push(stream)
    return this.#note(`HEADERS ${id}${last ? ' end' : ''}`)
  }

  onSetting(id: number, value: number): number {
    this.settings.set(id, value)
    if (id === h2.SETTINGS_HEADER_TABLE_SIZE) this.encoder.setPeerTableSize(value)
    return 0
  }

  onSettingsEnd(): number {
    this.settingsSeen = true
    if (this.#options.acks !== false) this.send(frame(h2.SETTINGS, h2.ACK, 0))
    return this.#note('SETTINGS')
  }

  onSettingsAck(): number {
    this.settingsAcked = true
    return this.#note('SETTINGS ack')
  }

  onPing(ack: boolean, buf: Buffer, start: number): number {
    if (ack) this.pongs++
    else {
      this.pings++
      if (this.#options.acks !== false) this.send(frame(h2.PING, h2.ACK, 0, buf.subarray(start, start + 8)))
    }
    return this.#note(`PING${ack ? ' ack' : ''}`)
  }

  onWindowUpdate(id: number, increment: number): number {
    if (id === 0) this.credit += increment
    else this.stream(id).credit += increment
    return this.#note(`WINDOW_UPDATE ${id} +${increment}`)
  }

  onRstStream(id: number, code: number): number {
    const stream = this.stream(id)
    stream.reset = code
    stream.resets++
    return this.#note(`RST_STREAM ${id} ${h2.errorName(code)}`)
  }

  onGoaway(last: number, code: number, buf: Buffer, start: number, end: number): number {
    this.goaways.push({ last, code, debug: buf.toString('latin1', start, end) })
    return this.#note(`GOAWAY ${last} ${h2.errorName(code)}`)
  }

  onPriority(id: number): number {
    return this.#note(`PRIORITY ${id}`)
  }

  onOther(type: number, id: number): number {
    return this.#note(`frame ${type} ${id}`)
  }
}

/** Pseudo-header fields of a request. */
export function request(method: string, path = '/', authority = 'here'): Pair[] {
  return [
    [':method', method],
    [':scheme', 'http'],
    [':authority', authority],
    [':path', path],
  ]
}

export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  const out = Buffer.alloc(h2.FRAME_HEADER + pairs.length * 6)
  h2.settingsFrame(out, 0, pairs)
  return out
}

export function data(id: number, body: string | Buffer, endStream = false): Buffer {
  return frame(
    h2.DATA,
    endStream ? h2.END_STREAM : 0,
    id,
    typeof body === 'string' ? Buffer.from(body, 'latin1') : body,
  )
}

export function windowUpdate(id: number, increment: number): Buffer {
  const out = Buffer.alloc(h2.FRAME_HEADER + 4)
  h2.windowUpdateFrame(out, 0, id, increment)
  return out
}

export function rst(id: number, code: number): Buffer {
  const out = Buffer.alloc(h2.FRAME_HEADER + 4)
  h2.rstFrame(out, 0, id, code)
  return out
}

export function goaway(last: number, code: number): Buffer {
  const out = Buffer.alloc(h2.FRAME_HEADER + 8)
  h2.goawayFrame(out, 0, last, code)
  return out
}

/** The stream was answered by a failure of the proxy with this status; gives its problem+json code. */
export function problemCode(stream: PeerStream, status: number): string {
  assert.equal(stream.status, status, `${stream.status} ${stream.body}`)
  assert.equal(stream.header('content-type'), 'application/problem+json')
  return (JSON.parse(stream.body) as { code: string }).code
}
