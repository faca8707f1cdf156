/**
 * What each frame of the peer means for its session: windows, settings, streams that begin and end, and what counts as a
 * flood. Header blocks go to the role.
 */
import type { FrameSink } from './frame-sink.ts'
import * as h2 from './frames.ts'
import type { Http2Session } from './session.ts'
import type { Http2Stream } from './stream.ts'

/** A client that gives up a request after so long does not do it to make us work. */
const PATIENT_US = 1_000_000

export class ReceivedFrames implements FrameSink {
  readonly #session: Http2Session

  constructor(session: Http2Session) {
    this.#session = session
  }

  onData(
    id: number,
    buf: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    endOfFrame: boolean,
    endStream: boolean,
  ): number {
    if (!this.#session.received.received(flowBytes)) return h2.FLOW_CONTROL_ERROR
    if (start === end && !endStream && !this.#session.guard.control()) return h2.ENHANCE_YOUR_CALM
    const stream = this.#session.streams.get(id)
    if (stream === undefined) return this.#dataOnClosed(id, flowBytes, endOfFrame)
    this.#session.touched.push(stream)
    if (stream.receivedEnd) this.#streamFault(stream, h2.STREAM_CLOSED)
    else if (!stream.receive(buf, start, end, flowBytes)) this.#streamFault(stream, h2.FLOW_CONTROL_ERROR)
    else if (endStream && !stream.closed) this.#session.endReceived(stream, undefined)
    return 0
  }

  #dataOnClosed(id: number, flowBytes: number, endOfFrame: boolean): number {
    if (this.#session.isIdle(id)) return h2.PROTOCOL_ERROR
    // All streams of a client are its own: it knows that it gave this one up.
    const expected = this.#session.client || this.#session.recentlyReset.has(id)
    if ((expected && this.#session.recentlyReset.excuses(flowBytes)) || !endOfFrame) return 0
    if (!this.#session.guard.control()) return h2.ENHANCE_YOUR_CALM
    return expected ? 0 : this.#session.refuseStream(id, h2.STREAM_CLOSED)
  }

  /** The peer broke a rule on one stream: reset it, and tell whoever uses it. */
  #streamFault(stream: Http2Stream, code: number): void {
    this.#session.resetStream(stream, code, true)
    stream.wasReset(code, new Error(h2.errorName(code)))
  }

  onHeaders(id: number, endStream: boolean, buf: Buffer, start: number, end: number, continuations: number): number {
    if (continuations > 1 && !this.#session.guard.control()) return h2.ENHANCE_YOUR_CALM
    return this.#session.role.onHeaderBlock(id, this.#session.streams.get(id), endStream, buf, start, end)
  }

  onSetting(id: number, value: number): number {
    const before = this.#session.peer.initialWindow
    if (!this.#session.peer.take(id, value)) return h2.ENHANCE_YOUR_CALM
    if (id === h2.SETTINGS_HEADER_TABLE_SIZE) this.#session.encoder.setPeerTableSize(value)
    else if (id === h2.SETTINGS_MAX_FRAME_SIZE)
      this.#session.output.maxFrameBytes = Math.min(value, 4 * h2.MIN_MAX_FRAME)
    else if (id === h2.SETTINGS_INITIAL_WINDOW_SIZE) return this.#windowsChanged(value - before)
    return 0
  }

  /** All streams' windows change with the first one's size, and may become negative (RFC 9113 §6.9.2). */
  #windowsChanged(change: number): number {
    for (const stream of this.#session.streams.values()) {
      stream.sendWindow += change
      if (stream.sendWindow > h2.MAX_31) return h2.FLOW_CONTROL_ERROR
    }
    return 0
  }

  onSettingsEnd(): number {
    this.#session.peer.end()
    if (!this.#session.guard.control()) return h2.ENHANCE_YOUR_CALM
    this.#session.output.settingsAck()
    // Behind the acknowledgement, by which the peer knows that its windows count.
    this.#session.turns.go()
    this.#session.role.onPeerSettings()
    return 0
  }

  onSettingsAck(): number {
    this.#session.settingsAcked = true
    return this.#session.guard.control() ? 0 : h2.ENHANCE_YOUR_CALM
  }

  onPing(ack: boolean, buf: Buffer, start: number): number {
    if (!this.#session.guard.control()) return h2.ENHANCE_YOUR_CALM
    if (ack) this.#session.role.onPingAck()
    else this.#session.output.ping(true, buf, start)
    return 0
  }

  onWindowUpdate(id: number, increment: number): number {
    if (!this.#session.guard.control()) return h2.ENHANCE_YOUR_CALM
    if (id === 0) return this.#session.turns.open(increment) ? 0 : h2.FLOW_CONTROL_ERROR
    const stream = this.#session.streams.get(id)
    if (stream === undefined) return this.#session.isIdle(id) ? h2.PROTOCOL_ERROR : 0
    stream.sendWindow += increment
    if (stream.sendWindow > h2.MAX_31) this.#streamFault(stream, h2.FLOW_CONTROL_ERROR)
    else if (stream.blocked) stream.sendWaiting()
    return 0
  }

  onRstStream(id: number, code: number): number {
    const stream = this.#session.streams.get(id)
    if (stream === undefined) {
      if (this.#session.isIdle(id)) return h2.PROTOCOL_ERROR
      return this.#session.guard.control() ? 0 : h2.ENHANCE_YOUR_CALM
    }
    // An upstream that refuses is busy; a client that throws its requests away makes others work for nothing.
    const premature =
      !this.#session.client && !stream.sentEnd && this.#session.lastReadUs - stream.openedUs < PATIENT_US
    this.#session.endedByPeer(stream, code)
    return premature && !this.#session.guard.reset() ? h2.ENHANCE_YOUR_CALM : 0
  }

  onGoaway(lastStreamId: number, code: number): number {
    if (!this.#session.guard.control()) return h2.ENHANCE_YOUR_CALM
    this.#session.goingAway = this.#session.peerGoingAway = true
    this.#session.role.onGoaway(lastStreamId, code)
    return 0
  }

  onPriority(): number {
    return this.#session.guard.control() ? 0 : h2.ENHANCE_YOUR_CALM
  }

  onOther(): number {
    return this.#session.guard.control() ? 0 : h2.ENHANCE_YOUR_CALM
  }
}
