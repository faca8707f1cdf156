/** A record in memory: its response is packed, so that it weighs what its bytes are and no string keeps a whole head alive. */
import type { StoredResponse } from '../exchange/idempotency-store.ts'
import { ByteReader } from './byte-cursor.ts'
import type { Entry } from './lifecycle.ts'
import { encodeResponse, RESPONSE_HEAD_BYTES, readRemains, readResponse, responseSize } from './response-codec.ts'

export interface Held {
  /** Its response is in {@link packed}. */
  readonly entry: Entry
  packed: string | Buffer | undefined
  hasBody: boolean
}

/**
 * Up to this size the bytes are kept as a latin1 string: part of the engine's heap, where a buffer has memory outside of
 * it, which costs more to make and makes the engine collect all of its heap more often.
 */
const STRING_MOST = 16 * 1024

/** The objects, their numbers, their place in a map and in the list of use. */
const ENTRY_BYTES = 640
/** A string beside its characters. */
const STRING_BYTES = 16
/** The string, and what its page is not filled by. */
const PACKED_BYTES = 160
/** The buffer, and what the engine keeps of memory outside of its heap. */
const BUFFER_BYTES = 320

/** Bytes of a record with all that it alone keeps alive; held against the heap by a test. */
export function sizeOf({ entry, packed }: Held, id: string): number {
  const { fingerprint, requestId, traceparent, owner } = entry
  const strings = id.length + fingerprint.length + requestId.length + traceparent.length + owner.length
  const beside = typeof packed === 'string' ? PACKED_BYTES : BUFFER_BYTES
  const response = packed === undefined ? 0 : beside + packed.length
  return ENTRY_BYTES + 5 * STRING_BYTES + strings + response
}

export function hold(entry: Entry): Held {
  return { entry, packed: undefined, hasBody: false }
}

/** The same text in memory of its own: the engine makes a part of a request head a view of all of it. */
export function ownString(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** Packs the response that the entry was given. */
export function keepResponse(held: Held): void {
  const { response } = held.entry
  if (response === undefined) return
  held.packed = pack(response)
  held.hasBody = response.body !== undefined
  held.entry.response = undefined
}

function pack(response: StoredResponse): string | Buffer {
  const small = responseSize(response, response.body === undefined ? 'none' : 'inline') <= STRING_MOST
  return small ? encodeResponse(response).toString('latin1') : encodeResponse(response, true)
}

/** Its body may be a view of the record: not to be written to. */
export function responseOf({ packed }: Held): StoredResponse | undefined {
  if (packed === undefined) return undefined
  const bytes = typeof packed === 'string' ? Buffer.from(packed, 'latin1') : packed
  return readResponse(new ByteReader(bytes), true).response
}

/** Gives up the body, and the headers with it: status and size remain. */
export function shedBody(held: Held): void {
  const { packed } = held
  if (!held.hasBody || packed === undefined) return
  const head = typeof packed === 'string' ? Buffer.from(packed.slice(0, RESPONSE_HEAD_BYTES), 'latin1') : packed
  held.packed = pack(readRemains(new ByteReader(head)))
  held.hasBody = false
}
