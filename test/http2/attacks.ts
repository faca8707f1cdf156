/** Attacks by which a client of HTTP/2 makes others work for nothing (security of HTTP/2: CVE-2023-44487 and its kin). */
import * as h2 from '../../src/http/message/http2/frames.ts'
import { frame } from './frame-log.ts'
import { data, rst, settings, windowUpdate } from './frame-peer.ts'

const { ENHANCE_YOUR_CALM, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR } = h2
export const id = (i: number): number => 1 + 2 * i
/** A header block that refers to no table but the static one. */
export const GET = Buffer.concat([Buffer.of(0x82, 0x86, 0x84, 0x41, 4), Buffer.from('here')])
const POST = Buffer.concat([Buffer.of(0x83, 0x86, 0x84, 0x41, 4), Buffer.from('here')])
const get = (i: number): Buffer => frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, id(i), GET)
const post = (i: number): Buffer => frame(h2.HEADERS, h2.END_HEADERS, id(i), POST)
export const both = (...frames: readonly Buffer[]): Buffer => Buffer.concat(frames)

export interface Attack {
  readonly name: string
  readonly frames: (i: number) => Uint8Array
  /** Of the GOAWAY, where it can be read. */
  readonly codes: readonly number[]
  /** Each piece in a read of its own. */
  readonly apart?: true
  /** Sent before; `open`: within a header block, so that nothing else may be sent. */
  readonly first?: Uint8Array
  readonly open?: true
}

const CALM = [ENHANCE_YOUR_CALM]
const OPEN_POST = post(0)

export const ATTACKS: readonly Attack[] = [
  { name: 'rapid reset', frames: (i) => both(get(i), rst(id(i), h2.CANCEL)), codes: CALM },
  { name: 'rapid reset, each in two reads', frames: (i) => (i % 2 === 0 ? get(i / 2) : rst(id((i - 1) / 2), h2.CANCEL)), codes: CALM, apart: true }, // biome-ignore format: one row
  {
    name: 'reset made by WINDOW_UPDATE 0',
    frames: (i) => both(get(i), windowUpdate(id(i), 0)),
    codes: [PROTOCOL_ERROR],
  },
  { name: 'reset made by a window that overflows', frames: (i) => both(get(i), windowUpdate(id(i), h2.MAX_31)), codes: CALM }, // biome-ignore format: one row
  { name: 'the same, each in a read of its own', frames: (i) => both(get(i), windowUpdate(id(i), h2.MAX_31)), codes: CALM, apart: true }, // biome-ignore format: one row
  { name: 'reset made by DATA behind END_STREAM', frames: (i) => both(get(i), data(id(i), 'x')), codes: CALM },
  { name: 'reset made by HEADERS behind END_STREAM', frames: (i) => both(get(i), get(i)), codes: CALM },
  { name: 'reset made by trailers that do not end', frames: (i) => both(post(i), post(i)), codes: CALM },
  { name: 'reset made by a wrong length', frames: (i) => both(frame(h2.HEADERS, 5, id(i), both(GET, Buffer.from('0f0d0131', 'hex')))), codes: CALM }, // biome-ignore format: one row
  { name: 'malformed requests', frames: (i) => frame(h2.HEADERS, 5, id(i), Buffer.of(0x82)), codes: CALM },
  { name: 'malformed requests with bodies', frames: (i) => frame(h2.HEADERS, 4, id(i), Buffer.of(0x82)), codes: CALM },
  { name: 'PRIORITY of a stream on itself', frames: (i) => frame(h2.PRIORITY, 0, id(i), Buffer.of(0, 0, 0, id(i), 0)), codes: CALM }, // biome-ignore format: one row
  { name: 'PRIORITY of four octets', frames: (i) => both(get(i), frame(h2.PRIORITY, 0, id(i), '1234')), codes: [FRAME_SIZE_ERROR] }, // biome-ignore format: one row
  { name: 'PRIORITY', frames: (i) => frame(h2.PRIORITY, 0, id(i), Buffer.alloc(5)), codes: CALM },
  { name: 'CONTINUATION without end', first: frame(h2.HEADERS, 0, 1, GET), open: true, frames: () => frame(h2.CONTINUATION, 0, 1, '@\x01x\x01y'), codes: CALM }, // biome-ignore format: one row
  { name: 'large CONTINUATION without end', first: frame(h2.HEADERS, 0, 1, GET), open: true, frames: () => frame(h2.CONTINUATION, 0, 1, Buffer.alloc(16_000, 0x82)), codes: CALM }, // biome-ignore format: one row
  { name: 'empty CONTINUATION', first: frame(h2.HEADERS, 0, 1, GET), open: true, frames: () => frame(h2.CONTINUATION, 0, 1), codes: CALM }, // biome-ignore format: one row
  { name: 'heads in many empty CONTINUATIONs', frames: (i) => both(frame(h2.HEADERS, 1, id(i), GET), ...Array.from({ length: 30 }, () => frame(h2.CONTINUATION, 0, id(i))), frame(h2.CONTINUATION, 4, id(i))), codes: CALM }, // biome-ignore format: one row
  { name: 'empty DATA', first: OPEN_POST, frames: () => data(1, ''), codes: CALM },
  { name: 'DATA of padding', first: OPEN_POST, frames: () => frame(h2.DATA, h2.PADDED, 1, '\0'), codes: CALM },
  { name: 'DATA on streams that are over', first: both(post(0), rst(1, h2.CANCEL)), frames: () => data(1, 'x'), codes: CALM }, // biome-ignore format: one row
  { name: 'HEADERS on streams that are over', first: both(post(0), rst(1, h2.CANCEL)), frames: () => get(0), codes: [h2.STREAM_CLOSED] }, // biome-ignore format: one row
  { name: 'SETTINGS', frames: () => settings(), codes: CALM },
  { name: 'SETTINGS with a great many', frames: () => settings(...Array.from({ length: 2000 }, (_, i) => [4, 100 + i] as const)), codes: CALM }, // biome-ignore format: one row
  { name: 'SETTINGS acknowledged again and again', frames: () => frame(h2.SETTINGS, h2.ACK, 0), codes: CALM },
  { name: 'windows up and down', first: both(...Array.from({ length: 100 }, (_, i) => get(i))), frames: (i) => settings([4, i % 2 === 0 ? 0 : 1_000_000]), codes: CALM }, // biome-ignore format: one row
  { name: 'PING', frames: () => frame(h2.PING, 0, 0, '12345678'), codes: CALM },
  { name: 'PING acknowledged without one', frames: () => frame(h2.PING, h2.ACK, 0, '12345678'), codes: CALM },
  { name: 'frames of unknown types', frames: (i) => frame(0x20 + (i % 100), 0, i % 7), codes: CALM },
  { name: 'PRIORITY_UPDATE', frames: () => frame(h2.PRIORITY_UPDATE, 0, 0, '\0\0\0\x01u=1'), codes: CALM },
  { name: 'GOAWAY', frames: () => frame(h2.GOAWAY, 0, 0, Buffer.alloc(8)), codes: [ENHANCE_YOUR_CALM, h2.NO_ERROR] },
  { name: 'a window of the connection that overflows', frames: () => windowUpdate(0, h2.MAX_31), codes: [FLOW_CONTROL_ERROR] }, // biome-ignore format: one row
  { name: 'windows one by one', frames: () => windowUpdate(0, 1), codes: CALM },
  { name: 'windows of a stream one by one', first: OPEN_POST, frames: () => windowUpdate(1, 1), codes: CALM },
  { name: 'RST_STREAM of streams that are over', first: both(post(0), rst(1, h2.CANCEL)), frames: () => rst(1, h2.CANCEL), codes: CALM }, // biome-ignore format: one row
  { name: 'streams beyond the limit', frames: post, codes: CALM },
  { name: 'requests, none of their answers read', frames: get, codes: CALM },
  { name: 'bytes that are no frames', frames: (i) => Buffer.alloc(100, i * 7 + 13), codes: [FRAME_SIZE_ERROR, PROTOCOL_ERROR] }, // biome-ignore format: one row
]
