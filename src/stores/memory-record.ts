/**
 * A finished record in memory, as one flat string (or a buffer, where it is large): no object for each of its parts, which
 * the engine would have to look at and move, and no string that keeps a whole request head alive.
 *
 *     length of what remains without the body u32 | entry | status u16, completed, body bytes f64 || headers, trailers, body
 */
import type { StoredResponse } from '../exchange/idempotency-store.ts'
import { ByteReader, ByteWriter, fieldsSize } from './byte-cursor.ts'
import { entrySize, readEntry, writeEntry } from './entry-codec.ts'
import type { Entry } from './lifecycle.ts'

/** A record that is at work no more. */
export type Packed = string | Buffer

/** The length, and what is known of a response. */
const HEAD_BYTES = 4 + 2 + 2 * 8

/**
 * Up to this size the bytes are kept as a latin1 string: part of the engine's heap, where a buffer has memory outside of
 * it, which costs more to make and makes the engine collect all of its heap more often.
 */
const STRING_MOST = 16 * 1024
const scratch = Buffer.allocUnsafeSlow(STRING_MOST)

/** A claim at work: the objects, their numbers, their place in a map. */
const WORKING_BYTES = 640
const STRING_BYTES = 16
/** The id's place in a map and in the list of use, and what the pages of the heap are not filled by. */
const PACKED_BYTES = 140
/** The same, with a buffer and what the engine keeps of memory outside of its heap. */
const BUFFER_BYTES = 300

/** Bytes of a claim at work. */
export function workingSize({ fingerprint, requestId, traceparent, owner }: Entry, id: string): number {
  const strings = id.length + fingerprint.length + requestId.length + traceparent.length + owner.length
  return WORKING_BYTES + 5 * STRING_BYTES + strings
}

/** Bytes of a finished record with all that it alone keeps alive; held against the heap by a test. */
export function packedSize(packed: Packed, id: string): number {
  return (typeof packed === 'string' ? PACKED_BYTES : BUFFER_BYTES) + packed.length + STRING_BYTES + id.length
}

export function pack(entry: Entry): Packed {
  const { response } = entry
  const remains = HEAD_BYTES + entrySize(entry)
  const body = response?.body
  const size =
    remains + (body === undefined ? 0 : fieldsSize(response!.headers) + fieldsSize(response!.trailers) + body.length)
  const to = new ByteWriter(size <= STRING_MOST ? scratch : Buffer.allocUnsafeSlow(size))
  to.u32(remains)
  writeEntry(to, entry)
  to.u16(response?.status ?? 0)
  to.f64(response?.completedMs ?? 0)
  to.f64(response?.bodyBytes ?? 0)
  if (body !== undefined) {
    to.fields(response!.headers)
    to.fields(response!.trailers)
    to.raw(body)
  }
  return to.bytes === scratch ? scratch.toString('latin1', 0, size) : to.bytes
}

/** The entry again. Its body may be a view of the record: not to be written to. */
export function unpack(packed: Packed): Entry {
  const from = new ByteReader(typeof packed === 'string' ? Buffer.from(packed, 'latin1') : packed, 4)
  return readEntry(from, () => readResponse(from))
}

function readResponse(from: ByteReader): StoredResponse {
  const status = from.u16()
  const completedMs = from.f64()
  const bodyBytes = from.f64()
  if (from.left === 0) return { status, headers: [], body: undefined, bodyBytes, trailers: [], completedMs }
  const headers = from.fields()
  const trailers = from.fields()
  return { status, headers, body: from.raw(from.left), bodyBytes, trailers, completedMs }
}

/** Whether the body of the response is there. */
export function hasBody(packed: Packed): boolean {
  return packed.length > remainsLength(packed)
}

/** Without the body, and the headers with it: that it ran, its status and size remain. */
export function withoutBody(packed: Packed): Packed {
  const length = remainsLength(packed)
  if (packed.length === length) return packed
  // A part of a string would keep all of it.
  return typeof packed === 'string'
    ? Buffer.from(packed.slice(0, length), 'latin1').toString('latin1')
    : packed.toString('latin1', 0, length)
}

function remainsLength(packed: Packed): number {
  if (typeof packed !== 'string') return packed.readUInt32LE(0)
  const low = packed.charCodeAt(0) | (packed.charCodeAt(1) << 8)
  return low + (packed.charCodeAt(2) | (packed.charCodeAt(3) << 8)) * 0x10000
}
