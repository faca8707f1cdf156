/**
 * Finished records in memory, as bytes; texts that stand side by side are written in one go, which costs as much as each.
 *
 *     length of what remains without the body u32 | lengths of owner, fingerprint, request id, traceparent u32 |
 *     fence, lease until, created, expires, forgotten, completed, body bytes f64 | status u16, state u8, has response u8 |
 *     length of the id u32, id, owner, fingerprint, request id, traceparent ||
 *     lengths of headers and trailers u32, headers, trailers, body
 */
import { latin1 } from '../core/latin1.ts'
import type { StoredResponse } from '../exchange/idempotency-store.ts'
import { arenaBytes, BlockArena, Staging } from './block-arena.ts'
import { ByteReader, ByteWriter } from './byte-cursor.ts'
import { numberOfState, readTimes, stateOf, writeTimes } from './entry-codec.ts'
import type { Entry } from './lifecycle.ts'

/** A record that is at work no more: its number in the arena, or its bytes where they are many. */
export type Kept = number | Buffer

/** Where the length of the id stands. */
const ID_AT = 5 * 4 + 7 * 8 + 4
const STRING_BYTES = 16
/** A claim at work: the objects, their numbers, their place in a table. */
const WORKING_BYTES = 640
/** Its row in the table: twice what it is, for the half of the table that waits for more. */
const LISTED_BYTES = 88
/** A buffer, and what the engine keeps of memory outside of its heap. */
const BUFFER_BYTES = 200

const staging = new Staging()
const staged = new ByteWriter(staging.bytes)

/** Bytes of a claim at work. */
export function workingSize({ fingerprint, requestId, traceparent, owner }: Entry, id: string): number {
  const strings = id.length + fingerprint.length + requestId.length + traceparent.length + owner.length
  return WORKING_BYTES + 5 * STRING_BYTES + strings
}

export class MemoryRecords {
  readonly #arena = new BlockArena()

  /** To be given up by {@link drop}, once. */
  keep(id: string, entry: Entry): Kept {
    const { response, owner, fingerprint, requestId, traceparent } = entry
    const text = id + owner + fingerprint + requestId + traceparent
    const remains = ID_AT + 4 + text.length
    const body = response?.body
    const fields = body === undefined ? '' : response!.headers + response!.trailers
    const size = body === undefined ? remains : remains + 8 + fields.length + body.length
    const to = size <= staging.bytes.length ? staged : new ByteWriter(Buffer.allocUnsafeSlow(size))
    to.at = 0
    to.u32(remains)
    to.u32(owner.length)
    to.u32(fingerprint.length)
    to.u32(requestId.length)
    to.u32(traceparent.length)
    writeTimes(to, entry)
    to.f64(response?.completedMs ?? 0)
    to.f64(response?.bodyBytes ?? 0)
    to.u16(response?.status ?? 0)
    to.u8(numberOfState(entry.state))
    to.u8(response === undefined ? 0 : 1)
    to.u32(id.length)
    to.text(text)
    if (body !== undefined) {
      to.u32(response!.headers.length)
      to.u32(response!.trailers.length)
      to.text(fields)
      to.raw(body)
    }
    return to === staged ? this.#arena.put(staging, size) : to.bytes
  }

  /** Whether it is the record of this id. */
  isOf(kept: Kept, id: string): boolean {
    if (typeof kept === 'number') return this.#arena.hasString(kept, ID_AT, id)
    return kept.readUInt32LE(ID_AT) === id.length && latin1(kept, ID_AT + 4, ID_AT + 4 + id.length) === id
  }

  /** The entry again. Its body may be a view of the record: not to be written to. */
  read(kept: Kept): Entry {
    const bytes = typeof kept === 'number' ? this.#arena.get(kept) : kept
    return readEntry(new ByteReader(bytes, 4))
  }

  /** Bytes of a record with all that it alone keeps alive; held against the heap by a test. */
  sizeOf(kept: Kept): number {
    return (
      LISTED_BYTES + (typeof kept === 'number' ? arenaBytes(this.#arena.lengthOf(kept)) : BUFFER_BYTES + kept.length)
    )
  }

  /** Whether the body of the response is there. */
  hasBody(kept: Kept): boolean {
    if (typeof kept === 'number') return this.#arena.lengthOf(kept) > this.#arena.headOf(kept)
    return kept.length > kept.readUInt32LE(0)
  }

  /** Give up the body, and the headers with it: that it ran, its status and size remain. `kept` is not to be used again. */
  withoutBody(kept: Kept): Kept {
    if (typeof kept === 'number') {
      this.#arena.shorten(kept, this.#arena.headOf(kept))
      return kept
    }
    const length = kept.readUInt32LE(0)
    if (length > staging.bytes.length) return Buffer.from(kept.subarray(0, length))
    kept.copy(staging.bytes, 0, 0, length)
    return this.#arena.put(staging, length)
  }

  drop(kept: Kept): void {
    if (typeof kept === 'number') this.#arena.drop(kept)
  }
}

/** Objects of one shape with those of `newEntry` and of a recording: no copies by `...`, which cost 20 µs here. */
function readEntry(from: ByteReader): Entry {
  const ownerLength = from.u32()
  const fingerprintLength = from.u32()
  const requestIdLength = from.u32()
  const traceparentLength = from.u32()
  const { fence, leaseUntilMs, createdMs, expiresMs, forgottenMs } = readTimes(from)
  const completedMs = from.f64()
  const bodyBytes = from.f64()
  const status = from.u16()
  const state = stateOf(from.u8())
  const hasResponse = from.u8() === 1
  // The id, which who asks has.
  from.skip(from.u32())
  const owner = from.text(ownerLength)
  const fingerprint = from.text(fingerprintLength)
  const requestId = from.text(requestIdLength)
  const traceparent = from.text(traceparentLength)
  const response = hasResponse ? readResponse(from, status, bodyBytes, completedMs) : undefined
  return {
    state,
    fingerprint,
    createdMs,
    requestId,
    traceparent,
    response,
    owner,
    fence,
    leaseUntilMs,
    expiresMs,
    forgottenMs,
  }
}

function readResponse(from: ByteReader, status: number, bodyBytes: number, completedMs: number): StoredResponse {
  if (from.left === 0) return { status, headers: '', body: undefined, bodyBytes, trailers: '', completedMs }
  const headersLength = from.u32()
  const trailersLength = from.u32()
  const headers = from.text(headersLength)
  const trailers = from.text(trailersLength)
  return { status, headers, body: from.raw(from.left), bodyBytes, trailers, completedMs }
}
