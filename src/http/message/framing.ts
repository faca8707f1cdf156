/**
 * The length of a message body, decided in one place for everything we read and everything we write (RFC 9112 §6).
 * Received framing fields are never passed on in doubt: what leaves is what {@link writeFraming} says.
 */
import type { HeaderBlock } from '../../core/headers.ts'
import { knownId } from '../../core/known-names.ts'
import { CHUNKED, UNTIL_CLOSE } from '../../core/message.ts'

const CONTENT_LENGTH = knownId('content-length')
const TRANSFER_ENCODING = knownId('transfer-encoding')

/** No framing field was there. */
export const ABSENT = -3
/** The fields contradict each other or are malformed. */
export const IN_DOUBT = -4

/**
 * Content-Length in bytes, {@link CHUNKED}, {@link ABSENT} or {@link IN_DOUBT}. Refused: both fields, several of one,
 * any Transfer-Encoding but `chunked` alone, a length that is not digits or is over 2^53-1 (RFC 9112 §6.1, §6.3).
 */
export function readFraming(headers: HeaderBlock): number {
  const lengths = headers.countOf(CONTENT_LENGTH)
  const encodings = headers.countOf(TRANSFER_ENCODING)
  if (lengths === 0 && encodings === 0) return ABSENT
  if (lengths + encodings > 1) return IN_DOUBT
  if (encodings === 1) {
    const value = headers.known(TRANSFER_ENCODING)!
    return value === 'chunked' || value.toLowerCase() === 'chunked' ? CHUNKED : IN_DOUBT
  }
  return parseLength(headers.known(CONTENT_LENGTH)!)
}

function parseLength(value: string): number {
  if (value.length === 0 || value.length > 20) return IN_DOUBT
  let length = 0
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return IN_DOUBT
    length = length * 10 + digit
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : IN_DOUBT
}

/**
 * Make the framing fields of `headers` say `length`: a byte count, {@link CHUNKED}, {@link UNTIL_CLOSE} or
 * {@link ABSENT}. A received field that already says exactly that stays where it is, so that order and case are kept.
 */
export function writeFraming(headers: HeaderBlock, length: number): void {
  // By a user's stage, who cannot know it, or for an attempt before this one.
  if (headers.framingAdded) for (const name of ['content-length', 'transfer-encoding']) headers.delete(name)
  keepOnly(headers, TRANSFER_ENCODING, length === CHUNKED ? 'chunked' : undefined, 'Transfer-Encoding')
  keepOnly(headers, CONTENT_LENGTH, length >= 0 ? String(length) : undefined, 'Content-Length')
}

function keepOnly(headers: HeaderBlock, id: number, value: string | undefined, name: string): void {
  if (value !== undefined) {
    headers.framingAdded ||= headers.firstOf(id) === -1
    headers.putKnown(id, name, value)
  } else if (headers.firstOf(id) !== -1) headers.dropKnown(id)
}
