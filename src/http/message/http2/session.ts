/**
 * One HTTP/2 connection, of either side: settings, windows, streams by id, and the end of it all (RFC 9113). What a
 * request or a response is, its role knows: `http/server-http2` and `upstream/http2-connection`.
 */
import { nowUs } from '../../../core/clock.ts'
import { HeaderBlock } from '../../../core/headers.ts'
import type { Wire, WireHandler } from '../../../net/wire.ts'
import { ClosedStreams } from './closed-streams.ts'
import { FieldSection } from './field-section.ts'
import { FloodGuard } from './flood-guard.ts'
import { FrameOutput } from './frame-output.ts'
import { FrameReader } from './frame-reader.ts'
import * as h2 from './frames.ts'
import { HpackDecoder, type HpackResult } from './hpack-decoder.ts'
import { HpackEncoder } from './hpack-encoder.ts'
import { linger } from './linger.ts'
import { PeerSettings } from './peer-settings.ts'
import { ReceiveWindow } from './receive-window.ts'
import { ReceivedFrames } from './received-frames.ts'
import { trailerBlock } from './send-fields.ts'
import { SendTurns } from './send-turns.ts'
import type { Http2Limits, Http2Role } from './session-role.ts'
import type { Http2Stream } from './stream.ts'

const HPACK_TABLE_BYTES = 4096
/** How long a peer may take nothing of what we wrote last: after a fault, and after an end that we agreed on. */
const PATIENCE_AFTER_FAULT_MS = 500
const PATIENCE_MS = 10_000
/** What is read and thrown away meanwhile, bytes. */
const DISCARDED_AT_MOST = 256 * 1024
/** Trailer fields that there is room for at first. */
const TRAILERS = 8
const PING_BYTES = Buffer.from('hopscope', 'latin1')

export class Http2Session implements WireHandler {
  readonly wire: Wire
  readonly output: FrameOutput
  readonly guard: FloodGuard
  readonly section = new FieldSection()
  readonly encoder = new HpackEncoder()
  readonly streams = new Map<number, Http2Stream>()
  readonly #decoder = new HpackDecoder(HPACK_TABLE_BYTES)
  readonly #reader: FrameReader
  readonly role: Http2Role
  readonly #limits: Http2Limits
  /** We opened the connection, and all of its streams. */
  readonly client: boolean
  readonly turns = new SendTurns()
  readonly received: ReceiveWindow
  readonly recentlyReset = new ClosedStreams()
  readonly peer = new PeerSettings()
  readonly ownStreamWindow: number
  settingsAcked = false
  /** Highest stream id that the peer, or we as a client, opened. */
  lastStreamId = 0
  /** Streams above it were not begun; said in GOAWAY. */
  #lastServed = 0
  /** One of the two sides opens no streams any more. */
  goingAway = false
  /** The peer takes no new streams. */
  peerGoingAway = false
  closed = false
  #lingers = false
  #discarded = 0
  #trailers = new HeaderBlock(TRAILERS)
  #flushes = false
  /** What the connection was ended with by us; 0 where it was no fault. */
  code = 0
  lastReadUs: number
  /** Since when a frame or header block has been incomplete, monotonic microseconds; -1 while none is. */
  partialSinceUs = -1
  #partialUnit = 0
  /** Streams that got something in this batch. */
  readonly touched: Http2Stream[] = []

  constructor(wire: Wire, role: Http2Role, limits: Http2Limits, client: boolean) {
    this.wire = wire
    this.role = role
    this.#limits = limits
    this.client = client
    this.output = new FrameOutput(wire)
    this.received = new ReceiveWindow(this.output)
    this.lastReadUs = nowUs()
    this.guard = new FloodGuard(this.lastReadUs)
    this.ownStreamWindow = limits.streamWindowBytes
    this.#reader = new FrameReader(h2.MIN_MAX_FRAME, new ReceivedFrames(this), {
      maxBlockBytes: limits.headBytes * 2,
      preface: !client,
    })
    wire.handler = this
    this.#greet()
  }

  #greet(): void {
    const { maxStreams, streamWindowBytes, headBytes } = this.#limits
    if (this.client) this.output.raw(h2.PREFACE)
    this.output.settings([
      ...(this.client
        ? ([[h2.SETTINGS_ENABLE_PUSH, 0]] as const)
        : ([
            [h2.SETTINGS_MAX_CONCURRENT_STREAMS, maxStreams],
            [h2.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1],
          ] as const)),
      [h2.SETTINGS_INITIAL_WINDOW_SIZE, streamWindowBytes],
      [h2.SETTINGS_MAX_HEADER_LIST_SIZE, headBytes],
    ])
    this.received.open()
  }

  // === bytes ===

  onBytes(buf: Buffer, start: number, end: number): void {
    if (this.closed) {
      this.#discard(end - start)
      return
    }
    this.lastReadUs = nowUs()
    this.guard.tick(this.lastReadUs)
    const code = this.#reader.read(buf, start, end)
    if (code !== 0) this.fail(code, h2.errorName(code))
    this.#timePartial()
    this.role.onBatchEnd()
    this.touched.length = 0
    this.output.flush()
  }

  /** Behind the end: read so that our last words arrive, but no flood. */
  #discard(bytes: number): void {
    this.#discarded += bytes
    if (this.#discarded > DISCARDED_AT_MOST) this.wire.destroy()
  }

  /** A read may end within a frame again and again; what counts is how long one and the same is not complete. */
  #timePartial(): void {
    const { owes, units } = this.#reader
    if (!owes) this.partialSinceUs = -1
    else if (this.partialSinceUs === -1 || units !== this.#partialUnit) {
      this.partialSinceUs = this.lastReadUs
      this.#partialUnit = units
    }
  }

  /**
   * Write out when all that the poll brought was looked at: the answers of several upstream connections leave in one write,
   * which costs more than all the rest of a small response.
   */
  flushSoon(): void {
    if (this.#flushes) return
    this.#flushes = true
    setImmediate(this.#flushNow)
  }

  readonly #flushNow = (): void => {
    this.#flushes = false
    this.output.flush()
  }

  onEnd(): void {
    if (!this.closed) this.#close(undefined)
    this.#linger(PATIENCE_AFTER_FAULT_MS)
  }

  /** Nothing goes on any more: close. */
  finish(): void {
    this.goAway(h2.NO_ERROR)
    this.output.flush()
    this.#close(undefined)
    this.#linger(PATIENCE_MS)
  }

  onDrain(): void {
    this.role.onDrain()
    this.turns.go()
    this.output.flush()
  }

  onClose(error: Error | undefined): void {
    this.#close(error)
  }

  /** End the connection for a fault: GOAWAY says which, then it closes, whether the peer reads that or not. */
  fail(code: number, debug: string): void {
    if (this.closed) return
    this.code = code
    this.output.goaway(this.client ? 0 : this.#lastServed, code, debug)
    this.output.flush()
    this.#close(undefined)
    this.#linger(PATIENCE_AFTER_FAULT_MS)
  }

  #linger(patienceMs: number): void {
    if (this.#lingers) return
    this.#lingers = true
    linger(this.wire, patienceMs)
  }

  #close(cause: Error | undefined): void {
    if (this.closed) return
    this.closed = true
    this.#reader.stop()
    this.received.close()
    const open = [...this.streams.values()]
    this.streams.clear()
    this.turns.clear()
    for (const stream of open) {
      this.#lost(stream, this.code === 0 ? h2.CANCEL : this.code, cause)
      this.role.onStreamClosed(stream)
    }
    this.output.drop()
    this.role.onSessionClosed(this.code, cause)
  }

  /** No new streams; those under way go on. */
  goAway(code: number): void {
    if (this.goingAway || this.closed) return
    this.goingAway = true
    this.output.goaway(this.client ? 0 : this.#lastServed, code, '')
    this.output.flush()
  }

  /** Ask the peer to open no more streams; those that it opened before it reads this are served. Acknowledged by PING. */
  announceGoAway(): void {
    if (this.goingAway || this.closed) return
    this.output.goaway(h2.MAX_31, h2.NO_ERROR, '')
    this.ping()
  }

  // === streams ===

  /** Add a stream to the table. */
  add(stream: Http2Stream): void {
    this.streams.set(stream.id, stream)
    if (!this.client) this.#lastServed = stream.id
  }

  /** One side of a stream ended: gone when both have. */
  sideClosed(stream: Http2Stream): void {
    if (!stream.sentEnd || !stream.receivedEnd || stream.closed || stream.completed) return
    if (!stream.malformed) this.guard.completed()
    this.#leave(stream)
    // A request that was answered already is wanted by nobody.
    if (!this.client && !stream.isChannel) stream.forget()
    else stream.complete()
  }

  /** The peer will say no more. A response that came whole is still to be taken, for that is what it was sent for. */
  #lost(stream: Http2Stream, code: number, cause: Error | undefined): void {
    if (this.client && stream.receivedEnd && stream.holds) stream.complete()
    else {
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
    if (!this.closed) this.output.reset(stream.id, code)
    this.recentlyReset.add(stream.id, stream.mayReceive)
    stream.forget()
    this.#leave(stream)
    if (peerFault) this.countReset()
    else this.guard.resetByUs()
  }

  /** Reset a stream that never came to be, for a fault of the peer. Returns 0, or the code that ends the connection. */
  refuseStream(id: number, code: number): number {
    this.output.reset(id, code)
    this.recentlyReset.add(id, 0)
    return this.guard.reset() ? 0 : h2.ENHANCE_YOUR_CALM
  }

  /** Reset a stream that we have no place for. Returns 0, or the code that ends the connection. */
  turnAway(id: number): number {
    this.output.reset(id, h2.REFUSED_STREAM)
    this.recentlyReset.add(id, this.ownStreamWindow)
    // Before it has read our settings, or our GOAWAY, the peer could not know better.
    const knew = this.settingsAcked && !this.goingAway
    return (knew ? this.guard.reset() : this.guard.control()) ? 0 : h2.ENHANCE_YOUR_CALM
  }

  /** A stream came to its end before its time; too many end the connection. */
  countReset(): void {
    if (!this.guard.reset()) this.fail(h2.ENHANCE_YOUR_CALM, 'too many streams were reset')
  }

  /** The peer ended the stream before its time, or says that it never looked at it. */
  endedByPeer(stream: Http2Stream, code: number): void {
    this.#remove(stream)
    this.#lost(stream, code, undefined)
    // Last: where the connection ends with it, that is not what the stream was lost by.
    this.role.onStreamClosed(stream)
  }

  #leave(stream: Http2Stream): void {
    this.#remove(stream)
    this.role.onStreamClosed(stream)
  }

  #remove(stream: Http2Stream): void {
    this.streams.delete(stream.id)
    this.turns.remove(stream)
  }

  /** Decode a header block into {@link section}, whose `begin` was called. */
  decode(buf: Buffer, start: number, end: number): HpackResult {
    return this.#decoder.decode(buf, start, end, this.#limits.headBytes, this.#limits.headFields, this.section)
  }

  /** The last frame of a stream. */
  sendEnd(id: number, trailers: HeaderBlock | undefined): void {
    const block = trailers === undefined ? undefined : trailerBlock(this.encoder, trailers)
    if (block === undefined) this.output.endStream(id)
    else this.output.headers(id, block, true)
  }

  /** The socket is full: producers should stop. */
  get congested(): boolean {
    return this.wire.full
  }

  /** An empty block for trailers, good until the next one is asked for; a stream that has to hold them keeps it. */
  trailerBlock(): HeaderBlock {
    this.#trailers.reset()
    return this.#trailers
  }

  /** END_STREAM came. */
  endReceived(stream: Http2Stream, trailers: HeaderBlock | undefined): void {
    this.touched.push(stream)
    stream.receiveEnd(trailers)
    if (trailers !== undefined && stream.holds) this.#trailers = new HeaderBlock(TRAILERS)
    this.sideClosed(stream)
  }

  /** Never opened, by either side. */
  isIdle(id: number): boolean {
    return id > this.lastStreamId || (id & 1) === 0
  }

  /** Ask for a sign of life. */
  ping(): void {
    this.output.ping(false, PING_BYTES, 0)
    this.output.flush()
  }
}
