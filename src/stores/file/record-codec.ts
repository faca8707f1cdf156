/**
 * A record as bytes:
 *
 *     version u8 | crc u32 of all that follows | state u8 | has response u8 | fence, lease until, created, expires,
 *     forgotten f64 | owner, fingerprint, request id, traceparent | response | crc of a body apart u32, 0 where not summed
 *
 * Bytes of another version, or damaged ones, are told as such and never as a free id.
 */
import { ByteReader, ByteWriter } from '../byte-cursor.ts'
import { crc32 } from '../crc32.ts'
import { entrySize, readEntry, writeEntry } from '../entry-codec.ts'
import type { Entry } from '../lifecycle.ts'
import { type BodyPlace, type ReadResponse, readResponse, responseSize, writeResponse } from '../response-codec.ts'

const VERSION = 1
/** From here on the sum counts. */
const SUMMED_FROM = 5
const CRC_BYTES = 4
/** No record is shorter. */
const LEAST_BYTES = SUMMED_FROM + CRC_BYTES

/** Where the body of an entry goes, and its sum where it goes apart. */
export interface BodyFiling {
  readonly place: BodyPlace
  readonly crc: number
}

export const NO_BODY: BodyFiling = { place: 'none', crc: 0 }

export function encodeEntry(entry: Entry, filing: BodyFiling): Buffer {
  const { response } = entry
  const size = LEAST_BYTES + entrySize(entry) + (response === undefined ? 0 : responseSize(response, filing.place))
  const to = new ByteWriter(Buffer.allocUnsafe(size))
  to.u8(VERSION)
  to.u32(0)
  writeEntry(to, entry)
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
  if (bytes.length < LEAST_BYTES) return DAMAGED
  if (bytes[0] !== VERSION) return { kind: 'foreign' }
  if (crc32(bytes.subarray(SUMMED_FROM)) !== bytes.readUInt32LE(1)) return DAMAGED
  try {
    return read(new ByteReader(bytes, SUMMED_FROM))
  } catch {
    return DAMAGED
  }
}

function read(from: ByteReader): Decoded {
  let found: ReadResponse | undefined
  const entry = readEntry(from, () => {
    found = readResponse(from)
    return found.response
  })
  return { kind: 'entry', entry, apart: found?.apart ?? -1, apartCrc: from.u32() }
}
