/** HTTP/2 on the wire (RFC 9113 §4, §6, §7): the numbers, and functions that write the frames without a stream state. */

/** What a client sends first, before its SETTINGS (RFC 9113 §3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
/** Bytes of every frame's header. */
export const FRAME_HEADER = 9

/** Frame types (RFC 9113 §6, RFC 9218 §7.1). */
export const DATA = 0x0
export const HEADERS = 0x1
export const PRIORITY = 0x2
export const RST_STREAM = 0x3
export const SETTINGS = 0x4
export const PUSH_PROMISE = 0x5
export const PING = 0x6
export const GOAWAY = 0x7
export const WINDOW_UPDATE = 0x8
export const CONTINUATION = 0x9
export const PRIORITY_UPDATE = 0x10

/** Flags. */
export const ACK = 0x1
export const END_STREAM = 0x1
export const END_HEADERS = 0x4
export const PADDED = 0x8
export const WITH_PRIORITY = 0x20

/** Error codes (RFC 9113 §7). */
export const NO_ERROR = 0x0
export const PROTOCOL_ERROR = 0x1
export const INTERNAL_ERROR = 0x2
export const FLOW_CONTROL_ERROR = 0x3
export const SETTINGS_TIMEOUT = 0x4
export const STREAM_CLOSED = 0x5
export const FRAME_SIZE_ERROR = 0x6
export const REFUSED_STREAM = 0x7
export const CANCEL = 0x8
export const COMPRESSION_ERROR = 0x9
export const CONNECT_ERROR = 0xa
export const ENHANCE_YOUR_CALM = 0xb
export const INADEQUATE_SECURITY = 0xc
export const HTTP_1_1_REQUIRED = 0xd

const ERROR_NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
] as const

/** Name of an error code, for logs and messages. */
export function errorName(code: number): string {
  return ERROR_NAMES[code] ?? `code ${code}`
}

/** Settings (RFC 9113 §6.5.2, RFC 8441 §3). */
export const SETTINGS_HEADER_TABLE_SIZE = 0x1
export const SETTINGS_ENABLE_PUSH = 0x2
export const SETTINGS_MAX_CONCURRENT_STREAMS = 0x3
export const SETTINGS_INITIAL_WINDOW_SIZE = 0x4
export const SETTINGS_MAX_FRAME_SIZE = 0x5
export const SETTINGS_MAX_HEADER_LIST_SIZE = 0x6
export const SETTINGS_ENABLE_CONNECT_PROTOCOL = 0x8
export const SETTINGS_NO_RFC7540_PRIORITIES = 0x9

/** Window of a connection, and of a stream before SETTINGS say otherwise. */
export const DEFAULT_WINDOW = 65_535
/** Greatest window and greatest stream id. */
export const MAX_31 = 0x7fff_ffff
/** Least value of SETTINGS_MAX_FRAME_SIZE, and its value before SETTINGS say otherwise. */
export const MIN_MAX_FRAME = 16_384
const MAX_MAX_FRAME = 0xff_ffff

/** Error code for a setting's value (RFC 9113 §6.5.2), 0 where it is well. */
export function settingFault(id: number, value: number): number {
  switch (id) {
    case SETTINGS_ENABLE_PUSH:
    case SETTINGS_ENABLE_CONNECT_PROTOCOL:
    case SETTINGS_NO_RFC7540_PRIORITIES:
      return value <= 1 ? NO_ERROR : PROTOCOL_ERROR
    case SETTINGS_INITIAL_WINDOW_SIZE:
      return value <= MAX_31 ? NO_ERROR : FLOW_CONTROL_ERROR
    case SETTINGS_MAX_FRAME_SIZE:
      return value >= MIN_MAX_FRAME && value <= MAX_MAX_FRAME ? NO_ERROR : PROTOCOL_ERROR
    default:
      return NO_ERROR
  }
}

/** Write 32 bits, most significant first. Returns the offset behind them. */
export function writeUint32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
  return at + 4
}

/** Write a frame header at `at`; `length` is the payload's. Returns the offset behind it. */
export function writeFrameHeader(
  out: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  out[at] = length >>> 16
  out[at + 1] = length >>> 8
  out[at + 2] = length
  out[at + 3] = type
  out[at + 4] = flags
  return writeUint32(out, at + 5, streamId)
}

/** SETTINGS with these [id, value] pairs. Writes 9 + 6 × pairs bytes, returns the offset behind them. */
export function settingsFrame(out: Uint8Array, at: number, settings: readonly (readonly [number, number])[]): number {
  let to = writeFrameHeader(out, at, settings.length * 6, SETTINGS, 0, 0)
  for (const [id, value] of settings) {
    out[to] = id >>> 8
    out[to + 1] = id
    to = writeUint32(out, to + 2, value)
  }
  return to
}

/** SETTINGS acknowledgement, 9 bytes. */
export function settingsAckFrame(out: Uint8Array, at: number): number {
  return writeFrameHeader(out, at, 0, SETTINGS, ACK, 0)
}

/** PING, 17 bytes; its 8 opaque bytes are copied from `data[from, from + 8)`. */
export function pingFrame(out: Uint8Array, at: number, ack: boolean, data: Uint8Array, from: number): number {
  const to = writeFrameHeader(out, at, 8, PING, ack ? ACK : 0, 0)
  for (let i = 0; i < 8; i++) out[to + i] = data[from + i]!
  return to + 8
}

/** GOAWAY, 17 bytes and the debug text. */
export function goawayFrame(out: Uint8Array, at: number, lastStreamId: number, code: number, debug = ''): number {
  let to = writeFrameHeader(out, at, 8 + debug.length, GOAWAY, 0, 0)
  to = writeUint32(out, to, lastStreamId)
  to = writeUint32(out, to, code)
  for (let i = 0; i < debug.length; i++) out[to++] = debug.charCodeAt(i)
  return to
}

/** RST_STREAM, 13 bytes. */
export function rstFrame(out: Uint8Array, at: number, streamId: number, code: number): number {
  return writeUint32(out, writeFrameHeader(out, at, 4, RST_STREAM, 0, streamId), code)
}

/** WINDOW_UPDATE, 13 bytes; stream 0 is the connection. */
export function windowUpdateFrame(out: Uint8Array, at: number, streamId: number, increment: number): number {
  return writeUint32(out, writeFrameHeader(out, at, 4, WINDOW_UPDATE, 0, streamId), increment)
}
