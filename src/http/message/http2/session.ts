/**
 * One HTTP/2 connection, of either side: settings, windows, streams by id, and the end of it all (RFC 9113). What a
 * request or a response is, its role knows: `http/server-http2` and `upstream/http2-connection`.
 */
import { nowUs } from '../../../core/clock.ts'
import type { HeaderBlock } from '../../../core/headers.ts'
import type { Wire, WireHandler } from '../../../net/wire.ts'
import { mayTrail } from '../trailers.ts'
import { FieldSection } from './field-section.ts'
import { FloodGuard } from './flood-guard.ts'
import { FrameOutput } from './frame-output.ts'
import { FrameReader } from './frame-reader.ts'
import type { FrameSink } from './frame-sink.ts'
import * as h2 from './frames.ts'
import { HpackDecoder, type HpackResult } from './hpack-decoder.ts'
import { HpackEncoder } from './hpack-encoder.ts'
import type { Http2Stream } from './stream.ts'

/** Bounds of one connection. */
export interface Http2Limits {
  readonly headBytes: number
  readonly headFields: number
  /** Streams that the peer may have open at once. */
  readonly maxStreams: number
  /** What the peer may send on one stream before we took it, bytes. */
  readonly streamWindowBytes: number
}

/** The side that a connection plays. */
export interface Http2Role {
  /** A complete header block; the role decodes it, whatever it makes of it. Returns 0 or the code that ends it all. */
  onHeaderBlock(
    id: number,
    stream: Http2Stream | undefined,
    endStream: boolean,
    buf: Buffer,
    start: number,
    end: number,
  ): number
  /** All of one read was looked at: what is to happen because of it happens now. */
  onBatchEnd(): void
  /** The peer goes away: streams above `lastStreamId` were not looked at. */
  onGoaway(lastStreamId: number, code: number): void
  /** A stream is gone from the table. */
  onStreamClosed(stream: Http2Stream): void
  /** The peer's settings are there, or have changed. */
  onPeerSettings(): void
  onPingAck(): void
  /** Nothing more comes. `code` is what the connection was ended with, by us or the peer; 0 for a clean end. */
  onSessionClosed(code: number, cause: Error | undefined): void
}

/** What all streams of a connection may hold together that nobody takes; beyond, the connection's window stays shut. */
const HELD_AT_MOST = 4 * 1024 * 1024
const CONNECTION_WINDOW = 1024 * 1024
const HPACK_TABLE_BYTES = 4096
/** Streams that we reset and on which frames may still be on their way. */
const REMEMBERED_RESETS = 256
/** How long the peer may take to read our GOAWAY. */
const LINGER_MS = 500

export class Http2Session implements FrameSink, WireHandler {
  readonly wire: Wire
  readonly output: FrameOutput
  readonly guard: FloodGuard
  readonly section = new FieldSection()
  readonly encoder = new HpackEncoder()
  readonly streams = new Map<number, Http2Stream>()
  readonly #decoder = new HpackDecoder(HPACK_TABLE_BYTES)
  readonly #reader: FrameReader
  readonly #role: Http2Role
  readonly #limits: Http2Limits
  readonly #client: boolean
  readonly #waiting = new Set<Http2Stream>()
  readonly #resets = new Set<number>()
  /** Connection window: what we may send. */
  sendWindow = h2.DEFAULT_WINDOW
  #receiveWindow = h2.DEFAULT_WINDOW
  /** Received and not given back. */
  #owed = 0
  /** Received bytes that wait in streams. */
  heldBytes = 0
  readonly ownStreamWindow: number
  /** The peer's settings (RFC 9113 §6.5.2). */
  peerInitialWindow = h2.DEFAULT_WINDOW
  peerMaxStreams = Number.POSITIVE_INFINITY
  peerConnectProtocol = false
  peerSettingsSeen = false
  settingsAcked = false
  /** Highest stream id that the peer, or we as a client, opened. */
  lastStreamId = 0
  /** Streams above it were not begun; said in GOAWAY. */
  #lastServed = 0
  goingAway = false
  closed = false
  #flushes = false
  #code = 0
  lastReadUs: number
  /** Since when a frame or header block has been incomplete, monotonic microseconds; -1 while none is. */
  partialSinceUs = -1
  /** Streams that got something in this batch. */
  readonly touched: Http2Stream[] = []

  constructor(wire: Wire, role: Http2Role, limits: Http2Limits, client: boolean) {
    this.wire = wire
    this.#role = role
    this.#limits = limits
    this.#client = client
    this.output = new FrameOutput(wire)
    this.lastReadUs = nowUs()
    this.guard = new FloodGuard(this.lastReadUs)
    this.ownStreamWindow = limits.streamWindowBytes
    this.#reader = new FrameReader(h2.MIN_MAX_FRAME, this, { maxBlockBytes: limits.headBytes * 2, preface: !client })
    wire.handler = this
    this.#greet()
  }

  #greet(): void {
    const { maxStreams, streamWindowBytes, headBytes } = this.#limits
    if (this.#client) this.output.raw(h2.PREFACE)
    this.output.settings([
      ...(this.#client
        ? ([[h2.SETTINGS_ENABLE_PUSH, 0]] as const)
        : ([
            [h2.SETTINGS_MAX_CONCURRENT_STREAMS, maxStreams],
            [h2.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1],
          ] as const)),
      [h2.SETTINGS_INITIAL_WINDOW_SIZE, streamWindowBytes],
      [h2.SETTINGS_MAX_HEADER_LIST_SIZE, headBytes],
    ])
    this.output.windowUpdate(0, CONNECTION_WINDOW - h2.DEFAULT_WINDOW)
    this.#receiveWindow = CONNECTION_WINDOW
  }

  // === bytes ===

  onBytes(buf: Buffer, start: number, end: number): void {
    if (this.closed) return
    this.lastReadUs = nowUs()
    this.guard.tick(this.lastReadUs)
    const code = this.#reader.read(buf, start, end)
    if (code !== 0) this.fail(code, h2.errorName(code))
    if (!this.#reader.owes) this.partialSinceUs = -1
    else if (this.partialSinceUs === -1) this.partialSinceUs = this.lastReadUs
    this.#role.onBatchEnd()
    this.touched.length = 0
    this.output.flush()
  }

  /** Write out at the end of this turn: several streams may end in it. */
  flushSoon(): void {
    if (this.#flushes) return
    this.#flushes = true
    queueMicrotask(this.#flushNow)
  }

  readonly #flushNow = (): void => {
    this.#flushes = false
    this.output.flush()
  }

  onEnd(): void {
    if (!this.closed) this.#close(undefined)
    this.#linger()
  }

  /** Nothing goes on any more: close. */
  finish(): void {
    this.goAway(h2.NO_ERROR)
    this.#close(undefined)
    this.#linger()
  }

  onDrain(): void {
    this.#sendWaiting()
    this.output.flush()
  }

  onClose(error: Error | undefined): void {
    this.#close(error)
  }

  /** End the connection for a fault: GOAWAY says which, then it closes, whether the peer reads that or not. */
  fail(code: number, debug: string): void {
    if (this.closed) return
    this.#code = code
    this.output.goaway(this.#client ? 0 : this.#lastServed, code, debug)
    this.output.flush()
    this.#close(undefined)
    this.#linger()
  }

  /** FIN behind what was written; the rest is thrown away, and not for long. */
  #linger(): void {
    this.wire.finish()
    setTimeout(() => this.wire.destroy(), LINGER_MS).unref()
  }

  #close(cause: Error | undefined): void {
    if (this.closed) return
    this.closed = true
    const open = [...this.streams.values()]
    this.streams.clear()
    this.#waiting.clear()
    for (const stream of open) {
      this.#lost(stream, this.#code === 0 ? h2.CANCEL : this.#code, cause)
      this.#role.onStreamClosed(stream)
    }
    this.output.drop()
    this.#role.onSessionClosed(this.#code, cause)
  }

  /** No new streams; those under way go on. */
  goAway(code: number): void {
    if (this.goingAway || this.closed) return
    this.goingAway = true
    this.output.goaway(this.#client ? 0 : this.#lastServed, code, '')
    this.output.flush()
  }

  // === streams ===

  /** Add a stream to the table. */
  add(stream: Http2Stream): void {
    this.streams.set(stream.id, stream)
    if (!this.#client) this.#lastServed = stream.id
  }

  /** One side of a stream ended: gone when both have. */
  sideClosed(stream: Http2Stream): void {
    if (!stream.sentEnd || !stream.receivedEnd || stream.closed) return
    this.guard.completed()
    this.#leave(stream)
    // A request that was answered already is wanted by nobody.
    if (!this.#client && !stream.isChannel) stream.forget()
    else stream.complete()
  }

  /** The peer will say no more. A response that came whole is still to be taken, for that is what it was sent for. */
  #lost(stream: Http2Stream, code: number, cause: Error | undefined): void {
    if (this.#client && stream.receivedEnd && stream.holds) {
      stream.sentEnd = true
      stream.complete()
    } else {
      stream.forget()
      stream.wasReset(code, cause)
    }
  }

  /** Reset a stream. `peerFault`: it counts among what a peer may bring about. */
  resetStream(stream: Http2Stream, code: number, peerFault: boolean): void {
    if (stream.closed) return
    if (stream.completed) {
      stream.forget()
      return
    }
    this.output.reset(stream.id, code)
    this.#remember(stream.id)
    this.#remove(stream)
    if (peerFault) this.countReset()
  }

  /** Reset a stream that never came to be. Returns 0, or the code that ends the connection. */
  refuseStream(id: number, code: number): number {
    this.output.reset(id, code)
    this.#remember(id)
    return this.guard.reset() ? 0 : h2.ENHANCE_YOUR_CALM
  }

  /** A stream came to its end before its time; too many end the connection. */
  countReset(): void {
    if (!this.guard.reset()) this.fail(h2.ENHANCE_YOUR_CALM, 'too many streams were reset')
  }

  #remove(stream: Http2Stream): void {
    stream.forget()
    this.#leave(stream)
  }

  #leave(stream: Http2Stream): void {
    this.streams.delete(stream.id)
    this.#waiting.delete(stream)
    this.#role.onStreamClosed(stream)
  }

  #remember(id: number): void {
    this.#resets.add(id)
    if (this.#resets.size > REMEMBERED_RESETS) this.#resets.delete(this.#resets.values().next().value!)
  }

  /** Whether frames on this stream id may come although there is no such stream: we reset it a moment ago. */
  wasReset(id: number): boolean {
    return this.#resets.has(id)
  }

  /** Decode a header block into {@link section}, whose `begin` was called. */
  decode(buf: Buffer, start: number, end: number): HpackResult {
    return this.#decoder.decode(buf, start, end, this.#limits.headBytes, this.#limits.headFields, this.section)
  }

  /** Trailers that may stand there; none left: an empty DATA frame ends the stream. */
  sendTrailers(id: number, trailers: HeaderBlock): void {
    const { encoder } = this
    encoder.begin()
    let fields = 0
    trailers.sendTo({
      onField: (name, value, neverIndex) => {
        const lower = name.toLowerCase()
        if (!mayTrail(lower)) return
        encoder.field(lower, value, neverIndex)
        fields++
      },
    })
    if (fields > 0) this.output.headers(id, encoder.finish(), true)
    else this.output.endStream(id)
  }

  /** The socket is full: producers should stop. */
  get congested(): boolean {
    return this.wire.full
  }

  waits(stream: Http2Stream): void {
    this.#waiting.add(stream)
  }

  waitsNoMore(stream: Http2Stream): void {
    this.#waiting.delete(stream)
  }

  /** Round by round, so that each stream gets its part: who could not send all of its bytes goes to the end. */
  #sendWaiting(): void {
    for (const stream of [...this.#waiting]) {
      stream.sendWaiting()
      if (!this.#waiting.has(stream)) continue
      this.#waiting.delete(stream)
      this.#waiting.add(stream)
      if (this.sendWindow <= 0 && stream.waitingBytes > 0) return
    }
  }

  /** Give the connection's window back as it is received: one stream that stands still stalls no other. */
  giveBackWindow(): void {
    if (this.#owed * 2 < CONNECTION_WINDOW || this.heldBytes > HELD_AT_MOST || this.closed) return
    this.#receiveWindow += this.#owed
    this.output.windowUpdate(0, this.#owed)
    this.#owed = 0
  }

  // === frames ===

  onData(
    id: number,
    buf: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    endOfFrame: boolean,
    endStream: boolean,
  ): number {
    this.#receiveWindow -= flowBytes
    if (this.#receiveWindow < 0) return h2.FLOW_CONTROL_ERROR
    this.#owed += flowBytes
    this.giveBackWindow()
    if (flowBytes === 0 && !endStream && !this.guard.control()) return h2.ENHANCE_YOUR_CALM
    const stream = this.streams.get(id)
    if (stream !== undefined) this.touched.push(stream)
    if (stream === undefined) return endOfFrame ? this.#dataOnClosed(id) : 0
    if (stream.receivedEnd) {
      this.#streamFault(stream, h2.STREAM_CLOSED)
      return 0
    }
    if (!stream.receive(buf, start, end, flowBytes)) {
      this.#streamFault(stream, h2.FLOW_CONTROL_ERROR)
      return 0
    }
    if (endStream && !stream.closed) this.endReceived(stream, undefined)
    return 0
  }

  /** END_STREAM came. */
  endReceived(stream: Http2Stream, trailers: HeaderBlock | undefined): void {
    this.touched.push(stream)
    stream.receiveEnd(trailers)
    this.sideClosed(stream)
  }

  #dataOnClosed(id: number): number {
    if (this.isIdle(id)) return h2.PROTOCOL_ERROR
    if (!this.guard.control()) return h2.ENHANCE_YOUR_CALM
    return this.wasReset(id) ? 0 : this.refuseStream(id, h2.STREAM_CLOSED)
  }

  /** Never opened, by either side. */
  isIdle(id: number): boolean {
    return id > this.lastStreamId || (id & 1) === 0
  }

  /** The peer broke a rule on one stream: reset it, and tell whoever uses it. */
  #streamFault(stream: Http2Stream, code: number): void {
    this.resetStream(stream, code, true)
    stream.wasReset(code, new Error(h2.errorName(code)))
  }

  onHeaders(id: number, endStream: boolean, buf: Buffer, start: number, end: number, continuations: number): number {
    if (continuations > 1 && !this.guard.control()) return h2.ENHANCE_YOUR_CALM
    return this.#role.onHeaderBlock(id, this.streams.get(id), endStream, buf, start, end)
  }

  onSetting(id: number, value: number): number {
    if (id === h2.SETTINGS_HEADER_TABLE_SIZE) this.encoder.setPeerTableSize(value)
    else if (id === h2.SETTINGS_MAX_CONCURRENT_STREAMS) this.peerMaxStreams = value
    else if (id === h2.SETTINGS_MAX_FRAME_SIZE) this.output.maxFrameBytes = Math.min(value, 4 * h2.MIN_MAX_FRAME)
    else if (id === h2.SETTINGS_ENABLE_CONNECT_PROTOCOL) this.peerConnectProtocol = value === 1
    else if (id === h2.SETTINGS_INITIAL_WINDOW_SIZE) return this.#initialWindow(value)
    return 0
  }

  #initialWindow(value: number): number {
    const change = value - this.peerInitialWindow
    this.peerInitialWindow = value
    for (const stream of this.streams.values()) {
      stream.sendWindow += change
      if (stream.sendWindow > h2.MAX_31) return h2.FLOW_CONTROL_ERROR
    }
    if (change > 0) this.#sendWaiting()
    return 0
  }

  onSettingsEnd(): number {
    if (!this.guard.control()) return h2.ENHANCE_YOUR_CALM
    this.output.settingsAck()
    this.peerSettingsSeen = true
    this.#role.onPeerSettings()
    return 0
  }

  onSettingsAck(): number {
    this.settingsAcked = true
    return this.guard.control() ? 0 : h2.ENHANCE_YOUR_CALM
  }

  onPing(ack: boolean, buf: Buffer, start: number): number {
    if (!this.guard.control()) return h2.ENHANCE_YOUR_CALM
    if (ack) this.#role.onPingAck()
    else this.output.ping(true, buf, start)
    return 0
  }

  onWindowUpdate(id: number, increment: number): number {
    if (!this.guard.control()) return h2.ENHANCE_YOUR_CALM
    if (id === 0) {
      this.sendWindow += increment
      if (this.sendWindow > h2.MAX_31) return h2.FLOW_CONTROL_ERROR
      this.#sendWaiting()
      return 0
    }
    const stream = this.streams.get(id)
    if (stream === undefined) return this.isIdle(id) ? h2.PROTOCOL_ERROR : 0
    stream.sendWindow += increment
    if (stream.sendWindow > h2.MAX_31) this.#streamFault(stream, h2.FLOW_CONTROL_ERROR)
    else if (stream.blocked) stream.sendWaiting()
    return 0
  }

  onRstStream(id: number, code: number): number {
    const stream = this.streams.get(id)
    if (stream === undefined) {
      if (this.isIdle(id)) return h2.PROTOCOL_ERROR
      return this.guard.control() ? 0 : h2.ENHANCE_YOUR_CALM
    }
    // An upstream that refuses is busy; a client that throws its requests away makes others work for nothing.
    const premature = !this.#client && !stream.sentEnd
    this.#leave(stream)
    this.#lost(stream, code, undefined)
    return premature && !this.guard.reset() ? h2.ENHANCE_YOUR_CALM : 0
  }

  onGoaway(lastStreamId: number, code: number): number {
    if (!this.guard.control()) return h2.ENHANCE_YOUR_CALM
    this.goingAway = true
    this.#role.onGoaway(lastStreamId, code)
    return 0
  }

  onPriority(): number {
    return this.guard.control() ? 0 : h2.ENHANCE_YOUR_CALM
  }

  onOther(): number {
    return this.guard.control() ? 0 : h2.ENHANCE_YOUR_CALM
  }

  /** Ask for a sign of life. */
  ping(): void {
    this.output.ping(false, PING_BYTES, 0)
    this.output.flush()
  }
}

const PING_BYTES = Buffer.from('hopscope', 'latin1')
