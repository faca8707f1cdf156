/**
 * Finished records in memory, as bytes:
 *
 *     length of what remains without the body u32 | id | entry | status u16, completed, body bytes f64 || headers, trailers,
 *     body
 */
import { latin1 } from '../core/latin1.ts'
import type { StoredResponse } from '../exchange/idempotency-store.ts'
import { arenaBytes, BlockArena, Staging } from './block-arena.ts'
import { ByteReader, ByteWriter, stringSize } from './byte-cursor.ts'
import { entrySize, readEntry, writeEntry } from './entry-codec.ts'
import type { Entry } from './lifecycle.ts'

/** A record that is at work no more: its number in the arena, or its bytes where they are many. */
export type Kept = number | Buffer

/** The length, and what is known of a response. */
const HEAD_BYTES = 4 + 2 + 2 * 8
const STRING_BYTES = 16
/** A claim at work: the objects, their numbers, their place in a map. */
const WORKING_BYTES = 640
/** Its row in the table: twice what it is, for the half of the table that waits for more. */
const LISTED_BYTES = 72
/** A buffer, and what the engine keeps of memory outside of its heap. */
const BUFFER_BYTES = 200

/** Where the length of the id stands. */
const ID_AT = 4

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
    const { response } = entry
    const remains = HEAD_BYTES + stringSize(id) + entrySize(entry)
    const body = response?.body
    const more = body === undefined ? 0 : stringSize(response!.headers) + stringSize(response!.trailers) + body.length
    const size = remains + more
    const to = size <= staging.bytes.length ? staged : new ByteWriter(Buffer.allocUnsafeSlow(size))
    to.at = 0
    to.u32(remains)
    to.string(id)
    writeEntry(to, entry)
    to.u16(response?.status ?? 0)
    to.f64(response?.completedMs ?? 0)
    to.f64(response?.bodyBytes ?? 0)
    if (body !== undefined) {
      to.string(response!.headers)
      to.string(response!.trailers)
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
    const from = new ByteReader(bytes, ID_AT + 4 + bytes.readUInt32LE(ID_AT))
    return readEntry(from, () => readResponse(from))
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

function readResponse(from: ByteReader): StoredResponse {
  const status = from.u16()
  const completedMs = from.f64()
  const bodyBytes = from.f64()
  if (from.left === 0) return { status, headers: '', body: undefined, bodyBytes, trailers: '', completedMs }
  const headers = from.string()
  const trailers = from.string()
  return { status, headers, body: from.raw(from.left), bodyBytes, trailers, completedMs }
}
