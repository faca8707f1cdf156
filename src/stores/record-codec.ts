/**
 * A record as bytes:
 *
 *     version u8 | crc u32 of all that follows | state u8 | has response u8 | fence, lease until, created, expires,
 *     forgotten f64 | owner, fingerprint, request id, traceparent | response | crc of a body apart u32, 0 where not summed
 *
 * Bytes of another version, or damaged ones, are told as such and never as a free id.
 */
import type { RecordState } from '../exchange/idempotency-store.ts'
import { ByteReader, ByteWriter, stringSize } from './byte-cursor.ts'
import { crc32 } from './crc32.ts'
import type { Entry } from './lifecycle.ts'
import { type BodyPlace, readResponse, responseSize, writeResponse } from './response-codec.ts'

const VERSION = 1
const STATES: readonly RecordState[] = ['claimed', 'dispatched', 'completed', 'unknown', 'expired']
/** From here on the sum counts. */
const SUMMED_FROM = 5
const FIXED_BYTES = SUMMED_FROM + 2 + 5 * 8 + 4

/** Where the body of an entry goes, and its sum where it goes apart. */
export interface BodyFiling {
  readonly place: BodyPlace
  readonly crc: number
}

export const NO_BODY: BodyFiling = { place: 'none', crc: 0 }

export function encodeEntry(entry: Entry, filing: BodyFiling): Buffer {
  const { response } = entry
  const strings =
    stringSize(entry.owner) +
    stringSize(entry.fingerprint) +
    stringSize(entry.requestId) +
    stringSize(entry.traceparent)
  const size = FIXED_BYTES + strings + (response === undefined ? 0 : responseSize(response, filing.place))
  const to = new ByteWriter(Buffer.allocUnsafe(size))
  to.u8(VERSION)
  to.u32(0)
  to.u8(STATES.indexOf(entry.state))
  to.u8(response === undefined ? 0 : 1)
  to.f64(entry.fence)
  to.f64(entry.leaseUntilMs)
  to.f64(entry.createdMs)
  to.f64(entry.expiresMs)
  to.f64(entry.forgottenMs)
  to.string(entry.owner)
  to.string(entry.fingerprint)
  to.string(entry.requestId)
  to.string(entry.traceparent)
  if (response !== undefined) writeResponse(to, response, filing.place)
  to.u32(filing.crc)
  to.bytes.writeUInt32LE(crc32(to.bytes.subarray(SUMMED_FROM)), 1)
  return to.bytes
}

export interface DecodedEntry {
  readonly kind: 'entry'
  readonly entry: Entry
  /** Length of a body that is kept apart, else -1. */
  readonly apart: number
  /** Its sum, 0 where there is none. */
  readonly apartCrc: number
}

/** `foreign`: written by another version of this program. */
export type Decoded = DecodedEntry | { readonly kind: 'damaged' } | { readonly kind: 'foreign' }

const DAMAGED: Decoded = { kind: 'damaged' }

export function decodeEntry(bytes: Buffer): Decoded {
  if (bytes.length < FIXED_BYTES) return DAMAGED
  if (bytes[0] !== VERSION) return { kind: 'foreign' }
  if (crc32(bytes.subarray(SUMMED_FROM)) !== bytes.readUInt32LE(1)) return DAMAGED
  try {
    return readEntry(new ByteReader(bytes, SUMMED_FROM))
  } catch {
    return DAMAGED
  }
}

function readEntry(from: ByteReader): Decoded {
  const state = STATES[from.u8()]
  if (state === undefined) return DAMAGED
  const hasResponse = from.u8() === 1
  const fence = from.f64()
  const leaseUntilMs = from.f64()
  const createdMs = from.f64()
  const expiresMs = from.f64()
  const forgottenMs = from.f64()
  const owner = from.string()
  const fingerprint = from.string()
  const requestId = from.string()
  const traceparent = from.string()
  const read = hasResponse ? readResponse(from) : undefined
  const entry: Entry = {
    state,
    fingerprint,
    createdMs,
    requestId,
    traceparent,
    response: read?.response,
    owner,
    fence,
    leaseUntilMs,
    expiresMs,
    forgottenMs,
  }
  return { kind: 'entry', entry, apart: read?.apart ?? -1, apartCrc: from.u32() }
}
