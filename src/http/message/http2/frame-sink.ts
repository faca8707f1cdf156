/** What a frame reader reports, and how much it collects. */

/**
 * Receives frames. Byte ranges are `buf[start, end)`, valid during the call. Every method returns 0, or an error code
 * (any number but 0) that stops the reader: `FrameReader.read` returns it and nothing more is reported.
 */
export interface FrameSink {
  /**
   * A piece of a DATA frame's data. `flowBytes` is what the piece takes from the flow-control windows: padding and its
   * length byte count too, so it may be above `end - start`, which may be 0. It is 0 only for an empty DATA frame.
   * `endStream` comes with the last piece only, which has `endOfFrame`.
   */
  onData(
    streamId: number,
    buf: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    endOfFrame: boolean,
    endStream: boolean,
  ): number
  /** A complete header block, padding and priority taken off; `continuations` frames followed HEADERS. */
  onHeaders(
    streamId: number,
    endStream: boolean,
    buf: Buffer,
    start: number,
    end: number,
    continuations: number,
  ): number
  /** One setting, its value checked; unknown ids come too. */
  onSetting(id: number, value: number): number
  /** The SETTINGS frame is over, it had `count` settings: acknowledge it. */
  onSettingsEnd(count: number): number
  onSettingsAck(): number
  /** The opaque bytes are `buf[start, start + 8)`. */
  onPing(ack: boolean, buf: Buffer, start: number): number
  /** `increment` is at least 1; stream 0 is the connection. */
  onWindowUpdate(streamId: number, increment: number): number
  onRstStream(streamId: number, code: number): number
  /** The debug data is `buf[start, end)`. */
  onGoaway(lastStreamId: number, code: number, buf: Buffer, start: number, end: number): number
  onPriority(streamId: number): number
  /** A frame of a type without meaning for us, PRIORITY_UPDATE included: to be ignored, and counted. */
  onOther(type: number, streamId: number): number
}

/** Bounds of what is collected. */
export interface FrameLimits {
  /** Bytes of one header block as it is on the wire. Beyond: ENHANCE_YOUR_CALM. */
  readonly maxBlockBytes: number
  /** CONTINUATION frames of one header block. Beyond: ENHANCE_YOUR_CALM. */
  readonly maxContinuations: number
  /** Whether the client's preface comes before the first frame. */
  readonly preface: boolean
}
